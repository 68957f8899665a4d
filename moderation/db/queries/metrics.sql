-- name: clips_by_status
select status, count(*) from moderation.clips group by status;

-- name: held_by_cause
select held_cause, count(*) from moderation.clips where status = 'held' group by held_cause;

-- name: oldest_held
select held_cause, extract(epoch from %(now)s - min(created_at))::float from moderation.clips
where status = 'held' group by held_cause;

-- name: cases_waiting
-- The sum of what came and went: with a million open cases it costs no more than with ten.
select queue, sum(change)::bigint from moderation.queue_changes group by queue;

-- name: cases_overdue
-- Each queue's own end of the index of deadlines; what is not due yet is not read.
select q.name, (select count(*) from moderation.cases c
  where c.state = 'open' and c.queue = q.name and c.deadline < %(now)s)
from moderation.queues q where not q.retired;

-- name: deliveries_by_state
select state, count(*) from moderation.deliveries group by state;

-- name: notices_open
select kind, count(*) from moderation.notices where state = 'open' group by kind;

-- name: notices_overdue
select kind, count(*) filter (where due_at < %(now)s) from moderation.notices where state = 'open' group by kind;

-- name: appeals_waiting
select case when notice_id is null then 'creator' else 'notifier' end, count(*)
from moderation.appeals where state = 'open' group by 1;
