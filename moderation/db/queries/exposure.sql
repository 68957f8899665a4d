-- name: lock_person
select pg_advisory_xact_lock(hashtextextended(%(org)s || ':' || %(principal)s, 20));

-- name: exposures
-- What is settled, and what is running: until now, a glance at the least, or until it ran out.
select case_id, severity, started_at, ended_at from moderation.exposures
where principal = %(principal)s and ended_at > %(since)s
union all
select case_id, severity, started_at, least(shown_until, greatest(started_at + %(glance)s, %(now)s))
from moderation.reveals
where principal = %(principal)s;

-- name: insert_reveal
insert into moderation.reveals (org_id, reveal_id, principal, case_id, clip_id, rendition, sound, severity, session,
  started_at, shown_until)
values (%(org)s, %(reveal)s, %(principal)s, %(case)s, %(clip)s, %(rendition)s, %(sound)s, %(severity)s, %(session)s,
  %(now)s, %(until)s);

-- name: reveal
-- One that is running.
select reveal_id, principal, case_id, clip_id, rendition, sound, severity, session, started_at, shown_until
from moderation.reveals where reveal_id = %(reveal)s and shown_until > %(now)s;

-- name: prolong_reveal
update moderation.reveals set shown_until = %(until)s where reveal_id = %(reveal)s and shown_until > %(now)s
returning reveal_id;

-- name: settle
-- A person's reveals, or one of them, into the ledger, once: whoever removes the row writes it down. Without a word of its end it counts to its limit.
with done as (delete from moderation.reveals where principal = %(principal)s
    and (%(reveal)s::text is null or reveal_id = %(reveal)s) returning *)
insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at, ended_at)
select org_id, principal, case_id, clip_id, rendition,
  ceil(extract(epoch from least(shown_until, greatest(started_at + %(glance)s, %(now)s)) - started_at) * 1000),
  severity, started_at, least(shown_until, greatest(started_at + %(glance)s, %(now)s))
from done returning case_id, ms;

-- name: overdue
-- Of all organisations: reveals whose end nobody told.
select org_id, principal, reveal_id from moderation.reveals where shown_until < %(now)s order by shown_until limit 100;

-- name: break_of
select started_at from moderation.breaks where principal = %(principal)s and ended_at is null;

-- name: around
-- The break that is on, and when the person last answered a severe case: not one that took an answer over unseen, nor
-- an answer that was taken back.
select (select started_at from moderation.breaks where principal = %(principal)s and ended_at is null),
  (select max(o.answered_at) from moderation.opinions o join moderation.cases c on c.case_id = o.case_id
    where o.reviewer = %(principal)s and o.answered_at > %(spared_since)s and o.derived_from is null
      and c.severity >= %(severe_from)s
      and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id));

-- name: begin_break
insert into moderation.breaks (org_id, principal, started_at) values (%(org)s, %(principal)s, %(now)s)
on conflict (org_id, principal) where ended_at is null do nothing;

-- name: end_break
update moderation.breaks set ended_at = greatest(started_at, %(now)s)
where principal = %(principal)s and ended_at is null returning started_at;
