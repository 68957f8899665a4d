-- name: intervals
select r.thing, c.keep from moderation.retention r join moderation.retention_classes c on c.name = r.class;

-- name: interval
select c.keep from moderation.retention r join moderation.retention_classes c on c.name = r.class
where r.thing = %(thing)s and c.keep is not null;

-- name: organisations
select org_id from moderation.organisations order by org_id;

-- name: held_contents
select c.content_sha256 from moderation.legal_holds h join moderation.clips c using (clip_id)
where h.lifted_at is null and c.content_sha256 is not null;

-- name: old_uploads
-- Uploads of clips that reached their end long ago and that no living or held clip shares.
select distinct c.org_id, c.content_sha256 from moderation.clips c
where c.content_sha256 is not null and c.status in ('released', 'withheld', 'withdrawn')
  and c.updated_at < %(before)s
  and not exists (select 1 from moderation.clips o where o.org_id = c.org_id
    and o.content_sha256 = c.content_sha256
    and (o.updated_at >= %(before)s or o.status not in ('released', 'withheld', 'withdrawn')
      or exists (select 1 from moderation.legal_holds h where h.clip_id = o.clip_id and h.lifted_at is null)));

-- name: old_veils
delete from moderation.renditions r using moderation.clips c
where r.clip_id = c.clip_id and r.kind <> 'marked' and r.created_at < %(before)s
  and not exists (select 1 from moderation.cases k where k.clip_id = r.clip_id and k.state = 'open')
  and not exists (select 1 from moderation.legal_holds h where h.clip_id = r.clip_id and h.lifted_at is null)
returning r.blob_key;

-- name: old_personal
-- What bears a reviewer's code goes soon after its case is over; a case that is opened again has it made again.
delete from moderation.case_renditions p using moderation.cases k
where p.case_id = k.case_id and k.state <> 'open' and k.decided_at < %(before)s
  and not exists (select 1 from moderation.legal_holds h where h.clip_id = p.clip_id and h.lifted_at is null)
returning p.blob_key;

-- name: still_named
select blob_key from moderation.renditions where blob_key = any(%(keys)s)
union select blob_key from moderation.case_renditions where blob_key = any(%(keys)s);

-- name: delete_idempotency_keys
delete from moderation.idempotency_keys where touched_at < %(before)s;

-- name: delete_stages
delete from moderation.stages s using moderation.clips c
where s.clip_id = c.clip_id and s.started_at < %(before)s
  and c.status in ('released', 'withheld', 'withdrawn', 'refused');

-- name: delete_deliveries
delete from moderation.deliveries where state <> 'pending' and next_at < %(before)s;

-- name: delete_policy_jobs
delete from moderation.policy_jobs where seen_at < %(before)s;

-- name: delete_owner_sessions
delete from moderation.owner_sessions where coalesce(ended_at, ends_at) < %(before)s;

-- name: delete_sessions
delete from moderation.sessions where coalesce(ended_at, ends_at) < %(before)s;

-- name: delete_exposures
delete from moderation.exposures e where ended_at < %(before)s
  and not exists (select 1 from moderation.legal_holds h where h.clip_id = e.clip_id and h.lifted_at is null);

-- name: delete_breaks
delete from moderation.breaks where ended_at < %(before)s;
