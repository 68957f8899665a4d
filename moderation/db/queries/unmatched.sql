-- name: keeping
select legal_basis, ttl_hours, since from moderation.unmatched_keeping where org_id = %(org)s;

-- name: keep_on
insert into moderation.unmatched_keeping (org_id, legal_basis, ttl_hours, since)
values (%(org)s, %(basis)s, %(hours)s, %(now)s)
on conflict (org_id) do update set legal_basis = excluded.legal_basis, ttl_hours = excluded.ttl_hours,
  since = excluded.since
where moderation.unmatched_keeping.legal_basis <> excluded.legal_basis
  or moderation.unmatched_keeping.ttl_hours <> excluded.ttl_hours
returning org_id;

-- name: keep_off
delete from moderation.unmatched_keeping where org_id = %(org)s returning org_id;

-- name: may_keep
-- Only on the basis that was written into the audit trail, nothing of what came before specialists, and nothing of what
-- shows or may show somebody who was erased: no gallery knows them any more, and they are no stranger. Holds the clip.
select 1 from moderation.unmatched_keeping k join moderation.clips c on c.org_id = k.org_id
where k.legal_basis = %(basis)s and k.ttl_hours = %(hours)s::real
  and c.clip_id = %(clip)s and c.erased_at is null and c.status not in ('withheld', 'withdrawn', 'refused')
  and not exists (select 1 from moderation.cases s join moderation.queues q on q.org_id = s.org_id and q.name = s.queue
    where s.clip_id = c.clip_id and q.specialist)
  and not exists (select 1 from moderation.appearances a join moderation.people p using (person_id)
    where a.clip_id = c.clip_id and p.erased_at is not null)
  and not exists (select 1 from moderation.revocation_targets t join moderation.revocations r using (revocation_id)
    join moderation.people p using (person_id) where t.clip_id = c.clip_id and p.erased_at is not null)
for no key update of c;

-- name: insert_key
insert into moderation.unmatched_keys (org_id, clip_id, wrapped) values (%(org)s, %(clip)s, %(wrapped)s);

-- name: insert_templates
insert into moderation.unmatched_templates (org_id, clip_id, detectors, sealed, kept_at, expires_at)
values (%(org)s, %(clip)s, %(detectors)s, %(sealed)s, %(now)s, %(expires)s);

-- name: forget
-- The key first, as everybody takes the two: a statement's parts run in an order of their own unless one asks another.
with k as (delete from moderation.unmatched_keys where clip_id = %(clip)s returning clip_id)
delete from moderation.unmatched_templates where clip_id in (select clip_id from k);

-- name: templates
select k.wrapped, t.sealed from moderation.unmatched_templates t join moderation.unmatched_keys k using (clip_id)
where t.clip_id = %(clip)s and t.detectors = %(detectors)s and t.expires_at > %(now)s and t.kept_at > %(since)s;

-- name: expire
-- The keys first; a setting that became shorter holds for what was kept before. What another act holds, it deletes.
with gone as (select k.clip_id from moderation.unmatched_keys k join moderation.unmatched_templates t using (clip_id)
    where t.expires_at <= %(now)s or t.kept_at <= %(since)s for update of k skip locked),
  k as (delete from moderation.unmatched_keys where clip_id in (select clip_id from gone))
delete from moderation.unmatched_templates where clip_id in (select clip_id from gone) returning clip_id;

-- name: forget_all
with gone as (select clip_id from moderation.unmatched_keys for update skip locked),
  k as (delete from moderation.unmatched_keys where clip_id in (select clip_id from gone))
delete from moderation.unmatched_templates where clip_id in (select clip_id from gone) returning clip_id;

-- name: written
select pg_relation_size('moderation.unmatched_templates') + pg_relation_size('moderation.unmatched_keys');

-- name: count_kept
select count(*), min(kept_at) from moderation.unmatched_templates where expires_at > %(now)s;
