-- name: insert_person
-- Nothing when the account is another person's already.
insert into moderation.people (org_id, person_id, kind, name, state, verification, account, age_band, guardian,
  created_at)
values (%(org)s, %(person)s, %(kind)s, %(name)s, %(state)s, %(verification)s, %(account)s, %(age_band)s, %(guardian)s,
  %(now)s)
on conflict (org_id, account) where erased_at is null and account is not null do nothing returning person_id;

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

-- name: gallery_version_held
-- Nobody else edits the gallery until this transaction ends, which may edit it itself.
select version from moderation.galleries where org_id = %(org)s for update;

-- name: touch_gallery
-- The row of the gallery is held until the transaction ends: versions are committed in their order.
with next as (update moderation.galleries set version = version + 1 where org_id = %(org)s returning version)
insert into moderation.gallery_changes (org_id, version, person_id) select %(org)s, version, %(person)s from next;

-- name: gallery_changes
select distinct person_id from moderation.gallery_changes
where org_id = %(org)s and version > %(version)s::bigint order by person_id;

-- name: line_shifts
select person_id, line_shift from moderation.people where line_shift <> 0 and erased_at is null;

-- name: set_line_shift
update moderation.people set line_shift = %(shift)s where person_id = %(person)s;

-- name: people_known
select person_id from moderation.people where erased_at is null order by person_id;

-- name: gallery_templates_of
select v.template_id, v.person_id from moderation.gallery_vectors v join moderation.people p on p.person_id = v.person_id
where v.model = %(model)s and v.person_id = any(%(people)s) and p.state in ('verified', 'suspended')
order by v.template_id;

-- name: gallery_templates
-- Clips are compared with whoever was verified; who is only on the way is nobody yet.
select v.template_id from moderation.gallery_vectors v join moderation.people p on p.person_id = v.person_id
where v.model = %(model)s and p.state in ('verified', 'suspended') order by v.template_id;

-- name: gallery_sizes
select org_id, count(*) from moderation.gallery_vectors where split_part(model, '@', 1) = %(model)s
group by org_id order by org_id;

-- name: vectors_of
select template_id, person_id, vector from moderation.gallery_vectors where template_id = any(%(templates)s)
order by template_id;

-- name: org_secret
select sealed from moderation.org_secrets where org_id = %(org)s and name = %(name)s;

-- name: insert_org_secret
insert into moderation.org_secrets (org_id, name, sealed) values (%(org)s, %(name)s, %(sealed)s)
on conflict do nothing;

-- name: person
select p.person_id, p.kind, p.name, k.wrapped, p.state, p.verification, p.account, p.age_band, p.guardian, p.version,
  p.created_at, p.same_as
from moderation.people p join moderation.person_keys k on k.person_id = p.person_id
where p.person_id = %(person)s and p.erased_at is null;

-- name: people
select p.person_id, p.kind, p.name, k.wrapped, p.state, p.verification, p.account, p.age_band, p.guardian, p.version,
  p.created_at, p.same_as
from moderation.people p join moderation.person_keys k on k.person_id = p.person_id
where p.erased_at is null
  and (%(kind)s::text is null or p.kind = %(kind)s) and (%(state)s::text is null or p.state = %(state)s)
  and (%(after)s::text is null or (p.created_at, p.person_id) > (%(at)s::timestamptz, %(after)s))
order by p.created_at, p.person_id limit %(limit)s;

-- name: set_state
update moderation.people set state = %(state)s, verification = coalesce(%(verification)s, verification),
  version = version + 1
where person_id = %(person)s;

-- name: set_guardian
update moderation.people set age_band = coalesce(%(age_band)s, age_band), guardian = coalesce(%(guardian)s, guardian),
  version = version + 1
where person_id = %(person)s;

-- name: people_shared
-- Locked in one order; a revocation waits for this transaction, or was committed before it and is seen by it. With whom
-- each is the same human: the grants of that record rule.
select person_id, kind, version, erased_at, state, account, age_band, same_as from moderation.people
where person_id in (select unnest(%(people)s::text[])
  union select same_as from moderation.people where person_id = any(%(people)s) and same_as is not null)
order by person_id for share;

-- name: pair_locked
select person_id, kind, state from moderation.people
where person_id = any(%(people)s) and erased_at is null order by person_id for update;

-- name: same_as
select same_as from moderation.people where person_id = %(person)s and same_as is not null;

-- name: set_same_as
update moderation.people set same_as = %(same_as)s, version = version + 1
where person_id = %(person)s and same_as is distinct from %(same_as)s::text;

-- name: figures_locked
-- With the figures who are the same human, in the order in which judgements hold them.
select person_id from moderation.people where person_id = %(person)s or same_as = %(person)s
order by person_id for update;

-- name: forget_same
-- Neither record says any more that they were one human's; the figure's goes by its own grants again.
update moderation.people set same_as = null, version = version + 1
where same_as = %(person)s or (person_id = %(person)s and same_as is not null);

-- name: person_locked
select person_id, kind, state, account, age_band, guardian from moderation.people
where person_id = %(person)s and erased_at is null for update;

-- name: account
select account from moderation.people where person_id = %(person)s and erased_at is null;

-- name: account_locked
select account from moderation.people where person_id = %(person)s and erased_at is null for update;

-- name: resume_enrolments
-- Who answers for them is known now: the same recording goes on, and nobody but a person verifies it.
update moderation.enrolments set state = 'uncertain', deadline = %(deadline)s, version = version + 1
where person_id = %(person)s and state = 'guardian_needed' returning enrolment_id;

-- name: touch_person
update moderation.people set version = version + 1 where person_id = %(person)s;

-- name: erase_enrolments
-- What an enrolment found is gone at once; its recording, which no key opens any more, with the next sweep.
update moderation.enrolments set state = 'expired', templates = null, checks = null, reason = null,
  answered_at = received_at
where person_id = %(person)s;

-- name: erase_enrolment_references
-- What the audit log's entries about their enrolments only refer to: evidence, and why somebody answered as they did.
delete from moderation.audit_references where handle in (
  select unnest(array[body::jsonb -> 'details' ->> 'evidence', body::jsonb -> 'details' ->> 'reason'])
  from moderation.audit_entries where subject = %(person)s
    and action in ('enrolment.checked', 'enrolment.answered'));

-- name: end_lookbacks
-- Nobody is searched for any more, and what was asked for is forgotten with them.
update moderation.lookbacks set creator = null, words = null,
  ended_why = case when ended_at is null then 'erased' else ended_why end, ended_at = coalesce(ended_at, %(now)s),
  state = case when state in ('asked', 'running') then 'cancelled' else state end
where person_id = %(person)s;

-- name: forget_lookback_clips
delete from moderation.lookback_clips t using moderation.lookbacks l
where l.lookback_id = t.lookback_id and l.person_id = %(person)s;

-- name: erase_person
update moderation.people set erased_at = %(now)s, name = ''::bytea, account = null, guardian = null, age_band = null
where person_id = %(person)s;

-- name: forget_owner
-- Ways in, and whom the platform made them for.
with links as (delete from moderation.owner_links where person_id = %(person)s),
sessions as (delete from moderation.owner_sessions where person_id = %(person)s)
update moderation.passkeys set removed_at = coalesce(removed_at, %(now)s) where person_id = %(person)s;

-- name: forget_passkeys
-- After `forget_owner`, which waits for who is answering right now. A passkey that signed an answer proves it for ever.
delete from moderation.passkeys k where k.person_id = %(person)s
  and not exists (select 1 from moderation.consent_answers a where a.passkey_id = k.passkey_id);

-- name: erase_templates
delete from moderation.templates where person_id = %(person)s;

-- name: forget_unmatched_of
-- What is kept of strangers in clips in which they were found, for sure or perhaps. What another act holds, it deletes.
with held as (select clip_id from moderation.unmatched_keys where clip_id in (
    select clip_id from moderation.appearances where person_id = %(person)s) for update skip locked),
  gone as (delete from moderation.unmatched_keys where clip_id in (select clip_id from held) returning clip_id)
delete from moderation.unmatched_templates where clip_id in (select clip_id from gone);

-- name: erase_imports
with gone as (delete from moderation.imported_pictures where person_id = %(person)s),
shown as (delete from moderation.portraits where person_id = %(person)s)
delete from moderation.imported_people where person_id = %(person)s;

-- name: erase_aliases
delete from moderation.aliases where person_id = %(person)s;

-- name: erase_list_names
update moderation.grantee_lists set name = ''::bytea where person_id = %(person)s;

-- name: insert_erasure
insert into moderation.erasures (org_id, person_id, erased_at) values (%(org)s, %(person)s, %(now)s);

-- name: insert_alias
insert into moderation.aliases (org_id, alias_id, person_id, sealed, created_at)
values (%(org)s, %(alias)s, %(person)s, %(sealed)s, %(now)s);

-- name: aliases
select a.alias_id, a.person_id, a.sealed, k.wrapped
from moderation.aliases a join moderation.person_keys k on k.person_id = a.person_id
  join moderation.people p on p.person_id = a.person_id and p.erased_at is null
where (%(person)s::text is null or a.person_id = %(person)s) and (%(kind)s::text is null or p.kind = %(kind)s)
order by a.person_id, a.alias_id;

-- name: delete_alias
delete from moderation.aliases where alias_id = %(alias)s and person_id = %(person)s returning alias_id;

-- name: insert_list
insert into moderation.grantee_lists (org_id, list_id, person_id, name, created_at)
values (%(org)s, %(list)s, %(person)s, %(name)s, %(now)s);

-- name: lists
select l.list_id, l.person_id, l.name, k.wrapped, l.created_at, coalesce((
    select array_agg(e.creator order by e.creator) from (
      select distinct on (creator) creator, listed from moderation.list_entries
      where list_id = l.list_id order by creator, entry_id desc) e
    where e.listed), '{}') as creators
from moderation.grantee_lists l join moderation.person_keys k on k.person_id = l.person_id
where l.person_id = %(person)s order by l.created_at, l.list_id;

-- name: insert_entry
insert into moderation.list_entries (org_id, list_id, creator, listed, created_by, created_at)
values (%(org)s, %(list)s, %(creator)s, %(listed)s, %(by)s, %(now)s);

-- name: lists_naming
-- The lists of these people on which a creator stands.
select list_id from (
  select distinct on (e.list_id) e.list_id, e.listed
  from moderation.list_entries e join moderation.grantee_lists l on l.list_id = e.list_id
  where l.person_id = any(%(people)s) and e.creator = %(creator)s
  order by e.list_id, e.entry_id desc) last
where listed;

-- name: insert_limits
insert into moderation.person_limits (org_id, person_id, contexts, created_by, created_at)
values (%(org)s, %(person)s, %(contexts)s, %(by)s, %(now)s);

-- name: limits
-- What each of these people forbids whatever was granted: the last word.
select distinct on (person_id) person_id, contexts from moderation.person_limits
where person_id = any(%(people)s) order by person_id, limit_id desc;

-- name: insert_grant
-- The caller holds the person's row: a grant that is written after everything was taken back is younger than that,
-- whatever the clocks of two machines say.
insert into moderation.grants (org_id, grant_id, person_id, grantee_kind, grantee, scope, mode, purposes, limits,
  audience, remix, expires_at, replaces, created_by, created_at)
values (%(org)s, %(grant)s, %(person)s, %(grantee_kind)s, %(grantee)s, %(scope)s, %(mode)s, %(purposes)s, %(limits)s,
  %(audience)s, %(remix)s, %(expires_at)s, %(replaces)s, %(by)s,
  greatest(%(now)s, (select max(created_at) + interval '1 microsecond' from moderation.revocations
    where person_id = %(person)s and grant_id is null)));

-- name: grants
select g.grant_id, g.person_id, g.grantee_kind, g.grantee, g.scope, g.mode, g.purposes, g.limits, g.audience, g.remix,
  g.expires_at, g.replaces, g.created_at, r.revoked_at
from moderation.grants g left join lateral (
  select min(r.created_at) as revoked_at from moderation.revocations r where r.person_id = g.person_id
    and (r.grant_id = g.grant_id or (r.grant_id is null and r.created_at >= g.created_at))) r on true
where g.person_id = any(%(people)s) order by g.grant_id;

-- name: outlived_since
-- Whether a grant of these people ended between two moments.
select 1 from moderation.grants
where person_id = any(%(people)s) and expires_at > %(judged)s::timestamptz and expires_at <= %(now)s limit 1;

-- name: clips_outlived
-- Released clips that were judged under a grant that has ended since; judged again they are found no more.
select distinct c.org_id, c.clip_id from moderation.grants g
join moderation.appearances a on a.org_id = g.org_id and a.person_id = g.person_id and a.judged_at < g.expires_at
join moderation.clips c on c.clip_id = a.clip_id and c.status = 'released'
where g.expires_at <= %(now)s and a.how <> 'inherited' and (g.grantee_kind <> 'creator' or c.creator = g.grantee)
order by c.org_id, c.clip_id limit %(limit)s;

-- name: stale_people
-- Who has templates of other weights than these and none of these, for what their models measure.
select t.person_id, p.kind, array_agg(distinct t.model order by t.model) as models, p.created_at
from moderation.templates t join moderation.people p on p.person_id = t.person_id and p.erased_at is null
where not exists (select 1 from moderation.templates c where c.person_id = t.person_id
    and c.model = any(%(current)s) and split_part(c.model, '@', 1) = split_part(t.model, '@', 1))
  and (%(after)s::text is null or (p.created_at, p.person_id) > (%(at)s::timestamptz, %(after)s))
group by t.person_id, p.kind, p.created_at, p.person_id order by p.created_at, t.person_id limit %(limit)s;

-- name: insert_revocation
-- The caller holds the person's row: what is taken back is no younger than its revocation, whoever's clock is ahead.
insert into moderation.revocations (org_id, revocation_id, person_id, grant_id, reached, created_by, created_at)
values (%(org)s, %(revocation)s, %(person)s, %(grant)s, %(reached)s, %(by)s, greatest(%(now)s,
  (select max(created_at) from moderation.grants where person_id = %(person)s),
  (select max(a.answered_at) from moderation.consent_answers a join moderation.questions q using (question_id)
    where q.person_id = %(person)s)));

-- name: concerned
-- Scope and creators of a grant; no list means everybody.
select g.scope, case g.grantee_kind
  when 'everyone' then null
  when 'creator' then array[g.grantee]
  when 'self' then array[p.account]
  else (select coalesce(array_agg(e.creator), '{}') from (
    select distinct on (creator) creator, listed from moderation.list_entries
    where list_id = g.grantee order by creator, entry_id desc) e where e.listed) end
from moderation.grants g join moderation.people p using (person_id)
where g.grant_id = %(grant)s and g.person_id = %(person)s;

-- name: erasures_waiting
-- A transaction that began before an erasure still sees the rows, and a table written anew meanwhile would keep them.
select e.person_id from moderation.erasures e
where e.rebuilt_at is null and not exists (
  select 1 from pg_stat_activity a
  where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_xmin is not null
    and age(a.backend_xmin) >= age(e.xmin))
order by e.person_id;

-- name: erasures_done
update moderation.erasures set rebuilt_at = %(now)s where person_id = any(%(people)s);
