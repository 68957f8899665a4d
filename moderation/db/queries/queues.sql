-- name: queue
select name, rank, specialist, two_person, hours_per_day, seconds_per_case, patience_s, second_opinion_rate,
  golden_rate, retired
from moderation.queues where name = %(name)s;

-- name: make_queue
insert into moderation.queues (org_id, name, specialist) values (%(org)s, %(name)s, true) on conflict do nothing;

-- name: queue_lines
-- What waits is the sum of what came and went; everything else is read off the ends of indexes.
with waiting as (
  select queue, sum(change)::bigint as waiting from moderation.queue_changes group by queue),
leased as (
  select queue, count(*) as in_work from moderation.cases
  where state = 'open' and lease_expires_at > %(now)s group by queue),
answered as (
  select queue, count(*) as mine from moderation.opinions
  where reviewer = %(reviewer)s and answered_at >= %(midnight)s group by queue)
select q.name, q.specialist, coalesce(w.waiting, 0) as waiting, coalesce(l.in_work, 0) as in_work,
  coalesce(a.mine, 0) as mine,
  -- Without hours nothing is beyond them.
  greatest(0, coalesce(w.waiting, 0) - floor(q.hours_per_day * 3600 / coalesce(q.seconds_per_case, 120)))::bigint
    as beyond,
  (select c.created_at from moderation.cases c where c.state = 'open' and c.queue = q.name
    order by c.created_at limit 1) as oldest,
  (select c.deadline from moderation.cases c where c.state = 'open' and c.queue = q.name
    order by c.deadline limit 1) as due,
  (select c.decided_at from moderation.cases c where c.state = 'decided' and c.queue = q.name
    order by c.decided_at desc limit 1) as last_decided
from moderation.queues q
left join waiting w on w.queue = q.name
left join leased l on l.queue = q.name
left join answered a on a.queue = q.name
left join moderation.reviewers r on r.principal = %(reviewer)s
where not q.retired and (r.queues is null or q.name = any(r.queues))
  and not q.name = any(coalesce(r.opted_out, '{}'))
order by q.rank, q.name;

-- name: overloaded
select coalesce((select sum(change) from moderation.queue_changes c where c.queue = q.name), 0)
  > floor(q.hours_per_day * 3600 / coalesce(q.seconds_per_case, 120))
from moderation.queues q where q.name = %(name)s and q.hours_per_day is not null;

-- name: fold_changes
with long as (
  select org_id, queue from moderation.queue_changes group by org_id, queue having count(*) > 16),
gone as (
  delete from moderation.queue_changes c using long where c.org_id = long.org_id and c.queue = long.queue
  returning c.org_id, c.queue, c.change)
insert into moderation.queue_changes (org_id, queue, change)
select org_id, queue, sum(change) from gone group by org_id, queue;

-- name: change_queue
update moderation.queues set two_person = %(two_person)s, hours_per_day = %(hours_per_day)s,
  seconds_per_case = %(seconds_per_case)s, patience_s = %(patience_s)s,
  second_opinion_rate = %(second_opinion_rate)s, golden_rate = %(golden_rate)s, retired = %(retired)s
where name = %(name)s;

-- name: waiting
select coalesce(sum(change), 0)::bigint from moderation.queue_changes where queue = %(name)s;
