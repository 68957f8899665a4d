-- name: reach
-- Clips that are not over: those that show somebody, and what was made from them at any depth; who is in a circle is
-- found once. `same` follows equal pictures only: what they show is shown, even where nobody was recognised. Whoever was
-- only heard in a clip is not in its `pictures`, and no clip is reached that is known to have those and no more.
with recursive shown (clip_id, same, pictures, why) as (
  select a.clip_id, bool_or(a.how in ('face', 'copy') and a.state = 'matched'), exists (
      select 1 from moderation.appearances p
      where p.clip_id = a.clip_id and p.person_id = %(person)s and p.how not in ('voice', 'inherited')), case
    when bool_or(a.how in ('face', 'voice') and a.state = 'matched') then 'shown'
    when bool_or(a.how = 'copy' and a.state = 'matched') then 'copy'
    when bool_or(a.how in ('face', 'voice', 'copy')) then 'possible' else 'declared' end
  from moderation.appearances a
  where a.person_id = %(person)s and a.how <> 'inherited'
    and (%(scope)s = 'both' or a.how in ('declared', 'copy') or a.how = %(scope)s)
    and (%(creators)s::text[] is null or exists (select 1 from moderation.clips c
      where c.clip_id = a.clip_id and c.creator = any(%(creators)s)))
  group by a.clip_id
), below (clip_id, same, pictures) as (
  select clip_id, same, pictures from shown
  union
  select l.child, below.same and l.how = 'copy', true from below join moderation.lineage l on l.parent = below.clip_id
  where l.how <> 'copy' or below.pictures
), reached (clip_id, same) as (select clip_id, bool_or(same) from below group by clip_id)
select c.clip_id, c.status, c.visibility,
  coalesce(s.why, case when reached.same then 'copy' else 'descendant' end) as why
from reached join moderation.clips c using (clip_id) left join shown s using (clip_id)
where c.status in ('released', 'in_review', 'processing', 'held', 'received')
  or (%(unpurged)s and c.status in ('withdrawn', 'withheld') and exists (select 1 from moderation.revocation_targets t
    where t.clip_id = c.clip_id and t.state = 'done' and t.purge))
order by c.clip_id;

-- name: run_locked
select run, listed_at is not null as listed, handled_at is not null as handled
from moderation.revocation_runs where revocation_id = %(revocation)s for update;

-- name: note_listed
update moderation.revocation_runs set listed_at = %(now)s, moved_at = %(now)s where revocation_id = %(revocation)s;

-- name: note_moved
update moderation.revocation_runs set moved_at = %(now)s where revocation_id = %(revocation)s;

-- name: note_handled
update moderation.revocation_runs set handled_at = %(now)s, moved_at = %(now)s
where revocation_id = %(revocation)s and handled_at is null returning run;

-- name: note_completed
update moderation.revocation_runs set completed_at = %(now)s, moved_at = %(now)s
where revocation_id = %(revocation)s and completed_at is null returning run;

-- name: stalled_runs
-- Revocations whose drive gave no sign of life; counted on, so that another run of the workflow has a name of its own.
update moderation.revocation_runs set run = run + 1, moved_at = %(now)s
where handled_at is null and moved_at < %(before)s returning org_id, revocation_id, run;

-- name: runs_at_zero
-- Everything is withdrawn or judged to an end, and everybody who could fetch it has said that it is gone.
select org_id, revocation_id from moderation.revocation_runs o
where completed_at is null and handled_at is not null
  and not exists (select 1 from moderation.revocation_targets t
    where t.revocation_id = o.revocation_id and t.state = 'done' and t.purge)
  and not exists (select 1 from moderation.revocation_targets t
    where t.revocation_id = o.revocation_id and t.state = 'done' and t.settled_at is null)
order by revocation_id limit 100;

-- name: revocation
select revocation_id, person_id, grant_id, reached, created_by, created_at from moderation.revocations
where revocation_id = %(revocation)s;

-- name: revocations_of
select revocation_id from moderation.revocations where person_id = %(person)s order by revocation_id desc limit %(limit)s;

-- name: stop_of
select s.person_id, s.scope, s.creators, r.grant_id, p.kind from moderation.person_stops s
join moderation.revocations r using (revocation_id) join moderation.people p on p.person_id = s.person_id
where s.revocation_id = %(revocation)s;

-- name: insert_targets
insert into moderation.revocation_targets (org_id, revocation_id, clip_id, why, action, found_as)
select %(org)s, %(revocation)s, c, w, a, f
from unnest(%(clips)s::text[], %(whys)s::text[], %(actions)s::text[], %(statuses)s::text[]) as n (c, w, a, f)
on conflict do nothing;

-- name: insert_withdrawn
-- A target that is withdrawn already, by the transaction that began the revocation.
insert into moderation.revocation_targets (org_id, revocation_id, clip_id, why, action, found_as, state, purge,
  event_id, handled_at, settled_at)
values (%(org)s, %(revocation)s, %(clip)s, %(why)s, 'withdraw', %(found_as)s, 'done', %(purge)s,
  case when %(purge)s then %(event)s end, %(now)s, %(now)s);

-- name: next_targets
-- Withdrawals first. Locked with their clips; what others hold right now comes with a later batch.
select t.clip_id, t.action, c.status, c.callback_url, c.priority, r.clip_id is not null as was_out
from moderation.revocation_targets t join moderation.clips c on c.clip_id = t.clip_id
left join moderation.releases r on r.clip_id = t.clip_id
where t.revocation_id = %(revocation)s and t.state = 'pending'
order by t.action desc, t.clip_id limit %(limit)s for update of t, c skip locked;

-- name: pending_left
select 1 from moderation.revocation_targets where revocation_id = %(revocation)s and state = 'pending' limit 1;

-- name: take_back
-- Releases and cases of clips that their caller holds.
with r as (update moderation.releases set withdrawn_at = %(now)s
  where clip_id = any(%(clips)s) and withdrawn_at is null)
update moderation.cases set state = 'closed', decided_at = %(now)s, version = version + 1, lease_token = null,
  lease_holder = null, lease_expires_at = null
where clip_id = any(%(clips)s) and state = 'open';

-- name: set_withdrawn
update moderation.clips set status = 'withdrawn', held_cause = null, retry_at = null, updated_at = %(now)s
where clip_id = any(%(clips)s);

-- name: next_generations
update moderation.clips set status = 'processing', held_cause = null, retry_at = null, generation = generation + 1,
  runner = 'service', updated_at = %(now)s
where clip_id = any(%(clips)s) returning clip_id, generation, priority;

-- name: finish_targets
update moderation.revocation_targets t set state = 'done', handled_at = %(now)s, purge = n.p, event_id = nullif(n.e, ''),
  settled_at = case when n.o then null else %(now)s::timestamptz end
from unnest(%(clips)s::text[], %(purges)s::boolean[], %(events)s::text[], %(open)s::boolean[]) as n (c, p, e, o)
where t.revocation_id = %(revocation)s and t.clip_id = n.c;

-- name: unsettled_of_clip
select revocation_id from moderation.revocation_targets
where clip_id = %(clip)s and state = 'done' and settled_at is null order by handled_at, revocation_id;

-- name: settle_targets
update moderation.revocation_targets set settled_at = %(now)s, purge = %(purge)s,
  event_id = case when %(purge)s then %(event)s else event_id end
where clip_id = %(clip)s and revocation_id = any(%(revocations)s) and state = 'done' and settled_at is null;

-- name: settle_elsewhere
-- What other revocations waited for is withdrawn by this one: the same event asks for the purge.
update moderation.revocation_targets t set settled_at = %(now)s, purge = true, event_id = n.e
from unnest(%(clips)s::text[], %(events)s::text[]) as n (c, e)
where t.clip_id = n.c and t.revocation_id <> %(revocation)s and t.state = 'done' and t.settled_at is null;

-- name: hold_deliveries
-- Of what asked for the purge of these clips, by whatever event: who takes one now waits, and then finds what the caller
-- wrote.
select 1 from moderation.deliveries where event_id in (
  select event_id from moderation.events where clip_id = any(%(clips)s) and body::jsonb -> 'data' -> 'purge' = 'true')
order by delivery_id for update;

-- name: hold_purges
-- What anybody waits for of the clips of a revocation, all of them or some.
select 1 from moderation.revocation_targets where state = 'done' and purge and clip_id in (
  select clip_id from moderation.revocation_targets
  where revocation_id = %(revocation)s and (%(clips)s::text[] is null or clip_id = any(%(clips)s)))
order by clip_id, revocation_id for update;

-- name: outstanding
-- The last event of each of these clips that asked for a purge, where it did not come out again since and nobody has
-- said that it is gone: no receipt, and not everybody who was told has taken it.
select l.clip_id, l.event_id from (
  select distinct on (clip_id) clip_id, event_id, type from moderation.events
  where clip_id = any(%(clips)s) and (type = 'clip.released' or body::jsonb -> 'data' -> 'purge' = 'true')
  order by clip_id, seq desc) l
where l.type <> 'clip.released'
  and not exists (select 1 from moderation.revocation_targets t where t.event_id = l.event_id and t.state = 'purged')
  and (exists (select 1 from moderation.deliveries d where d.event_id = l.event_id and d.state <> 'delivered')
    or not exists (select 1 from moderation.deliveries d where d.event_id = l.event_id));

-- name: target_of_event
select revocation_id, clip_id from moderation.revocation_targets
where event_id = %(event)s and state = 'done' and purge order by revocation_id for update;

-- name: undelivered
select 1 from moderation.deliveries where event_id = %(event)s and state <> 'delivered' limit 1;

-- name: purged_by_delivery
update moderation.revocation_targets set state = 'purged', purged_at = %(now)s
where event_id = %(event)s and state = 'done' and purge;

-- name: purged_by_receipt
-- What other revocations wait for by the same event is gone with it.
update moderation.revocation_targets set state = 'purged', purged_at = %(now)s
where state = 'done' and purge and (revocation_id, clip_id) in (
  select o.revocation_id, o.clip_id from moderation.revocation_targets t join moderation.revocation_targets o
    on o.clip_id = t.clip_id and (o.revocation_id = t.revocation_id or o.event_id = t.event_id)
  where t.revocation_id = %(revocation)s and t.state = 'done' and t.purge
    and (%(clips)s::text[] is null or t.clip_id = any(%(clips)s)))
returning revocation_id;

-- name: counts
select count(*), count(*) filter (where state = 'pending'), count(*) filter (where state = 'done' and purge),
  count(*) filter (where state = 'purged'), count(*) filter (where action = 'withdraw'),
  count(*) filter (where action = 'rejudge'), max(purged_at), max(settled_at),
  count(*) filter (where state = 'done' and settled_at is null)
from moderation.revocation_targets where revocation_id = %(revocation)s;

-- name: run
select begun_at, listed_at, handled_at, completed_at from moderation.revocation_runs
where revocation_id = %(revocation)s;
