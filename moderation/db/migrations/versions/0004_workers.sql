-- Which workers serve which queues, and which of their detectors failed their last probe. Rows of the deployment itself.
create table moderation.workers (
  org_id text not null references moderation.organisations,
  worker text primary key,
  queues text[] not null,
  faults jsonb not null,                     -- detector -> what is wrong
  seen_at timestamptz not null
);

insert into moderation.retention values ('workers', 'operational');
alter table moderation.workers enable row level security;
create policy own_organisation on moderation.workers to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, update, delete on moderation.workers to moderation_app;
