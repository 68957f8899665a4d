-- name: insert_principal
insert into moderation.principals (org_id, principal, kind) values (%(org)s, %(principal)s, %(kind)s)
on conflict (org_id, principal) do nothing;

-- name: principal_kind
select kind from moderation.principals where org_id = %(org)s and principal = %(principal)s;

-- name: insert_key
insert into moderation.api_keys (org_id, key_id, principal, hash, scopes, created_at, expires_at)
values (%(org)s, %(key)s, %(principal)s, %(hash)s, %(scopes)s, %(now)s, %(expires_at)s);

-- name: key_by_id
-- Over all organisations: the organisation of a request comes from its key.
select k.org_id, k.principal, k.hash, k.scopes, k.expires_at, k.revoked_at, k.last_used_at, p.kind
from moderation.api_keys k join moderation.principals p using (org_id, principal)
where k.key_id = %(key)s;

-- name: touch_key
update moderation.api_keys set last_used_at = %(now)s
where key_id = %(key)s and (last_used_at is null or last_used_at < %(now)s - interval '1 minute');

-- name: keys
select key_id, principal, scopes, created_at, expires_at, revoked_at, last_used_at
from moderation.api_keys order by created_at, key_id;

-- name: revoke_key
update moderation.api_keys set revoked_at = %(now)s
where key_id = %(key)s and revoked_at is null returning key_id;

-- name: revoke_keys_of
update moderation.api_keys set revoked_at = %(now)s
where principal = %(principal)s and revoked_at is null returning key_id;
