-- name: beat
insert into moderation.workers (org_id, worker, queues, faults, policies, seen_at)
values ('*', %(worker)s, %(queues)s, %(faults)s, %(policies)s, %(now)s)
on conflict (worker) do update set queues = excluded.queues, faults = excluded.faults, policies = excluded.policies,
  seen_at = excluded.seen_at;

-- name: leave
delete from moderation.workers where worker = %(worker)s;

-- name: forget
delete from moderation.workers where seen_at < %(before)s;

-- name: serving
select worker, faults from moderation.workers
where %(queue)s = any(queues) and seen_at >= %(since)s order by worker;

-- name: policies_of_workers
select worker, policies -> %(org)s from moderation.workers
where seen_at >= %(since)s and policies ? %(org)s order by worker;
