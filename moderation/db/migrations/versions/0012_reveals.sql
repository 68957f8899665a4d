-- Reveals that are running: nothing unveiled is served but under one of these rows. Settled, a row moves into the
-- ledger `exposures`.
create table moderation.reveals (
  org_id text not null references moderation.organisations,
  reveal_id text primary key,
  principal text not null,
  case_id text not null references moderation.cases,
  clip_id text not null references moderation.clips,
  rendition text not null check (rendition in ('revealed', 'cartoon', 'sound')),
  sound boolean not null,                    -- whether the sound is asked for beside the pictures
  severity int not null,
  session bytea not null,                    -- SHA-256 of the credential that began it: no other may fetch
  started_at timestamptz not null,
  shown_until timestamptz not null check (shown_until >= started_at)
);
create unique index one_reveal_per_person on moderation.reveals (org_id, principal);
create index reveals_overdue on moderation.reveals (shown_until);

-- Breaks that people took. While one is on, nothing is unveiled.
create table moderation.breaks (
  org_id text not null references moderation.organisations,
  break_id bigint generated always as identity primary key,
  principal text not null,
  started_at timestamptz not null,
  ended_at timestamptz check (ended_at >= started_at)
);
create unique index one_break_per_person on moderation.breaks (org_id, principal) where ended_at is null;

-- What one reviewer was given to see of one case: files that bear the codes of both.
create table moderation.case_renditions (
  org_id text not null,
  case_id text not null references moderation.cases,
  clip_id text not null references moderation.clips,
  principal text not null,
  kind text not null,
  sha256 text not null,
  blob_key text not null,
  bytes bigint not null,
  created_at timestamptz not null,
  primary key (case_id, principal, kind)
);
create index case_renditions_of_clip on moderation.case_renditions (clip_id);

-- A clip's veiled bases: besides the marked file everything here is made for reviewers.
alter table moderation.renditions drop constraint renditions_kind_check;
alter table moderation.renditions add constraint renditions_kind_check
  check (kind in ('marked', 'veiled', 'cartoon', 'strip', 'sound') or kind ~ '^still_[0-9]+$');

insert into moderation.retention_classes values
  ('personal', '1 hour', 'Renditions that bear a reviewer''s code, once the case is decided.');
insert into moderation.retention values
  ('reveals', 'operational'), ('breaks', 'permanent'), ('case_renditions', 'personal'), ('blob:personal', 'personal');
do $$
declare t text;
begin
  foreach t in array array['reveals', 'breaks', 'case_renditions']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update, delete on moderation.reveals, moderation.case_renditions to moderation_app;
grant select, insert, update on moderation.breaks to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
