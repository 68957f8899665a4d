-- Whom each version of a gallery made other than before, so that a process fetches only that.
create table moderation.gallery_changes (
  org_id text not null,
  version bigint not null,
  person_id text not null,
  primary key (org_id, version)
);

-- How far a person's match line lies from the others': stricter below zero, wider above.
alter table moderation.people add column line_shift real not null default 0
  check (line_shift between -0.1 and 0.05);
create index people_with_lines_of_their_own on moderation.people (org_id, person_id) where line_shift <> 0;

-- People of rosters as they are known again: a keyed hash of what the roster calls them, and of each picture.
create table moderation.imported_people (
  org_id text not null,
  mark bytea not null,
  person_id text not null references moderation.people,
  primary key (org_id, mark)
);
create table moderation.imported_pictures (
  org_id text not null,
  person_id text not null references moderation.people,
  sha256 bytea not null,
  primary key (person_id, sha256)
);

-- Works and characters of rights holders; their pictures are the hash list of each. Names of works lie open.
alter table moderation.hash_lists drop constraint hash_lists_category_check;
alter table moderation.hash_lists add constraint hash_lists_category_check
  check (category in ('known_illegal', 'takedown', 'works'));
create table moderation.works (
  org_id text not null,
  work_id text primary key,
  person_id text not null references moderation.people,
  list_id text not null references moderation.hash_lists (list_id),
  title text not null,
  names text[] not null,
  pictures int not null,
  created_at timestamptz not null,
  withdrawn_at timestamptz
);
create index works_of_person on moderation.works (person_id, created_at);

insert into moderation.retention values
  ('gallery_changes', 'permanent'), ('imported_people', 'person'), ('imported_pictures', 'person'),
  ('works', 'permanent');
do $$
declare t text;
begin
  foreach t in array array['gallery_changes', 'imported_people', 'imported_pictures', 'works']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert on moderation.gallery_changes to moderation_app;
grant select, insert, update, delete on moderation.imported_people, moderation.imported_pictures to moderation_app;
grant select, insert, update on moderation.works to moderation_app;
