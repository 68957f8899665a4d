-- name: organisation
select 1 from moderation.organisations where org_id = %(org)s;

-- name: make_person
insert into moderation.principals (org_id, principal, kind) values (%(org)s, %(principal)s, 'person')
on conflict (org_id, principal) do nothing;

-- name: person_locked
-- Whoever bars somebody waits for a log-in under way, and a log-in for them: no session slips through between.
select kind, barred_at from moderation.principals
where org_id = %(org)s and principal = %(principal)s for update;

-- name: insert_session
insert into moderation.sessions (org_id, session_id, principal, scopes, method, began_at, seen_at, ends_at)
values (%(org)s, %(session)s, %(principal)s, %(scopes)s, %(method)s, %(now)s, %(now)s, %(ends_at)s);

-- name: standing_session
select principal, seen_at from moderation.sessions
where session_id = %(session)s and org_id = %(org)s and ended_at is null and ends_at > %(now)s
  and seen_at > %(now)s - %(idle)s::interval;

-- name: touch_session
update moderation.sessions set seen_at = %(now)s
where session_id = %(session)s and ended_at is null and seen_at < %(now)s;

-- name: end_session
update moderation.sessions set ended_at = %(now)s, ended_why = %(why)s
where session_id = %(session)s and ended_at is null returning session_id;

-- name: end_sessions_of
update moderation.sessions set ended_at = %(now)s, ended_why = %(why)s
where principal = %(principal)s and ended_at is null returning session_id;

-- name: bar
update moderation.principals set barred_at = coalesce(barred_at, %(now)s)
where org_id = %(org)s and principal = %(principal)s returning principal;

-- name: admit
update moderation.principals set barred_at = null
where org_id = %(org)s and principal = %(principal)s and barred_at is not null returning principal;

-- name: people
select p.principal, p.barred_at, r.code_name, max(s.seen_at) as seen_at,
  count(s.session_id) filter (where s.ended_at is null and s.ends_at > %(now)s
    and s.seen_at > %(now)s - %(idle)s::interval) as sessions
from moderation.principals p
left join moderation.reviewers r using (org_id, principal)
left join moderation.sessions s using (org_id, principal)
where p.kind = 'person' group by p.principal, p.barred_at, r.code_name order by p.principal;
