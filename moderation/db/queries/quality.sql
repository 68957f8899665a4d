-- name: golden_lines
-- Golden answers by the version they were given under; who could not say is not counted.
select g.policy_version, count(*) filter (where o.outcome = g.outcome), count(*), max(o.answered_at)
from moderation.opinions o
join moderation.golden_cases m on m.case_id = o.case_id
join moderation.golden_answers g on g.golden_id = m.golden_id
where o.role = 'golden' and o.outcome <> 'review' and o.answered_at >= %(since)s and o.answered_at < %(until)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
group by g.policy_version order by max(o.answered_at) desc;

-- name: first_answer
select min(answered_at) from moderation.opinions;

-- name: blind_answers
-- Answers given on one question (a clip and the decision that asked) by people who did not see one another's.
select array_agg(o.outcome order by o.answered_at, o.opinion_id)
from moderation.opinions o join moderation.cases c on c.case_id = o.case_id
where o.role in ('deciding', 'first', 'second', 'second_opinion') and o.outcome <> 'review'
  and o.answered_at >= %(since)s and o.answered_at < %(until)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
group by o.clip_id, c.opened_by having count(distinct o.reviewer) > 1;

-- name: people_decided
-- Decisions of people, by the language of the clip's words, and in what way those were wrong that were overturned.
select o.language, v.error_class, count(*)
from moderation.opinions o left join moderation.overturns v on v.overturned = o.decision_id
where o.decision_id is not null and o.role <> 'overturn' and o.answered_at >= %(since)s and o.answered_at < %(until)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
group by o.language, v.error_class order by o.language, v.error_class;

-- name: strata
-- Released clips that were drawn for an audit, by their chance of it: how many, answered, and found worse than released.
with drawn as (
  select s.rate, s.case_id, d.outcome as released from moderation.samples s
  join moderation.decisions d on d.decision_id = s.decision_id
  where s.drawn_at >= %(since)s and s.drawn_at < %(until)s
), answers as (
  select distinct on (o.case_id) o.case_id, o.outcome from moderation.opinions o
  where o.role = 'sample' and o.outcome <> 'review'
    and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
  order by o.case_id, o.answered_at desc, o.opinion_id desc
)
select d.rate, count(*), count(a.outcome), count(*) filter (
  where a.outcome = 'block' or (a.outcome = 'restrict' and d.released = 'allow'))
from drawn d left join answers a on a.case_id = d.case_id group by d.rate order by d.rate;

-- name: released
select count(*) from moderation.releases where released_at >= %(since)s and released_at < %(until)s;

-- name: rule_lines
-- Of the cases that a rule brought before people and that they decided: on how many they acted.
select t.rule, count(*) filter (where t.outcome <> 'allow'), count(*)
from (
  select distinct c.case_id, (entry ->> 'policy') || '.' || (entry ->> 'rule') as rule, decided.outcome
  from moderation.cases c
  join moderation.decisions opened on opened.decision_id = c.opened_by
  join moderation.decisions decided on decided.decision_id = c.decided_by
  cross join lateral jsonb_array_elements(opened.body::jsonb -> 'trace') as entry
  where c.state = 'decided' and c.effect = 'clip' and c.decided_at >= %(since)s and c.decided_at < %(until)s
    and decided.actor_kind = 'person' and entry ->> 'outcome' in ('review', 'block')
    and not entry ? 'shadow' and not entry ? 'exception'
) t group by t.rule order by t.rule;

-- name: hours
-- How many cases came and were answered in each of the last hours.
with hours as (
  select generate_series(date_trunc('hour', %(now)s::timestamptz) - interval '23 hours',
    date_trunc('hour', %(now)s::timestamptz), interval '1 hour') as at)
select h.at,
  (select count(*) from moderation.cases c
    where c.effect = 'clip' and c.created_at >= h.at and c.created_at < h.at + interval '1 hour'),
  (select count(*) from moderation.opinions o
    where o.answered_at >= h.at and o.answered_at < h.at + interval '1 hour')
from hours h order by h.at;

-- name: loads
-- Each queue at a glance, and the seconds that a case takes in it: as set, else the mean of the last week.
with waiting as (
  select queue, sum(change)::bigint as waiting from moderation.queue_changes group by queue),
leased as (
  select queue, count(*) as in_work from moderation.cases
  where state = 'open' and lease_expires_at > %(now)s group by queue),
came as (
  select queue, count(*) as arrived from moderation.cases
  where created_at > %(now)s::timestamptz - interval '24 hours' group by queue),
paces as (
  select queue, avg(least(extract(epoch from answered_at - opened_at), 1800))::float8 as seconds, count(*) as answers
  from moderation.opinions where answered_at > %(now)s::timestamptz - interval '7 days' and derived_from is null
  group by queue)
select q.name, q.specialist, coalesce(w.waiting, 0) as waiting, coalesce(l.in_work, 0) as in_work,
  (select count(*) from moderation.cases c
    where c.state = 'open' and c.queue = q.name and c.deadline < %(now)s) as overdue,
  (select count(*) from moderation.cases c
    where c.state = 'open' and c.queue = q.name and c.deadline < %(soon)s) as due_soon,
  coalesce(a.arrived, 0) as arrived,
  (select min(c.created_at) from moderation.cases c where c.state = 'open' and c.queue = q.name) as oldest,
  (select min(c.deadline) from moderation.cases c where c.state = 'open' and c.queue = q.name) as due,
  q.hours_per_day::float8, q.seconds_per_case::float8, p.seconds as measured, coalesce(p.answers, 0) as answers
from moderation.queues q
left join waiting w on w.queue = q.name
left join leased l on l.queue = q.name
left join came a on a.queue = q.name
left join paces p on p.queue = q.name
where not q.retired order by q.rank, q.name;

-- name: to_decision
select count(*), percentile_cont(array[0.5, 0.9, 0.99]) within group (
  order by extract(epoch from decided_at - created_at)::float8)
from moderation.cases
where state = 'decided' and effect = 'clip' and decided_at > %(since)s and decided_at <= %(until)s;

-- name: automatic
-- Of the clips that rules judged: those that no person was asked about.
select count(*) filter (where not asked), count(*) from (
  select clip_id, bool_or(outcome = 'review') as asked from moderation.decisions
  where actor_kind = 'rule' and created_at > %(since)s and created_at <= %(until)s group by clip_id) judged;

-- name: exposed_days
-- Milliseconds of unveiled material for each person and day; who it was stays in the database.
select dense_rank() over (order by principal), sum(ms)::bigint
from moderation.exposures where ended_at >= %(since)s and ended_at < %(until)s
group by principal, (ended_at at time zone 'UTC')::date;

-- name: breaks
select count(*) from moderation.breaks where ended_at >= %(since)s and ended_at < %(until)s;

-- name: own_days
select (ended_at at time zone 'UTC')::date, sum(ms)::bigint, count(*) from moderation.exposures
where principal = %(principal)s and ended_at >= %(since)s and ended_at < %(until)s group by 1 order by 1;

-- name: stage_lines
select stage, count(*), count(*) filter (where state = 'failed'),
  percentile_cont(array[0.5, 0.9, 0.99]) within group (
    order by extract(epoch from finished_at - started_at)::float8) filter (where state = 'done')
from moderation.stages where started_at >= %(since)s and started_at < %(until)s and state <> 'running'
group by stage order by stage;

-- name: analyses
select body from moderation.analyses where created_at >= %(since)s and created_at < %(until)s
order by created_at desc limit %(limit)s;

-- name: proven
-- How many delivered files were opened again, and in how many each mark was found.
select count(*), count(*) filter (where body #>> '{layers,invisible,state}' = 'found'),
  count(*) filter (where body #>> '{layers,c2pa,state}' = 'found')
from moderation.proofs where created_at >= %(since)s and created_at < %(until)s;
