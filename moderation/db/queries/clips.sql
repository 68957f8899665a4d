-- name: insert_clip
-- A clip and everything its platform said of it.
insert into moderation.clips (org_id, clip_id, status, runner, creator, creator_age_band, prompt, title, generator,
  cameos, parents, locale, market, visibility, callback_url, source_url, content_sha256, content_bytes, probe,
  priority, claims, purpose, created_at, updated_at)
values (%(org)s, %(clip)s, 'received', %(runner)s, %(creator)s, %(creator_age_band)s, %(prompt)s, %(title)s,
  %(generator)s, %(cameos)s, %(parents)s, %(locale)s, %(market)s, %(visibility)s, %(callback_url)s, %(source_url)s,
  %(content_sha256)s, %(content_bytes)s, %(probe)s, %(priority)s, %(claims)s, %(purpose)s, %(now)s,
  %(now)s);

-- name: insert_payload
-- Nothing when the id is taken: draw another.
insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at)
values (%(payload)s, %(org)s, %(clip)s, %(key_version)s, %(now)s)
on conflict (payload) do nothing returning payload;

-- name: payload_of_clip
select payload, key_version from moderation.mark_payloads where clip_id = %(clip)s;

-- name: clip_of_payload
select org_id, clip_id, key_version from moderation.mark_payloads where payload = %(payload)s;

-- name: clip_of_marked
select org_id, clip_id from moderation.mark_payloads where clip_id = %(payload)s;

-- name: clip
select org_id, clip_id, status, held_cause, retry_at, holds, generation, runner, creator, creator_age_band, prompt,
  title, generator, cameos, parents, locale, market, visibility, callback_url, source_url, content_sha256,
  content_bytes, probe, problem, priority, erased_at, claims, purpose, created_at, updated_at
from moderation.clips where clip_id = %(clip)s;

-- name: clip_locked
select org_id, clip_id, status, held_cause, retry_at, holds, generation, runner, creator, creator_age_band, prompt,
  title, generator, cameos, parents, locale, market, visibility, callback_url, source_url, content_sha256,
  content_bytes, probe, problem, priority, erased_at, claims, purpose, created_at, updated_at
from moderation.clips where clip_id = %(clip)s for update;

-- name: set_status
update moderation.clips set status = %(status)s, held_cause = null, retry_at = null, updated_at = %(now)s
where clip_id = %(clip)s;

-- name: hold_clip
update moderation.clips set status = 'held', held_cause = %(cause)s, retry_at = %(retry_at)s, holds = holds + 1,
  runner = 'service', updated_at = %(now)s
where clip_id = %(clip)s;

-- name: set_content
update moderation.clips set content_sha256 = %(sha256)s, content_bytes = %(bytes)s, probe = %(probe)s,
  updated_at = %(now)s where clip_id = %(clip)s;

-- name: set_problem
update moderation.clips set problem = %(problem)s where clip_id = %(clip)s;

-- name: next_generation
-- Another run of the workflow, the service's; a run with an older number finds itself outdated and does nothing.
update moderation.clips set status = 'processing', held_cause = null, retry_at = null, generation = generation + 1,
  runner = 'service',
  updated_at = %(now)s
where clip_id = %(clip)s returning generation;

-- name: due_held
-- Held clips whose time has come, over all organisations; several sweepers never take the same one.
select org_id, clip_id from moderation.clips
where status = 'held' and retry_at <= %(now)s order by retry_at limit %(limit)s for update skip locked;

-- name: unfinished_checks
select org_id, clip_id from moderation.clips
where runner = 'check' and status in ('received', 'processing');

-- name: set_visibility
update moderation.clips set visibility = %(visibility)s where clip_id = %(clip)s;

-- name: erase_clip
update moderation.clips set creator = null, prompt = null, title = null, callback_url = null, source_url = null,
  cameos = '{}', claims = '{}', probe = null, erased_at = %(now)s, updated_at = %(now)s where clip_id = %(clip)s;

-- name: count_waiting
select count(*) from moderation.clips where status in ('received', 'processing');

-- name: begin_stage
insert into moderation.stages (org_id, clip_id, generation, stage, state, started_at)
values (%(org)s, %(clip)s, %(generation)s, %(stage)s, 'running', %(now)s)
on conflict (clip_id, generation, stage) do update set state = 'running', started_at = excluded.started_at;

-- name: end_stage
update moderation.stages set state = %(state)s, finished_at = %(now)s, cpu_ms = %(cpu_ms)s, detail = %(detail)s
where clip_id = %(clip)s and generation = %(generation)s and stage = %(stage)s;

-- name: stages
select generation, stage, state, started_at, finished_at, cpu_ms, detail from moderation.stages
where clip_id = %(clip)s order by started_at, stage;

-- name: insert_idempotency
insert into moderation.idempotency_keys (org_id, principal, key, receiver, created_at, touched_at)
values (%(org)s, %(principal)s, %(key)s, %(receiver)s, %(now)s, %(now)s)
on conflict (org_id, principal, key) do nothing returning key;

-- name: idempotency_locked
select fingerprint, clip_id, receiver, touched_at from moderation.idempotency_keys
where org_id = %(org)s and principal = %(principal)s and key = %(key)s for update;

-- name: take_over_idempotency
update moderation.idempotency_keys set receiver = %(receiver)s, touched_at = %(now)s
where org_id = %(org)s and principal = %(principal)s and key = %(key)s;

-- name: settle_idempotency
update moderation.idempotency_keys set fingerprint = %(fingerprint)s, clip_id = %(clip)s, touched_at = %(now)s
where org_id = %(org)s and principal = %(principal)s and key = %(key)s and receiver = %(receiver)s returning key;

-- name: drop_idempotency
delete from moderation.idempotency_keys
where org_id = %(org)s and principal = %(principal)s and key = %(key)s and receiver = %(receiver)s and clip_id is null;

-- name: list_clips
-- Newest first, from a cursor on.
select clip_id, status, creator, title, visibility, held_cause, created_at, updated_at
from moderation.clips
where (%(status)s::text is null or status = %(status)s)
  and (%(creator)s::text is null or creator = %(creator)s)
  and (%(at)s::timestamptz is null or (created_at, clip_id) < (%(at)s, %(clip)s))
order by created_at desc, clip_id desc limit %(limit)s;

-- name: status
select status from moderation.clips where clip_id = %(clip)s;
