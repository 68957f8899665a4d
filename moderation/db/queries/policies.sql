-- name: serial
select serial from moderation.policy_pointers where org_id = %(org)s;

-- name: pointer
-- All that decides which rules judge, as of one instant.
select p.serial, p.acting, p.candidate, p.percent, p.shadow, coalesce((
  select array_agg(array[e.emergency_id, e.area, e.text, e.expires_at::text] order by e.emergency_id)
  from moderation.emergency_rules e where e.org_id = p.org_id and e.state in ('live', 'confirmed')), '{}')
from moderation.policy_pointers p where p.org_id = %(org)s;

-- name: pointer_locked
-- Every move of an organisation's pointer waits for the one before it.
select serial, acting, candidate, percent, shadow from moderation.policy_pointers where org_id = %(org)s for update;

-- name: insert_pointer
insert into moderation.policy_pointers (org_id, acting, moved_at) values (%(org)s, %(acting)s, %(now)s)
on conflict do nothing;

-- name: move_pointer
update moderation.policy_pointers set serial = serial + 1, acting = %(acting)s, candidate = %(candidate)s,
  percent = %(percent)s, shadow = %(shadow)s, moved_at = %(now)s
where org_id = %(org)s;

-- name: touch_pointer
insert into moderation.policy_pointers (org_id, moved_at) values (%(org)s, %(now)s)
on conflict (org_id) do update set serial = moderation.policy_pointers.serial + 1, moved_at = excluded.moved_at;

-- name: texts
select texts from moderation.policy_bundles where bundle_id = %(bundle)s;

-- name: insert_bundle
insert into moderation.policy_bundles (org_id, bundle_id, version, texts, author, note, state, was_full, created_at)
values (%(org)s, %(bundle)s, %(version)s, %(texts)s, %(author)s, %(note)s, %(state)s, %(state)s = 'full', %(now)s);

-- name: bundle
select bundle_id, version, author, note, state, proposed_by, approved_by, was_full, checked, created_at
from moderation.policy_bundles where bundle_id = %(bundle)s;

-- name: bundle_locked
select bundle_id, version, author, note, state, proposed_by, approved_by, was_full, checked, created_at
from moderation.policy_bundles where bundle_id = %(bundle)s for update;

-- name: bundles
select bundle_id, version, author, note, state, proposed_by, approved_by, was_full, checked, created_at
from moderation.policy_bundles
where (%(after)s::text is null or bundle_id < %(after)s) and (%(state)s::text is null or state = %(state)s)
order by bundle_id desc limit %(limit)s;

-- name: change_bundle
update moderation.policy_bundles set state = %(state)s, was_full = was_full or %(state)s = 'full',
  proposed_by = coalesce(%(proposed_by)s::text, proposed_by),
  approved_by = coalesce(%(approved_by)s::text, approved_by)
where bundle_id = %(bundle)s;

-- name: note_check
update moderation.policy_bundles set checked = %(checked)s where bundle_id = %(bundle)s;

-- name: insert_step
insert into moderation.policy_steps (org_id, bundle_id, step, actor, why, body, at)
values (%(org)s, %(bundle)s, %(step)s, %(actor)s, %(why)s, %(body)s, %(now)s);

-- name: steps
select step, actor, why, body, at from moderation.policy_steps where bundle_id = %(bundle)s order by step_id;

-- name: insert_emergency
insert into moderation.emergency_rules (org_id, emergency_id, area, text, why, placed_by, placed_at, expires_at)
values (%(org)s, %(emergency)s, %(area)s, %(text)s, %(why)s, %(by)s, %(now)s, %(expires_at)s);

-- name: emergencies
select emergency_id, area, text, why, state, placed_by, placed_at, expires_at, settled_by, settled_at
from moderation.emergency_rules
where not %(pending)s or (state <> 'confirmed' and (settled_by is null or settled_by = placed_by))
order by emergency_id desc limit %(limit)s;

-- name: emergency
select emergency_id, area, text, why, state, placed_by, placed_at, expires_at, settled_by, settled_at
from moderation.emergency_rules where emergency_id = %(emergency)s;

-- name: emergency_locked
select emergency_id, area, text, why, state, placed_by, placed_at, expires_at, settled_by, settled_at
from moderation.emergency_rules where emergency_id = %(emergency)s for update;

-- name: settle_emergency
update moderation.emergency_rules set state = %(state)s, settled_by = %(by)s, settled_at = %(now)s
where emergency_id = %(emergency)s;

-- name: expired_emergencies
-- Over all organisations.
select org_id, emergency_id from moderation.emergency_rules
where state in ('live', 'confirmed') and expires_at <= %(now)s;

-- name: expire_emergency
-- Nothing when somebody else was faster.
update moderation.emergency_rules set state = 'expired'
where emergency_id = %(emergency)s and state in ('live', 'confirmed') returning emergency_id;

-- name: insert_shadow
insert into moderation.shadow_decisions (org_id, clip_id, run, base, version, acting_version, acting_outcome, outcome,
  same, body, created_at)
values (%(org)s, %(clip)s, %(run)s, %(base)s, %(version)s, %(acting_version)s, %(acting_outcome)s, %(outcome)s,
  %(same)s, %(body)s, %(now)s) on conflict do nothing;

-- name: shadow_counts
select acting_outcome, outcome, same, count(*) as count, (array_agg(clip_id order by created_at desc))[:5] as examples
from moderation.shadow_decisions
where base = %(base)s and created_at >= %(since)s group by acting_outcome, outcome, same
order by acting_outcome, outcome, same;

-- name: orgs_with_pointers
select org_id from moderation.policy_pointers order by org_id;

-- name: full_steps
-- Which bundles came to judge every clip, and how, in order.
select bundle_id, step from moderation.policy_steps
where org_id = %(org)s and step in ('full', 'rolled_back', 'seeded') order by step_id;

-- name: insert_job
insert into moderation.policy_jobs (org_id, job_id, bundle_id, kind, started_by, started_at, seen_at)
values (%(org)s, %(job)s, %(bundle)s, %(kind)s, %(by)s, %(now)s, %(now)s);

-- name: job_seen
update moderation.policy_jobs set state = %(state)s, body = %(body)s, seen_at = %(now)s where job_id = %(job)s;

-- name: job
select job_id, bundle_id, kind, state, body, started_by, started_at, seen_at
from moderation.policy_jobs where job_id = %(job)s;

-- name: jobs_of_bundle
select job_id, bundle_id, kind, state, body, started_by, started_at, seen_at
from moderation.policy_jobs where bundle_id = %(bundle)s order by job_id desc limit 20;

-- name: outcomes_since
-- What rules decided lately, by outcome.
select outcome, count(*) from moderation.decisions
where actor_kind = 'rule' and created_at >= %(since)s and (%(version)s::text is null or policy_version = %(version)s)
group by outcome;
