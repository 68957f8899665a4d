-- Who may be shown by a clip and asked to have it taken out: only a later answer of a person lets it out again.
create table moderation.removal_wishes (
  org_id text not null,
  wish_id bigint generated always as identity primary key,
  clip_id text not null references moderation.clips,
  person_id text not null references moderation.people,
  wished_by text not null,
  wished_at timestamptz not null
);
create index removal_wishes_of_clip on moderation.removal_wishes (clip_id, person_id);

insert into moderation.retention values ('removal_wishes', 'clip');
alter table moderation.removal_wishes enable row level security;
create policy own_organisation on moderation.removal_wishes to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, delete on moderation.removal_wishes to moderation_app;

-- What was handled before is not asked for again.
alter table moderation.revocation_targets add column settled_at timestamptz;
update moderation.revocation_targets set settled_at = handled_at;
create index revocation_targets_unsettled on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'done' and settled_at is null;
