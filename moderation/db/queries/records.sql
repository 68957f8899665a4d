-- name: insert_analysis
insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at)
values (%(org)s, %(clip)s, %(detectors)s, %(gallery)s, %(body)s, %(now)s)
on conflict (clip_id, detectors, gallery) do nothing;

-- name: analysis
select body from moderation.analyses
where clip_id = %(clip)s and detectors = %(detectors)s and gallery = %(gallery)s;

-- name: latest_analysis
select body, detectors, gallery from moderation.analyses where clip_id = %(clip)s order by created_at desc limit 1;

-- name: insert_rendition
insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at)
values (%(org)s, %(clip)s, %(kind)s, %(sha256)s, %(blob_key)s, %(bytes)s, %(report)s, %(now)s)
on conflict (clip_id, kind) do nothing;

-- name: rendition
select sha256, blob_key, bytes, report, created_at from moderation.renditions
where clip_id = %(clip)s and kind = %(kind)s;

-- name: insert_facts
insert into moderation.facts (org_id, clip_id, facts_hash, body, judged_at)
values (%(org)s, %(clip)s, %(hash)s, %(body)s, %(now)s) on conflict do nothing;

-- name: facts
select body from moderation.facts where clip_id = %(clip)s and facts_hash = %(hash)s;

-- name: known
-- Of a fact record the people, and which comparisons with works were made: a small part of a large text.
select body -> 'people' as people, (body -> 'fingerprint' ->> 'works_share') is not null as pictures,
  body -> 'named' is not null
    and coalesce(body -> 'submission' ->> 'prompt', '') || coalesce(body -> 'submission' ->> 'title', '') <> '' as names,
  coalesce(body -> 'signals' -> 'work.similarity' ->> 'state' = 'measured', false) as embeddings
from (select body::json as body from moderation.facts where clip_id = %(clip)s and facts_hash = %(hash)s) as facts;

-- name: insert_policy_version
insert into moderation.policy_versions (org_id, version, body, first_used_at)
values (%(org)s, %(version)s, %(body)s, %(now)s) on conflict do nothing;

-- name: policy_version
select body from moderation.policy_versions where version = %(version)s;

-- name: insert_decision
-- Numbered per clip; the clip's row is locked by the caller.
insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, facts_hash,
  policy_version, supersedes, run, created_at)
select %(org)s, %(decision)s, %(clip)s, coalesce(max(seq), 0) + 1, %(outcome)s, %(body)s, %(actor_kind)s, %(actor)s,
  %(facts_hash)s, %(policy_version)s, (select decision_id from moderation.decisions
    where clip_id = %(clip)s order by seq desc limit 1), %(run)s, %(now)s
from moderation.decisions where clip_id = %(clip)s;

-- name: latest_decision
select decision_id, outcome, body, actor_kind, actor, facts_hash, policy_version, created_at
from moderation.decisions where clip_id = %(clip)s order by seq desc limit 1;

-- name: decision_of_run
select decision_id, outcome, body, actor_kind, actor, facts_hash, policy_version, created_at
from moderation.decisions where clip_id = %(clip)s and run = %(run)s;

-- name: decisions_of_people
-- But for what was taken back within its undo window.
select decision_id, outcome, body, actor_kind, actor, facts_hash, policy_version, created_at
from moderation.decisions d
where clip_id = %(clip)s and actor_kind = 'person' and outcome <> 'review'
  and not exists (select 1 from moderation.opinions o join moderation.undone_opinions u using (opinion_id)
    where o.clip_id = d.clip_id and o.decision_id = d.decision_id)
order by seq;

-- name: released_outcome
select d.outcome from moderation.releases r join moderation.decisions d on d.decision_id = r.decision_id
where r.clip_id = %(clip)s and r.withdrawn_at is null;

-- name: decision
select clip_id, decision_id, outcome, body, actor_kind, actor, facts_hash, policy_version, created_at
from moderation.decisions where decision_id = %(decision)s;

-- name: insert_proof
insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at)
values (%(org)s, %(clip)s, %(sha256)s, %(passed)s, %(body)s, %(now)s)
on conflict (clip_id, sha256) do update set passed = excluded.passed, body = excluded.body,
  created_at = excluded.created_at;

-- name: proof
select passed, body from moderation.proofs where clip_id = %(clip)s and sha256 = %(sha256)s;

-- name: insert_release
-- At most one file per clip is ever released; a second release of the same bytes lifts a withdrawal.
insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at)
values (%(org)s, %(clip)s, %(sha256)s, %(blob_key)s, %(decision)s, %(now)s)
on conflict (clip_id) do update set decision_id = excluded.decision_id, withdrawn_at = null
where moderation.releases.sha256 = excluded.sha256
returning clip_id;

-- name: release
select sha256, blob_key, decision_id, released_at, withdrawn_at from moderation.releases where clip_id = %(clip)s;

-- name: withdraw_release
update moderation.releases set withdrawn_at = %(now)s where clip_id = %(clip)s and withdrawn_at is null;

-- name: insert_fingerprint
insert into moderation.fingerprints (org_id, clip_id, body, sketches, created_at)
values (%(org)s, %(clip)s, %(body)s, %(sketches)s, %(now)s) on conflict (clip_id) do nothing;

-- name: fingerprint
select body, sketches from moderation.fingerprints where clip_id = %(clip)s;

-- name: all_fingerprints
select f.clip_id, f.body from moderation.fingerprints f order by f.created_at desc limit %(limit)s;

-- name: legal_hold
select reason from moderation.legal_holds where clip_id = %(clip)s and lifted_at is null limit 1;

-- name: forget_clip
-- What tells of a clip's content; decisions, events and the audit chain stay.
with a as (delete from moderation.analyses where clip_id = %(clip)s),
     w as (delete from moderation.appearances where clip_id = %(clip)s),
     l as (delete from moderation.lookback_clips where clip_id = %(clip)s),
     v as (delete from moderation.removal_wishes where clip_id = %(clip)s),
     f as (delete from moderation.facts where clip_id = %(clip)s),
     p as (delete from moderation.clip_prints where clip_id = %(clip)s),
     h as (delete from moderation.hash_answers where clip_id = %(clip)s),
     s as (delete from moderation.shadow_decisions where clip_id = %(clip)s),
     q as (update moderation.proofs set body = body - '{fingerprint,sketches}'::text[] where clip_id = %(clip)s)
delete from moderation.fingerprints where clip_id = %(clip)s;

-- name: forget_files
-- Once they are gone: until then these rows are all that tells where they lie.
with c as (delete from moderation.case_renditions where clip_id = %(clip)s)
delete from moderation.renditions where clip_id = %(clip)s and kind <> 'marked';

-- name: blob_keys
select blob_key from moderation.renditions where clip_id = %(clip)s
union select blob_key from moderation.case_renditions where clip_id = %(clip)s
union select report ->> 'manifest_key' from moderation.renditions
  where clip_id = %(clip)s and report ->> 'manifest_key' is not null;

-- name: latest_facts
select body from moderation.facts where clip_id = %(clip)s order by judged_at desc limit 1;

-- name: manifest_by_id
-- The manifest of a file that is out: its clip is released, not withdrawn, not erased.
select r.report ->> 'manifest_key'
from moderation.renditions r
join moderation.releases o on o.clip_id = r.clip_id and o.sha256 = r.sha256 and o.withdrawn_at is null
join moderation.clips c on c.clip_id = r.clip_id and c.status = 'released' and c.erased_at is null
where r.kind = 'marked' and r.report ->> 'manifest_id' = %(manifest)s;

-- name: manifests_of_clips
-- The ids of the manifests of those of these clips that are out, in the order of the clips.
select r.report ->> 'manifest_id'
from moderation.renditions r
join moderation.releases o on o.clip_id = r.clip_id and o.sha256 = r.sha256 and o.withdrawn_at is null
join moderation.clips c on c.clip_id = r.clip_id and c.status = 'released' and c.erased_at is null
where r.kind = 'marked' and r.clip_id = any(%(clips)s) and r.report ->> 'manifest_id' is not null
order by array_position(%(clips)s, r.clip_id);

-- name: erased
select erased_at is not null from moderation.clips where clip_id = %(clip)s;
