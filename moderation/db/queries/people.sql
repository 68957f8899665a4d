-- name: insert_person
insert into moderation.people (org_id, person_id, kind, name, verification, created_at)
values (%(org)s, %(person)s, %(kind)s, %(name)s, %(verification)s, %(now)s);

-- name: insert_person_key
insert into moderation.person_keys (org_id, person_id, wrapped) values (%(org)s, %(person)s, %(wrapped)s);

-- name: person_key
select wrapped from moderation.person_keys where person_id = %(person)s;

-- name: destroy_person_key
update moderation.person_keys set wrapped = null, destroyed_at = %(now)s where person_id = %(person)s;

-- name: insert_template
insert into moderation.templates (org_id, template_id, person_id, model, sealed, source, created_at)
values (%(org)s, %(template)s, %(person)s, %(model)s, %(sealed)s, %(source)s, %(now)s);

-- name: insert_vector
insert into moderation.gallery_vectors (org_id, template_id, person_id, model, vector)
values (%(org)s, %(template)s, %(person)s, %(model)s, %(vector)s);

-- name: gallery_version
select version from moderation.galleries where org_id = %(org)s;

-- name: gallery_version_shared
-- Holds off edits of the gallery until this transaction ends.
select version from moderation.galleries where org_id = %(org)s for share;

-- name: touch_gallery
update moderation.galleries set version = version + 1 where org_id = %(org)s returning version;

-- name: gallery_templates
select template_id from moderation.gallery_vectors where model = %(model)s order by template_id;

-- name: gallery_sizes
select org_id, count(*) from moderation.gallery_vectors where model = %(model)s group by org_id order by org_id;

-- name: vectors_of
select template_id, person_id, vector from moderation.gallery_vectors where template_id = any(%(templates)s)
order by template_id;

-- name: org_secret
select sealed from moderation.org_secrets where org_id = %(org)s and name = %(name)s;

-- name: insert_org_secret
insert into moderation.org_secrets (org_id, name, sealed) values (%(org)s, %(name)s, %(sealed)s)
on conflict do nothing;

-- name: person
select person_id, kind, name, verification, version, created_at, erased_at from moderation.people
where person_id = %(person)s;

-- name: people
select person_id, kind, name, verification, version, created_at, erased_at from moderation.people
where erased_at is null order by created_at, person_id;

-- name: people_shared
-- Locked in one order; a revocation waits for this transaction, or was committed before it and is seen by it.
select person_id, kind, version, erased_at from moderation.people
where person_id = any(%(people)s) order by person_id for share;

-- name: person_locked
select person_id, kind, version, erased_at from moderation.people where person_id = %(person)s for update;

-- name: touch_person
update moderation.people set version = version + 1 where person_id = %(person)s;

-- name: erase_person
update moderation.people set erased_at = %(now)s, name = ''::bytea where person_id = %(person)s;

-- name: erase_templates
delete from moderation.templates where person_id = %(person)s;

-- name: insert_grant
insert into moderation.grants (org_id, grant_id, person_id, grantee, scope, mode, purposes, expires_at, created_by,
  created_at)
values (%(org)s, %(grant)s, %(person)s, %(grantee)s, %(scope)s, %(mode)s, %(purposes)s, %(expires_at)s, %(by)s,
  %(now)s);

-- name: grants
select g.grant_id, g.person_id, g.grantee, g.scope, g.mode, g.expires_at,
  exists (select 1 from moderation.revocations r where r.person_id = g.person_id
    and (r.grant_id = g.grant_id or (r.grant_id is null and r.created_at >= g.created_at))) as revoked
from moderation.grants g where g.person_id = any(%(people)s) order by g.grant_id;

-- name: insert_revocation
insert into moderation.revocations (org_id, revocation_id, person_id, grant_id, reached, created_by, created_at)
values (%(org)s, %(revocation)s, %(person)s, %(grant)s, %(reached)s, %(by)s, %(now)s);

-- name: clips_showing
-- Clips whose latest facts show this person matched or possible, or that declared them.
select c.clip_id, c.status from moderation.clips c
where c.status in ('released', 'in_review', 'processing', 'held', 'received')
  and (%(person)s = any(c.cameos) or exists (
    select 1 from moderation.facts f where f.clip_id = c.clip_id and f.body::jsonb -> 'people' ? %(person)s))
order by c.clip_id for update of c;
