-- name: person_held
-- Not erased until this transaction ends.
select 1 from moderation.people where person_id = %(person)s and erased_at is null for key share;

-- name: asked_lately
select count(*) from moderation.lookbacks
where person_id = %(person)s and asked_by = %(by)s and asked_at > %(day)s;

-- name: insert_lookback
insert into moderation.lookbacks (org_id, lookback_id, person_id, since, until, creator, words, asked_by, asked_at,
  moved_at)
values (%(org)s, %(lookback)s, %(person)s, %(since)s, %(until)s, %(creator)s, %(words)s, %(by)s, %(now)s, %(now)s)
on conflict (person_id) where state in ('asked', 'running') do nothing returning lookback_id;

-- name: begin_locked
-- Begins a look back whose window was not listed yet.
update moderation.lookbacks set state = 'running', held_cause = null, moved_at = %(now)s
where lookback_id = %(lookback)s and state in ('asked', 'running') and listed_at is null returning person_id;

-- name: count_known
-- Clips of the window that were compared with this person, as registered now, when they were judged.
select count(*) from moderation.lookbacks l join moderation.clips c on c.created_at >= l.since and c.created_at < l.until
where l.lookback_id = %(lookback)s and c.status in ('released', 'in_review') and c.erased_at is null
  and c.content_sha256 is not null and (l.creator is null or c.creator = l.creator)
  and (l.words is null or to_tsvector('simple', coalesce(c.prompt, '') || ' ' || coalesce(c.title, ''))
    @@ plainto_tsquery('simple', l.words))
  and exists (select 1 from moderation.analyses a where a.clip_id = c.clip_id
    and case when a.gallery ~ '^[0-9]+$' then a.gallery::bigint end >= (select max(g.version)
      from moderation.gallery_changes g where g.person_id = l.person_id));

-- name: insert_window
-- The rest of the window: what was judged before this person was registered as now.
insert into moderation.lookback_clips (org_id, lookback_id, clip_id)
select l.org_id, l.lookback_id, c.clip_id
from moderation.lookbacks l join moderation.clips c on c.created_at >= l.since and c.created_at < l.until
where l.lookback_id = %(lookback)s and c.status in ('released', 'in_review') and c.erased_at is null
  and c.content_sha256 is not null and (l.creator is null or c.creator = l.creator)
  and (l.words is null or to_tsvector('simple', coalesce(c.prompt, '') || ' ' || coalesce(c.title, ''))
    @@ plainto_tsquery('simple', l.words))
  and not exists (select 1 from moderation.analyses a where a.clip_id = c.clip_id
    and case when a.gallery ~ '^[0-9]+$' then a.gallery::bigint end >= (select max(g.version)
      from moderation.gallery_changes g where g.person_id = l.person_id));

-- name: texts
select t.clip_id, coalesce(c.prompt, ''), coalesce(c.title, '')
from moderation.lookback_clips t join moderation.clips c using (clip_id)
where t.lookback_id = %(lookback)s and t.clip_id > %(after)s order by t.clip_id limit %(limit)s;

-- name: mark_named
update moderation.lookback_clips set named = true where lookback_id = %(lookback)s and clip_id = any(%(clips)s);

-- name: note_listed
update moderation.lookbacks set listed_at = %(now)s, clips = %(clips)s, known = %(known)s, named = %(named)s
where lookback_id = %(lookback)s;

-- name: running_locked
-- A look back that is under way, and a sign of its life.
update moderation.lookbacks set moved_at = %(now)s, held_cause = null
where lookback_id = %(lookback)s and state = 'running' returning person_id;

-- name: begin_look
-- What names the person first, then the newest.
update moderation.lookback_clips set tries = tries + 1
where lookback_id = %(lookback)s and clip_id = (select clip_id from moderation.lookback_clips
  where lookback_id = %(lookback)s and unreadable is null order by named desc, clip_id desc limit 1)
returning clip_id, tries;

-- name: busy
select 1 from moderation.clips where status in ('received', 'processing') and runner = 'service' limit 1;

-- name: put_off
-- A part of the system is down: this look does not count as a try.
with t as (update moderation.lookback_clips set tries = tries - 1
  where lookback_id = %(lookback)s and clip_id = %(clip)s)
update moderation.lookbacks set held_cause = %(cause)s, moved_at = %(now)s where lookback_id = %(lookback)s;

-- name: take_off
delete from moderation.lookback_clips
where lookback_id = %(lookback)s and clip_id = %(clip)s and unreadable is null returning clip_id;

-- name: count_look
update moderation.lookbacks set looked = looked + %(looked)s, moved_on = moved_on + %(moved_on)s,
  matched = matched + %(matched)s, possible = possible + %(possible)s, partly = partly + %(partly)s,
  from_templates = from_templates + %(from_templates)s, cpu_ms = cpu_ms + %(cpu_ms)s
where lookback_id = %(lookback)s;

-- name: give_up
update moderation.lookback_clips set unreadable = %(why)s
where lookback_id = %(lookback)s and clip_id = %(clip)s and unreadable is null returning clip_id;

-- name: count_unreadable
update moderation.lookbacks set unreadable = unreadable + 1, cpu_ms = cpu_ms + %(cpu_ms)s where lookback_id = %(lookback)s;

-- name: end_lookback
-- Clips that were erased meanwhile have moved on.
update moderation.lookbacks set state = %(state)s, ended_why = %(why)s, ended_at = %(now)s, held_cause = null,
  moved_on = case when %(state)s = 'done' then clips - known - looked - unreadable else moved_on end
where lookback_id = %(lookback)s returning person_id, clips, matched, possible, unreadable;

-- name: forget_pending
delete from moderation.lookback_clips where lookback_id = %(lookback)s and unreadable is null;

-- name: state_locked
select state from moderation.lookbacks where lookback_id = %(lookback)s and person_id = %(person)s for update;

-- name: stalled
-- Counted on, so that another run of the workflow has a name of its own.
update moderation.lookbacks set run = run + 1, moved_at = %(now)s
where state in ('asked', 'running')
  and moved_at < case when held_cause is null then %(stalled)s::timestamptz else %(held)s::timestamptz end
returning org_id, lookback_id, run;

-- name: lookback
select lookback_id, person_id, since, until, creator, words, state, ended_why, held_cause, asked_at, ended_at,
  listed_at, clips, named, known, looked, matched, possible, partly, unreadable, moved_on, cpu_ms,
  from_templates
from moderation.lookbacks where lookback_id = %(lookback)s and person_id = %(person)s;

-- name: lookbacks_of
select lookback_id, person_id, since, until, creator, words, state, ended_why, held_cause, asked_at, ended_at,
  listed_at, clips, named, known, looked, matched, possible, partly, unreadable, moved_on, cpu_ms,
  from_templates
from moderation.lookbacks where person_id = %(person)s order by lookback_id desc limit %(limit)s;

-- name: unreadable
select clip_id, unreadable from moderation.lookback_clips
where lookback_id = %(lookback)s and unreadable is not null order by clip_id limit %(limit)s;
