-- name: living_person
select 1 from moderation.people where person_id = %(person)s and erased_at is null;

-- name: insert_link
insert into moderation.owner_links (org_id, link_id, person_id, hash, made_by, on_behalf_of, created_at, expires_at)
values (%(org)s, %(link)s, %(person)s, %(hash)s, %(by)s, %(behalf)s, %(now)s, %(expires)s);

-- name: standing_link
select l.org_id, l.person_id, l.link_id from moderation.owner_links l join moderation.people p using (person_id)
where l.hash = %(hash)s and l.used_at is null and l.expires_at > %(now)s and p.erased_at is null;

-- name: use_link
-- Once: of two who come with the same link, one finds it unused.
update moderation.owner_links set used_at = %(now)s
where link_id = %(link)s and used_at is null and expires_at > %(now)s returning link_id;

-- name: end_links
update moderation.owner_links set expires_at = %(now)s
where person_id = %(person)s and used_at is null and expires_at > %(now)s returning link_id;

-- name: insert_session
insert into moderation.owner_sessions (org_id, session_id, person_id, method, hash, challenge, began_at, seen_at, ends_at)
values (%(org)s, %(session)s, %(person)s, %(method)s, %(hash)s, %(challenge)s, %(now)s, %(now)s, %(ends)s)
on conflict (challenge) do nothing returning session_id;

-- name: standing_session
select s.org_id, s.person_id, s.session_id, s.method, s.seen_at from moderation.owner_sessions s
join moderation.people p using (person_id)
where s.hash = %(hash)s and s.ended_at is null and s.ends_at > %(now)s
  and s.seen_at > %(now)s - %(idle)s::interval and p.erased_at is null;

-- name: touch_session
update moderation.owner_sessions set seen_at = %(now)s where session_id = %(session)s and ended_at is null;

-- name: end_session
update moderation.owner_sessions set ended_at = %(now)s where session_id = %(session)s and ended_at is null;

-- name: is_standing
select 1 from moderation.owner_sessions where session_id = %(session)s and ended_at is null;

-- name: end_sessions
update moderation.owner_sessions set ended_at = %(now)s
where person_id = %(person)s and ended_at is null returning session_id;

-- name: passkeys
select passkey_id, credential, public_key, sign_count, created_at, used_at from moderation.passkeys
where person_id = %(person)s and removed_at is null order by created_at, passkey_id;

-- name: passkey_by_credential
select k.org_id, k.person_id, k.passkey_id, k.public_key, k.sign_count from moderation.passkeys k
join moderation.people p using (person_id)
where k.credential = %(credential)s and k.removed_at is null and p.erased_at is null;

-- name: insert_passkey
insert into moderation.passkeys (org_id, passkey_id, person_id, credential, public_key, sign_count, created_at)
values (%(org)s, %(passkey)s, %(person)s, %(credential)s, %(public_key)s, %(sign_count)s, %(now)s)
on conflict (credential) do nothing returning passkey_id;

-- name: use_passkey
-- None where it was removed, or its person erased, meanwhile.
update moderation.passkeys set sign_count = %(sign_count)s, used_at = %(now)s
where passkey_id = %(passkey)s and removed_at is null returning passkey_id;

-- name: remove_passkeys
update moderation.passkeys set removed_at = %(now)s
where person_id = %(person)s and removed_at is null returning passkey_id;
