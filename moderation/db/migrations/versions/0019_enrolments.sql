-- Attempts of people to enrol their own likeness: a challenge, at most one recording, what was found, who answered.
create table moderation.enrolments (
  org_id text not null references moderation.organisations,
  enrolment_id text primary key,
  person_id text not null references moderation.people,
  state text not null check (state in
    ('asked', 'received', 'verified', 'uncertain', 'guardian_needed', 'refused', 'expired')),
  challenge jsonb not null,                  -- digits and turns that were asked for
  expires_at timestamptz not null,
  asked_by text not null,
  asked_at timestamptz not null,
  received_at timestamptz,
  recording text,                            -- the sealed recording's blob, empty once it is deleted
  duration_ms int,
  leased_until timestamptz,                  -- until when one worker checks it
  attempts int not null default 0,
  templates bytea,                           -- sealed with the person's key, until the answer is given
  checks jsonb,                              -- each check with its evidence, for staff
  hints text[] not null default '{}',        -- what the caller may be told to do better
  case_id text unique,                       -- when a person must look
  deadline timestamptz,
  checked_at timestamptz,
  answered_by text,
  reason text,
  answered_at timestamptz,
  version int not null default 1
);
create index enrolments_of_person on moderation.enrolments (person_id, asked_at);
create index enrolments_of_caller on moderation.enrolments (org_id, asked_by, asked_at);
create index enrolments_at_work on moderation.enrolments (received_at)
  where state in ('received', 'uncertain', 'guardian_needed');
create index enrolments_recorded on moderation.enrolments (enrolment_id) where recording is not null;
-- The planner's statistics would keep samples of it past a person's erasure.
alter table moderation.enrolments alter column templates set statistics 0;

insert into moderation.retention_classes values
  ('recording', '7 days', 'Sealed recordings of enrolments: until the answer, and no longer than this.');
insert into moderation.retention values ('enrolments', 'person'), ('blob:recording', 'recording');
alter table moderation.enrolments enable row level security;
create policy own_organisation on moderation.enrolments to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, update, delete on moderation.enrolments to moderation_app;
