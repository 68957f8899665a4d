-- One small picture of a public figure with where it is from, both sealed with the person's key; faces of clips beside.
create table moderation.portraits (
  org_id text not null,
  person_id text primary key references moderation.people,
  picture bytea not null,                    -- a JPEG, sealed with the person's key
  credit bytea not null,                     -- source and licence, sealed with it too
  kept_at timestamptz not null
);
alter table moderation.portraits alter column picture set statistics 0, alter column credit set statistics 0;
insert into moderation.retention values ('portraits', 'person');
alter table moderation.portraits enable row level security;
create policy own_organisation on moderation.portraits to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, update, delete on moderation.portraits to moderation_app;
alter table moderation.renditions drop constraint renditions_kind_check;
alter table moderation.renditions add constraint renditions_kind_check check (
  kind in ('marked', 'veiled', 'cartoon', 'strip', 'sound') or kind ~ '^still_[0-9]+$'
  or kind ~ '^(revealed_)?face(_[0-9]+){5}$');
