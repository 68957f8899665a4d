-- Pictures of rights holders' works as the optional pack's network saw them: `rows` vectors of float32, one after the
-- other, by the network and weights that `model` names. They are of things, not of people, and lie open.
create table moderation.work_vectors (
  org_id text not null,
  work_id text primary key references moderation.works,
  model text not null,
  rows int not null check (rows > 0),
  vectors bytea not null,
  made_at timestamptz not null
);
insert into moderation.retention values ('work_vectors', 'permanent');
alter table moderation.work_vectors enable row level security;
create policy own_organisation on moderation.work_vectors to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, update, delete on moderation.work_vectors to moderation_app;
