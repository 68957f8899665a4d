-- name: organisations
select org_id from moderation.organisations where org_id <> '*' order by org_id;

-- name: alone
-- One process mixes for an organisation at a time.
select pg_try_advisory_xact_lock(hashtextextended('mixing:' || %(org)s, 0));

-- name: besides
-- Cases of late beside which a golden one belongs, and has not come yet: drawn by the hash of their ids.
select c.case_id, c.queue from moderation.cases c join moderation.queues q on q.name = c.queue
where c.created_at > %(since)s and c.effect = 'clip' and c.state <> 'closed' and not q.specialist and not q.retired
  and ('x' || substr(md5('golden' || c.case_id), 1, 8))::bit(32)::bigint < q.golden_rate::float8 * 4294967296
  and not exists (select 1 from moderation.golden_cases m where m.beside = c.case_id)
order by c.created_at limit %(limit)s;

-- name: next_golden
-- The answer asked for least of late whose clip is before nobody now, with the decision that once asked for it; only where
-- somebody is left to be asked, who neither wrote it nor answered this clip.
with staff as (
  select principal, queues, opted_out from moderation.reviewers
  union all
  select principal, null, '{}' from moderation.api_keys
  where scopes && '{review,specialist}' and revoked_at is null and (expires_at is null or expires_at > %(now)s))
select g.golden_id, g.clip_id, asked.opened_by
from moderation.golden_answers g
join moderation.clips k on k.clip_id = g.clip_id and k.erased_at is null
cross join lateral (select c.opened_by from moderation.cases c
  where c.clip_id = g.clip_id and c.queue = g.queue and c.effect = 'clip' and c.state = 'decided'
  order by c.created_at desc limit 1) asked
where g.queue = %(queue)s and g.retired_at is null
  and not exists (select 1 from moderation.cases c where c.clip_id = g.clip_id and c.state = 'open')
  and exists (select 1 from staff s where s.principal <> g.added_by
    and (s.queues is null or g.queue = any(s.queues)) and g.queue <> all(s.opted_out)
    and not exists (select 1 from moderation.opinions o where o.clip_id = g.clip_id and o.reviewer = s.principal))
order by (select max(m.case_id) from moderation.golden_cases m where m.golden_id = g.golden_id) nulls first,
  md5(g.golden_id || %(beside)s) limit 1;

-- name: insert_golden_case
insert into moderation.golden_cases (org_id, case_id, golden_id, beside)
values (%(org)s, %(case)s, %(golden)s, %(beside)s);

-- name: once_decided
-- Whether people decided a case of this clip in this queue: only such a clip comes back without being noticed.
select 1 from moderation.cases
where clip_id = %(clip)s and queue = %(queue)s and effect = 'clip' and state = 'decided' limit 1;

-- name: insert_golden
insert into moderation.golden_answers (org_id, golden_id, clip_id, queue, outcome, reason, policy_version, why, added_by,
  added_at)
values (%(org)s, %(golden)s, %(clip)s, %(queue)s, %(outcome)s, %(reason)s, %(policy_version)s, %(why)s, %(by)s,
  %(now)s) on conflict do nothing returning golden_id;

-- name: retire_golden
update moderation.golden_answers set retired_at = %(now)s
where golden_id = %(golden)s and retired_at is null returning golden_id;

-- name: golden_answers
-- The answers in use with how often they were asked for and met.
select g.golden_id, g.clip_id, g.queue, g.outcome, g.reason, g.policy_version, g.why, g.added_by, g.added_at,
  g.retired_at,
  count(o.opinion_id) filter (where o.outcome <> 'review') as asked,
  count(o.opinion_id) filter (where o.outcome = g.outcome) as met
from moderation.golden_answers g
left join moderation.golden_cases m on m.golden_id = g.golden_id
left join moderation.opinions o on o.case_id = m.case_id and o.role = 'golden'
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
where %(retired)s or g.retired_at is null
group by g.golden_id order by g.golden_id desc;

-- name: to_ask_again
-- Decided cases of late whose decision stands, drawn by the hash of the opinion's id, which nobody knows beforehand; only
-- where somebody else is left to be asked.
with staff as (
  select principal, queues, opted_out from moderation.reviewers
  union all
  select principal, null, '{}' from moderation.api_keys
  where scopes && '{review,specialist}' and revoked_at is null and (expires_at is null or expires_at > %(now)s))
select c.case_id, c.clip_id, c.queue, c.opened_by
from moderation.opinions o
join moderation.cases c on c.case_id = o.case_id and c.answered_by = o.opinion_id
join moderation.queues q on q.name = c.queue
where o.answered_at > %(since)s and o.role = 'deciding' and c.effect = 'clip' and c.state = 'decided'
  and c.followed_at is not null and not q.specialist and not q.retired
  and ('x' || substr(md5(o.opinion_id), 1, 8))::bit(32)::bigint < q.second_opinion_rate::float8 * 4294967296
  and not exists (select 1 from moderation.second_opinions s where s.of_case = c.case_id)
  and not exists (select 1 from moderation.cases other where other.clip_id = c.clip_id and other.state = 'open')
  and exists (select 1 from staff s where (s.queues is null or c.queue = any(s.queues)) and c.queue <> all(s.opted_out)
    and not exists (select 1 from moderation.opinions p where p.clip_id = c.clip_id and p.reviewer = s.principal))
order by o.answered_at limit %(limit)s;

-- name: insert_second_opinion
insert into moderation.second_opinions (org_id, case_id, of_case) values (%(org)s, %(case)s, %(of)s);

-- name: to_audit
-- Released clips that fell into a rule's sample and were not looked at yet.
select d.decision_id, d.clip_id from moderation.decisions d
join moderation.releases r on r.clip_id = d.clip_id and r.decision_id = d.decision_id and r.withdrawn_at is null
where d.created_at > %(since)s and d.body like '%%"sampled":[%%'
  and not exists (select 1 from moderation.samples s where s.decision_id = d.decision_id)
order by d.created_at limit %(limit)s;

-- name: insert_sample
insert into moderation.samples (org_id, case_id, clip_id, decision_id, rules, rate, drawn_at)
values (%(org)s, %(case)s, %(clip)s, %(decision)s, %(rules)s, %(rate)s, %(now)s);

-- name: prints
-- Open cases that act on their clips, free or mine, with the hashes of their clips; the most urgent of a queue.
select c.case_id, c.clip_id, p.hashes
from moderation.cases c
join moderation.clip_prints p on p.clip_id = c.clip_id
where c.state = 'open' and c.queue = %(queue)s and c.effect = 'clip' and c.stage = 'first' and c.case_id <> %(case)s
  and c.source not in ('notice', 'appeal')
  and (c.lease_expires_at is null or c.lease_expires_at <= %(now)s)
  and not exists (select 1 from moderation.opinions o where o.clip_id = c.clip_id and o.reviewer = %(holder)s)
order by c.deadline limit %(limit)s;

-- name: derived
-- What was taken over from an opinion and stands.
select o.case_id from moderation.opinions o
where o.derived_from = %(opinion)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
order by o.opinion_id;

-- name: open_lots
-- The most urgent open cases of a queue that could be of a trend, with what they could have in common.
select c.case_id, c.created_at, c.deadline, k.prompt, d.body
from moderation.cases c
join moderation.clips k on k.clip_id = c.clip_id
join moderation.decisions d on d.decision_id = c.opened_by
where c.state = 'open' and c.queue = %(queue)s and c.effect = 'clip' and c.stage = 'first'
  and c.source not in ('notice', 'appeal')
  and not exists (select 1 from moderation.trend_cases t join moderation.trends r on r.trend_id = t.trend_id
    where t.case_id = c.case_id and r.state = 'drawn')
order by c.deadline, c.case_id limit %(limit)s;

-- name: insert_trend
insert into moderation.trends (org_id, trend_id, queue, kind, key, tolerated, confidence, opened_by, opened_at)
values (%(org)s, %(trend)s, %(queue)s, %(kind)s, %(key)s, %(tolerated)s, %(confidence)s, %(by)s, %(now)s);

-- name: insert_trend_cases
insert into moderation.trend_cases (org_id, trend_id, case_id, drawn)
select %(org)s, %(trend)s, case_id, case_id = any(%(drawn)s) from unnest(%(cases)s::text[]) as case_id;

-- name: trend
select trend_id, queue, kind, key, tolerated, confidence, state, opened_by, opened_at, settled_by, settled_at, outcome,
  reason, wrong_at_most
from moderation.trends where trend_id = %(trend)s;

-- name: trend_locked
select trend_id, queue, kind, key, tolerated, confidence, state, opened_by, opened_at, settled_by, settled_at, outcome,
  reason, wrong_at_most
from moderation.trends where trend_id = %(trend)s for update;

-- name: trends_of_queue
select trend_id, queue, kind, key, tolerated, confidence, state, opened_by, opened_at, settled_by, settled_at, outcome,
  reason, wrong_at_most
from moderation.trends where queue = %(queue)s and state = 'drawn' order by opened_at desc;

-- name: members
-- A lot's cases as they stand: an answer counts once it can be undone no more.
select t.case_id, c.clip_id, t.drawn, c.state, c.stage, c.queue, o.outcome, o.reason, o.opinion_id,
  c.followed_at is not null as final
from moderation.trend_cases t
join moderation.cases c on c.case_id = t.case_id
left join moderation.opinions o on o.opinion_id = c.answered_by
where t.trend_id = %(trend)s order by t.case_id;

-- name: settle_trend
update moderation.trends set state = %(state)s, settled_by = %(by)s, settled_at = %(now)s, outcome = %(outcome)s,
  reason = %(reason)s, wrong_at_most = %(wrong)s
where trend_id = %(trend)s;
