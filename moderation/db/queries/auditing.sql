-- name: entries_where
select shard, seq, at, actor, action, subject, previous, hash, body from moderation.audit_entries
where org_id = %(org)s

-- name: entries_end
order by at desc, shard desc, seq desc limit %(limit)s;

-- name: after
  and (at, shard, seq) < (%(at)s, %(shard)s, %(seq)s)

-- name: by_actor
  and actor = %(actor)s

-- name: by_action
  and action = %(action)s

-- name: by_subject
  and subject = %(subject)s

-- name: by_policy
  and policy = %(policy)s

-- name: since
  and at >= %(since)s

-- name: until
  and at < %(until)s

-- name: entry
select shard, seq, at, actor, action, subject, previous, hash, body from moderation.audit_entries
where shard = %(shard)s and seq = %(seq)s;

-- name: decision
select body from moderation.decisions where decision_id = %(decision)s;

-- name: references
select handle, value from moderation.audit_references where handle = any(%(handles)s);

-- name: revealed
-- How long this person looked at the clip's unveiled pictures, or heard it, by the instant of the entry.
select coalesce(sum(ms), 0), count(*) from moderation.exposures
where principal = %(actor)s and ended_at <= %(at)s and (case_id = %(subject)s or clip_id = %(subject)s);

-- name: creator_of_clip
select n.creator, n.pseudonym from moderation.clips c join moderation.creators n using (org_id, creator)
where c.clip_id = %(clip)s;

-- name: clips_of_creator
select count(*) from moderation.clips c join moderation.creators n using (org_id, creator)
where n.pseudonym = %(pseudonym)s;

-- name: creator
select creator from moderation.creators where pseudonym = %(pseudonym)s;

-- name: insert_check
insert into moderation.audit_checks (org_id, checked_by, entries, breaks, checked_at)
values (%(org)s, %(by)s, %(entries)s, %(breaks)s, %(now)s);

-- name: newest_check
select checked_by, entries, breaks, checked_at from moderation.audit_checks order by check_id desc limit 1;

-- name: length
select coalesce(sum(seq), 0) from moderation.audit_heads;

-- name: organisations
select org_id from moderation.organisations order by org_id;
