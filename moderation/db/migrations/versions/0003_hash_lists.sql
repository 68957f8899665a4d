-- Hash lists: fingerprints of pictures and files that must not, or not freely, be published. A list belongs to an
-- organisation, or to the deployment (organisation `*`): then every organisation's clips are compared with it.
create table moderation.hash_lists (
  org_id text not null references moderation.organisations,
  list_id text primary key,
  list_no int generated always as identity unique,
  name text not null,
  category text not null check (category in ('known_illegal', 'takedown')),
  source text not null default '',
  enabled boolean not null default true,
  version int not null default 0,            -- grows with every change of an entry; whoever holds a copy compares it
  created_at timestamptz not null,
  unique (org_id, name)
);

-- One hash of a list: SHA-256 of a file (kind s) or PDQ of a picture (kind p). Entries are disabled, never deleted, so
-- that the next import of a feed does not bring back what somebody took out.
create table moderation.hash_entries (
  org_id text not null,
  list_no int not null references moderation.hash_lists (list_no),
  version int not null,                      -- of the list, when this entry last changed
  quality smallint not null,                 -- PDQ's own, 0-100
  kind "char" not null check (kind in ('p', 's')),
  enabled boolean not null default true,
  hash bytea not null check (octet_length(hash) = 32),
  item text,                                 -- what the hash is of, in the list's words; frames of one video share it
  primary key (list_no, kind, hash)
);
create index hash_entries_changed on moderation.hash_entries (list_no, version);

-- PDQ hashes of the frames of incoming clips, so that copies of our own clips are known again.
create table moderation.clip_prints (
  org_id text not null,
  clip_id text primary key references moderation.clips,
  print_no bigint generated always as identity unique,
  hashes bytea not null,                     -- 32 bytes a frame, what other clips are compared with
  body bytea not null,                       -- the whole print: times, qualities, eight orientations
  created_at timestamptz not null
);

-- What outside hash services said of a clip; asked once a clip.
create table moderation.hash_answers (
  org_id text not null,
  clip_id text not null references moderation.clips,
  service text not null,
  body text not null,                        -- canonical JSON
  created_at timestamptz not null,
  primary key (clip_id, service)
);

insert into moderation.organisations (org_id) values ('*');

insert into moderation.hash_lists (org_id, list_id, name, category, source, created_at)
  select org_id, 'hlist_' || md5(org_id || ' ' || source), source, 'known_illegal', source, min(added_at)
  from moderation.known_hashes group by org_id, source;
insert into moderation.hash_entries (org_id, list_no, version, quality, kind, hash)
  select k.org_id, l.list_no, 0, 100, left(k.kind, 1)::"char", k.hash
  from moderation.known_hashes k join moderation.hash_lists l on l.org_id = k.org_id and l.name = k.source
  where octet_length(k.hash) = 32;
drop table moderation.known_hashes;

delete from moderation.retention where thing = 'known_hashes';
insert into moderation.retention values
  ('hash_lists', 'permanent'), ('hash_entries', 'permanent'), ('clip_prints', 'clip'), ('hash_answers', 'clip');

do $$
declare t text;
begin
  foreach t in array array['hash_lists', 'hash_entries', 'clip_prints', 'hash_answers'] loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
    execute format('grant select, insert, update, delete on moderation.%I to moderation_app', t);
  end loop;
  -- Everybody reads the deployment's lists; only who acts for the deployment writes them.
  foreach t in array array['hash_lists', 'hash_entries'] loop
    execute format('create policy of_the_deployment on moderation.%I for select to moderation_app
                    using (org_id = ''*'')', t);
    execute format('revoke delete on moderation.%I from moderation_app', t);
  end loop;
end $$;
grant usage on all sequences in schema moderation to moderation_app;
