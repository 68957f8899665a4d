-- How far each hash list has been compared with what was released before its hashes were listed.
create table moderation.hash_sweeps (
  org_id text not null,
  list_no int primary key references moderation.hash_lists (list_no),
  done int not null default -1,              -- entries up to this version of the list were compared with every clip
  until int not null default -1,             -- entries up to this version are being compared; `done` when none are
  after_print bigint not null default 0,     -- clips up to this print were compared with them
  last_print bigint not null default 0       -- prints taken later belong to clips that are judged later
);

insert into moderation.retention values ('hash_sweeps', 'operational');
alter table moderation.hash_sweeps enable row level security;
create policy own_organisation on moderation.hash_sweeps to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select on moderation.hash_sweeps to moderation_app;
