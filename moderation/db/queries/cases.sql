-- name: insert_case
-- What acts on its clip is due no later than the open notices about it.
insert into moderation.cases (org_id, case_id, clip_id, queue, source, effect, opened_by, severity, deadline, created_at)
values (%(org)s, %(case)s, %(clip)s, %(queue)s, %(source)s, %(effect)s, %(decision)s, %(severity)s,
  least(%(deadline)s, (select min(due_at) from moderation.notices where clip_id = %(clip)s and %(effect)s = 'clip'
    and state = 'open' and kind <> 'counter_notice')), %(now)s);

-- name: open_case_of_clip
select case_id from moderation.cases where clip_id = %(clip)s and state = 'open' and effect = 'clip';

-- name: close_cases
-- The clip moved on without an answer (withdrawn, deleted, judged again).
update moderation.cases set state = 'closed', decided_at = %(now)s, version = version + 1,
  lease_token = null, lease_holder = null, lease_expires_at = null
where clip_id = %(clip)s and state = 'open';

-- name: close_acting_case
-- Another case takes its place.
update moderation.cases set state = 'closed', decided_at = %(now)s, version = version + 1,
  lease_token = null, lease_holder = null, lease_expires_at = null
where clip_id = %(clip)s and state = 'open' and effect = 'clip';

-- name: unanswered_case
-- Of those that went to colleagues and were closed without their answer the last; one whose escalation was undone is of
-- the first stage again.
select case_id from moderation.cases
where clip_id = %(clip)s and state = 'closed' and effect = 'clip' and stage <> 'first'
order by created_at desc, case_id desc limit 1;

-- name: open_again
-- In its queue and stage, dealt anew, and due no later than the open notices about its clip.
update moderation.cases set state = 'open', decided_at = null, version = version + 1, answered_by = null,
  undo_until = null, lease_token = null, lease_holder = null, leased_at = null, lease_expires_at = null,
  deadline = least(%(deadline)s, (select min(due_at) from moderation.notices where clip_id = %(clip)s
    and state = 'open' and kind <> 'counter_notice'))
where case_id = %(case)s;

-- name: next_case
-- What a colleague holds is passed over, what this reviewer skipped is dealt to them only when they ask for it by its
-- clip, and what they answered never: unless, where that is allowed, a rule asks anew. Nor is a golden case dealt to who
-- wrote its answer. The caller says in which order, and locks the row.
select case_id from moderation.cases c
where state = 'open' and queue = %(queue)s and (%(clip)s::text is null or clip_id = %(clip)s)
  and (lease_expires_at is null or lease_expires_at <= %(now)s or lease_holder = %(holder)s)
  and severity < %(severe_from)s and case_id <> %(beside)s
  and (%(clip)s::text is not null or not exists (select 1 from moderation.case_actions a
    where a.case_id = c.case_id and a.actor = %(holder)s and a.action = 'skipped'))
  and not exists (select 1 from moderation.opinions o where o.clip_id = c.clip_id and o.reviewer = %(holder)s
    and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
    and not (%(again)s and o.case_id <> c.case_id and c.stage = 'first' and c.effect = 'clip'
      and c.source in ('rule', 'processing', 'revocation', 'notice', 'trend')))
  and (source <> 'golden' or not exists (select 1 from moderation.golden_cases m
    join moderation.golden_answers g on g.golden_id = m.golden_id
    where m.case_id = c.case_id and g.added_by = %(holder)s))

-- name: lease
update moderation.cases c set lease_token = %(token)s, lease_holder = %(holder)s, leased_at = %(now)s,
  lease_expires_at = %(expires_at)s, version = version + 1, answered_by = null, undo_until = null
where case_id = %(case)s
returning org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at;

-- name: cases_held
select org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at
from moderation.cases where state = 'open' and lease_holder = %(holder)s and lease_expires_at > %(now)s
order by lease_expires_at;

-- name: renew_lease
update moderation.cases set lease_expires_at = %(expires_at)s
where case_id = %(case)s and state = 'open' and lease_token = %(token)s and lease_expires_at > %(now)s
returning case_id;

-- name: end_lease
update moderation.cases set lease_token = null, lease_holder = null, lease_expires_at = null, version = version + 1
where case_id = %(case)s and state = 'open' and lease_token = %(token)s and lease_holder = %(holder)s
returning case_id;

-- name: case
select org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at
from moderation.cases where case_id = %(case)s;

-- name: case_locked
-- Its key never changes, so that rows that name it (a reveal, a person's copy) may be written meanwhile: they are held
-- up by its clip's lock at most, and nobody waits crosswise.
select org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at
from moderation.cases where case_id = %(case)s for no key update;

-- name: cases_in_queue
select org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at
from moderation.cases where state = 'open' and queue = %(queue)s
order by deadline, severity desc, created_at limit %(limit)s;

-- name: answer_case
update moderation.cases set state = %(state)s, stage = %(stage)s, queue = %(queue)s, decided_by = %(decision)s,
  decided_at = case when %(state)s = 'decided' then %(now)s::timestamptz end, version = version + 1,
  answered_by = %(opinion)s, answered_in = %(generation)s, undo_until = %(undo_until)s,
  lease_token = null, lease_holder = null, leased_at = null, lease_expires_at = null
where case_id = %(case)s;

-- name: undo_answer
update moderation.cases set state = 'open', stage = %(stage)s, queue = %(queue)s, decided_by = null, decided_at = null,
  version = version + 1, answered_by = null, undo_until = null, lease_token = %(token)s, lease_holder = %(holder)s,
  leased_at = %(now)s, lease_expires_at = %(expires_at)s
where case_id = %(case)s
returning org_id, case_id, clip_id, queue, state, source, effect, stage, opened_by, decided_by, severity, deadline, version,
  lease_token, lease_holder, leased_at, lease_expires_at, created_at, decided_at, answered_by, answered_in, undo_until,
  followed_at;

-- name: overturn_case
update moderation.cases set decided_by = %(decision)s, version = version + 1 where case_id = %(case)s;

-- name: cases_to_follow
-- Over all organisations; several sweepers never take the same one.
select org_id, clip_id, case_id from moderation.cases
where state = 'decided' and followed_at is null and undo_until <= %(now)s
order by undo_until limit %(limit)s for no key update skip locked;

-- name: follow_case
update moderation.cases set followed_at = %(now)s where case_id = %(case)s;

-- name: insert_action
insert into moderation.case_actions (org_id, case_id, action, actor, body, at)
values (%(org)s, %(case)s, %(action)s, %(actor)s, %(body)s, %(now)s);

-- name: actions
select action, actor, body, at from moderation.case_actions where case_id = %(case)s order by action_id;

-- name: sealed_case
-- A clip whose bytes were sealed away belongs to the specialists, not to its platform any more.
select 1 from moderation.cases where clip_id = %(clip)s and queue = 'known_illegal' limit 1;

-- name: opening_decisions
select c.case_id, d.body from moderation.cases c join moderation.decisions d on d.decision_id = c.opened_by
where c.case_id = any(%(cases)s);
