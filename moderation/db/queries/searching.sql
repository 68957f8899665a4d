-- name: bounds
-- No search waits longer than this; and every one is planned for what it asks, not for the average of all.
select set_config('statement_timeout', %(milliseconds)s, true), set_config('plan_cache_mode', 'force_custom_plan', true);

-- name: clips_where
-- The page is chosen first, by conditions that each have an index; what it shows is read for its rows alone.
with page as materialized (
  select c.clip_id, c.created_at from moderation.clips c where c.org_id = %(org)s

-- name: clips_show
  order by c.created_at desc, c.clip_id desc limit %(limit)s)
select c.clip_id, c.created_at, c.status, c.prompt, n.pseudonym as creator, d.body as decision, d.actor_kind, d.actor,
  r.code_name, d.policy_version, d.created_at as decided_at, k.case_id, k.queue, k.state as case_state
from page p join moderation.clips c using (clip_id)
left join moderation.creators n on n.org_id = c.org_id and n.creator = c.creator
left join lateral (
  select body, actor_kind, actor, policy_version, created_at from moderation.decisions
  where clip_id = c.clip_id order by seq desc limit 1) d on true
left join moderation.reviewers r on r.org_id = c.org_id and r.principal = d.actor and d.actor_kind = 'person'
left join lateral (
  select case_id, queue, state from moderation.cases
  where clip_id = c.clip_id and effect = 'clip' order by created_at desc limit 1) k on true
order by p.created_at desc, p.clip_id desc;

-- name: after
  and (c.created_at, c.clip_id) < (%(at)s, %(after)s)

-- name: by_clip
  and c.clip_id = %(clip)s

-- name: by_case
  and c.clip_id in (select clip_id from moderation.cases where case_id = %(case)s)

-- name: by_creator
  and c.creator in (select creator from moderation.creators where pseudonym = %(creator)s)

-- name: by_status
  and c.status = %(status)s

-- name: by_queue
  and c.clip_id in (select clip_id from moderation.cases where queue = %(queue)s)

-- name: by_reason
  and c.clip_id in (select moderation.clips_with_reason(%(reason)s))

-- name: by_rule
  and c.clip_id in (select moderation.clips_with_rule(%(rule)s))

-- name: by_policy
  and c.clip_id in (select clip_id from moderation.decisions where policy_version = %(policy)s)

-- name: by_person
  and c.clip_id in (select clip_id from moderation.decisions where actor_kind = 'person' and actor = %(person)s)

-- name: since
  and c.created_at >= %(since)s

-- name: until
  and c.created_at < %(until)s

-- name: by_words
  and c.clip_id in (select moderation.clips_with_words(%(words)s))

-- name: not_for_specialists
  and not exists (select 1 from moderation.cases k join moderation.queues q on q.org_id = k.org_id and q.name = k.queue
    where k.clip_id = c.clip_id and q.specialist)

-- name: not_in_my_hands
-- Whoever is to judge a clip does not look up what others said of it.
  and not exists (select 1 from moderation.cases k where k.clip_id = c.clip_id and k.state = 'open'
    and k.lease_holder = %(reader)s and k.lease_expires_at > %(now)s)

-- name: queue_names
select name, specialist from moderation.queues order by rank, name;

-- name: creator_of
select creator from moderation.creators where pseudonym = %(pseudonym)s;

-- name: pseudonym_of
select n.pseudonym from moderation.clips c join moderation.creators n using (org_id, creator)
where c.clip_id = %(clip)s;
