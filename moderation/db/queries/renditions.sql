-- name: queues_of_clip
-- A queue that nobody set up is for specialists.
select distinct c.queue, coalesce(q.specialist, true)
from moderation.cases c left join moderation.queues q on q.org_id = c.org_id and q.name = c.queue
where c.clip_id = %(clip)s;

-- name: personal
select blob_key, bytes from moderation.case_renditions
where case_id = %(case)s and principal = %(principal)s and kind = %(kind)s;

-- name: insert_personal
insert into moderation.case_renditions (org_id, case_id, clip_id, principal, kind, sha256, blob_key, bytes, created_at)
values (%(org)s, %(case)s, %(clip)s, %(principal)s, %(kind)s, %(sha256)s, %(blob_key)s, %(bytes)s, %(now)s)
on conflict (case_id, principal, kind) do nothing;

-- name: unveiled_cases
-- Of each queue's most urgent cases the one due first whose clip can be veiled and is not; every organisation's. What
-- lies further back is veiled when it comes forward, so that a long queue costs no more than a short one.
select c.org_id, c.case_id, c.clip_id
from moderation.queues q cross join lateral (
  select k.org_id, k.case_id, k.clip_id, k.deadline from moderation.cases k
  where k.org_id = q.org_id and k.queue = q.name and k.state = 'open'
  order by k.deadline, k.severity desc, k.created_at limit %(depth)s) c
where q.name <> %(hashes)s and not (c.clip_id = any(%(leave)s))
  and exists (select 1 from moderation.renditions m where m.clip_id = c.clip_id and m.kind = 'marked')
  and (select count(*) from moderation.renditions r
    where r.clip_id = c.clip_id and r.kind in ('veiled', 'strip')) < 2
order by c.deadline limit 1;

-- name: veiling_turn
select pg_try_advisory_xact_lock(hashtextextended('veiling', 0));

-- name: people_shown
select distinct principal from moderation.case_renditions;
