-- name: insert_event
-- Numbered per clip, or per what else it is about; the row of that is locked by the caller.
insert into moderation.events (org_id, event_id, clip_id, about, seq, type, body, created_at)
values (%(org)s, %(event)s, %(clip)s, %(about)s, %(seq)s, %(type)s, %(body)s, %(now)s);

-- name: next_seq
select coalesce(max(seq), 0) + 1 from moderation.events where clip_id = %(clip)s;

-- name: next_seq_about
select coalesce(max(seq), 0) + 1 from moderation.events where about = %(about)s;

-- name: last_seqs
select clip_id, max(seq) from moderation.events where clip_id = any(%(clips)s) group by clip_id;

-- name: insert_events
-- Of several clips at once, whose rows the caller holds.
insert into moderation.events (org_id, event_id, clip_id, seq, type, body, created_at)
select %(org)s, e, c, s, %(type)s, b, %(now)s
from unnest(%(events)s::text[], %(clips)s::text[], %(seqs)s::int[], %(bodies)s::text[]) as n (e, c, s, b);

-- name: insert_deliveries
insert into moderation.deliveries (org_id, delivery_id, event_id, endpoint_id, url, next_at)
select %(org)s, d, e, nullif(p, ''), u, %(now)s
from unnest(%(deliveries)s::text[], %(events)s::text[], %(endpoints)s::text[], %(urls)s::text[]) as n (d, e, p, u);

-- name: notify_clips
select pg_notify('clip_events', %(org)s || ':' || c) from unnest(%(clips)s::text[]) c;

-- name: endpoints
select endpoint_id, url from moderation.webhook_endpoints where enabled and deleted_at is null order by endpoint_id;

-- name: all_endpoints
select endpoint_id, url, enabled, created_at from moderation.webhook_endpoints
where deleted_at is null order by endpoint_id;

-- name: endpoint
select endpoint_id, url, secrets, enabled, created_at from moderation.webhook_endpoints
where endpoint_id = %(endpoint)s and deleted_at is null;

-- name: insert_endpoint
insert into moderation.webhook_endpoints (org_id, endpoint_id, url, secrets, created_at)
values (%(org)s, %(endpoint)s, %(url)s, %(secrets)s, %(now)s);

-- name: set_secrets
update moderation.webhook_endpoints set secrets = %(secrets)s where endpoint_id = %(endpoint)s;

-- name: delete_endpoint
update moderation.webhook_endpoints set deleted_at = %(now)s, enabled = false
where endpoint_id = %(endpoint)s and deleted_at is null returning endpoint_id;

-- name: insert_delivery
insert into moderation.deliveries (org_id, delivery_id, event_id, endpoint_id, url, next_at)
values (%(org)s, %(delivery)s, %(event)s, %(endpoint)s, %(url)s, %(now)s);

-- name: delivery_locked
select d.delivery_id, d.event_id, d.endpoint_id, d.url, d.state, d.attempts, e.body, e.type, e.clip_id, e.seq
from moderation.deliveries d join moderation.events e using (event_id)
where d.delivery_id = %(delivery)s for update of d;

-- name: delivery_worked
update moderation.deliveries set state = 'delivered', attempts = attempts + 1, last_status = %(status)s,
  last_error = null, delivered_at = %(now)s where delivery_id = %(delivery)s;

-- name: delivery_failed
update moderation.deliveries set state = %(state)s, attempts = attempts + 1, last_status = %(status)s,
  last_error = %(error)s, next_at = %(next_at)s where delivery_id = %(delivery)s;

-- name: due_deliveries
-- Attempts after the first, over all organisations; `next_at` is pushed on so that no sweeper enqueues it twice. A
-- first attempt is enqueued with its event and becomes due here only when that work was lost on the way.
update moderation.deliveries set next_at = %(now)s + interval '10 minutes'
where delivery_id in (select delivery_id from moderation.deliveries
  where state = 'pending' and next_at <= %(now)s - case when attempts = 0 then interval '10 minutes'
    else interval '0' end
  order by next_at limit %(limit)s for update skip locked)
returning org_id, delivery_id, attempts;

-- name: replay_delivery
-- `next_at` lies ahead as for a delivery just taken up by the sweep: the caller enqueues it.
update moderation.deliveries set state = 'pending', next_at = %(now)s + interval '10 minutes',
  attempts = greatest(attempts, 1), delivered_at = null
where delivery_id = %(delivery)s returning attempts;

-- name: deliveries
select delivery_id, event_id, endpoint_id, url, state, attempts, next_at, last_status, last_error, delivered_at
from moderation.deliveries
where (%(after)s::text is null or delivery_id < %(after)s) and (%(state)s::text is null or state = %(state)s)
order by delivery_id desc limit %(limit)s;

-- name: events_of_clip
select event_id, seq, type, body, created_at from moderation.events
where clip_id = %(clip)s and seq > %(after)s order by seq;

-- name: endpoint_line
select endpoint_id, url, enabled, created_at from moderation.webhook_endpoints
where endpoint_id = %(endpoint)s and deleted_at is null;

-- name: change_endpoint
update moderation.webhook_endpoints set url = coalesce(%(url)s::text, url),
  enabled = coalesce(%(enabled)s::boolean, enabled)
where endpoint_id = %(endpoint)s and deleted_at is null;

-- name: set_org_secret
update moderation.org_secrets set sealed = %(sealed)s where org_id = %(org)s and name = %(name)s;

