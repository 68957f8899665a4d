-- name: insert_enrolment
insert into moderation.enrolments (org_id, enrolment_id, person_id, state, challenge, expires_at, asked_by, asked_at)
values (%(org)s, %(enrolment)s, %(person)s, 'asked', %(challenge)s, %(expires_at)s, %(by)s, %(now)s);

-- name: asked_lately
-- How many challenges were drawn for a person, and by one caller, since two moments.
select count(*) filter (where person_id = %(person)s and asked_at > %(hour)s),
  count(*) filter (where person_id = %(person)s), count(*) filter (where asked_by = %(by)s and asked_at > %(hour)s)
from moderation.enrolments where asked_at > %(day)s and (person_id = %(person)s or asked_by = %(by)s);

-- name: drop_asked
-- A new challenge ends the one before it.
update moderation.enrolments set state = 'expired', version = version + 1
where person_id = %(person)s and state = 'asked';

-- name: enrolment
select org_id, enrolment_id, person_id, state, challenge, expires_at, asked_by, asked_at, received_at, recording,
  duration_ms, attempts, templates, checks, hints, case_id, deadline, checked_at, answered_by, reason, answered_at, version
from moderation.enrolments where enrolment_id = %(enrolment)s;

-- name: enrolment_locked
select org_id, enrolment_id, person_id, state, challenge, expires_at, asked_by, asked_at, received_at, recording,
  duration_ms, attempts, templates, checks, hints, case_id, deadline, checked_at, answered_by, reason, answered_at, version
from moderation.enrolments where enrolment_id = %(enrolment)s for update;

-- name: receive
-- A challenge is answered once and in time: whoever comes second finds another state.
update moderation.enrolments set state = 'received', received_at = %(now)s, recording = %(recording)s,
  duration_ms = %(duration_ms)s, version = version + 1
where enrolment_id = %(enrolment)s and person_id = %(person)s and state = 'asked' and expires_at > %(now)s
returning enrolment_id;

-- name: take_due
-- The oldest recording that nobody checks; who takes it has until `until`.
update moderation.enrolments set leased_until = %(until)s, attempts = attempts + 1 where enrolment_id = (
  select enrolment_id from moderation.enrolments
  where state = 'received' and (leased_until is null or leased_until < %(now)s)
  order by received_at limit 1 for update skip locked)
returning org_id, enrolment_id, attempts;

-- name: put_back
update moderation.enrolments set leased_until = %(until)s, attempts = attempts - %(untried)s
where enrolment_id = %(enrolment)s and state = 'received';

-- name: conclude
update moderation.enrolments set state = %(state)s, checks = %(checks)s, hints = %(hints)s, templates = %(templates)s,
  case_id = %(case)s, deadline = %(deadline)s, checked_at = %(now)s, leased_until = null, version = version + 1
where enrolment_id = %(enrolment)s and state = 'received' returning version;

-- name: answer
update moderation.enrolments set state = %(state)s, answered_by = %(by)s, reason = %(reason)s, answered_at = %(now)s,
  templates = null, version = version + 1
where enrolment_id = %(enrolment)s;

-- name: waiting
select org_id, enrolment_id, person_id, state, challenge, expires_at, asked_by, asked_at, received_at, recording,
  duration_ms, attempts, templates, checks, hints, case_id, deadline, checked_at, answered_by, reason, answered_at, version
from moderation.enrolments where state = any(%(states)s) order by deadline, enrolment_id limit %(limit)s;

-- name: spent_recordings
-- Recordings whose answer was given long enough ago, or that waited as long as they may.
select org_id, enrolment_id, recording from moderation.enrolments
where recording is not null and (
  (state in ('verified', 'refused', 'expired') and coalesce(answered_at, checked_at, received_at) <= %(answered)s)
  or received_at <= %(waited)s)
order by enrolment_id limit 200;

-- name: forget_recording
update moderation.enrolments set recording = null where enrolment_id = %(enrolment)s and recording = %(recording)s;

-- name: give_up
-- What waited for a person as long as it may: nobody said yes.
update moderation.enrolments set state = 'expired', templates = null, answered_at = %(now)s, version = version + 1
where state in ('received', 'uncertain', 'guardian_needed') and received_at <= %(before)s;

-- name: expire_asked
update moderation.enrolments set state = 'expired', version = version + 1 where state = 'asked' and expires_at <= %(now)s;

-- name: compared_again
update moderation.enrolments set checks = %(checks)s, version = version + 1 where enrolment_id = %(enrolment)s;

-- name: models_of
-- What a person's templates were made by, without the weights.
select distinct split_part(model, '@', 1) from moderation.templates where person_id = %(person)s;

-- name: kinds
select person_id, kind from moderation.people where person_id = any(%(people)s);
