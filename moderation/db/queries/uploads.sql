-- name: take_turn
-- Who brings these bytes and who removes them: one after the other, each until its transaction ends.
select pg_advisory_xact_lock(hashtextextended('upload:' || %(org)s || ':' || %(sha256)s, 0));

-- name: of_some_clip
select 1 from moderation.clips where content_sha256 = %(sha256)s and erased_at is null limit 1;

-- name: of_some_young_clip
-- Clips that have not reached their end, or not long ago, or are held.
select 1 from moderation.clips c where c.content_sha256 = %(sha256)s
  and (c.updated_at >= %(before)s or c.status not in ('released', 'withheld', 'withdrawn')
    or exists (select 1 from moderation.legal_holds h where h.clip_id = c.clip_id and h.lifted_at is null)) limit 1;
