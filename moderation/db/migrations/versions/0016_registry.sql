-- Where a person stands: only who is verified has grants that count. `account` is the platform's own id of them, by
-- which it acts for them; a guardian's account stands beside a teen's.
alter table moderation.people add column state text not null default 'verified'
  check (state in ('pending', 'verified', 'refused', 'suspended'));
alter table moderation.people alter column state drop default;
alter table moderation.people add column account text;
alter table moderation.people add column age_band text check (age_band in ('adult', 'teen'));
alter table moderation.people add column guardian text;
alter table moderation.people add constraint teens_have_guardians
  check (age_band is distinct from 'teen' or state <> 'verified' or guardian is not null or erased_at is not null);
create unique index one_person_per_account on moderation.people (org_id, account)
  where erased_at is null and account is not null;
create index people_in_order on moderation.people (org_id, created_at, person_id) where erased_at is null;

-- Other names of a person, in any script; sealed with the person's key.
create table moderation.aliases (
  org_id text not null,
  alias_id text primary key,
  person_id text not null references moderation.people,
  sealed bytea not null,
  created_at timestamptz not null
);
create index aliases_of_person on moderation.aliases (person_id);

create index templates_of_person on moderation.templates (person_id);
create index gallery_vectors_of_person on moderation.gallery_vectors (person_id);

-- The planner's statistics would keep samples of these columns past a person's erasure.
alter table moderation.templates alter column sealed set statistics 0;
alter table moderation.gallery_vectors alter column vector set statistics 0;
alter table moderation.people alter column name set statistics 0;
alter table moderation.person_keys alter column wrapped set statistics 0;
alter table moderation.aliases alter column sealed set statistics 0;

-- Lists of creators that a person may grant to. Who is on one is said by the last entry of each creator.
create table moderation.grantee_lists (
  org_id text not null,
  list_id text primary key,
  person_id text not null references moderation.people,
  name bytea not null,                       -- sealed with the person's key
  created_at timestamptz not null
);
create index grantee_lists_of_person on moderation.grantee_lists (person_id);
alter table moderation.grantee_lists alter column name set statistics 0;
create table moderation.list_entries (
  org_id text not null,
  entry_id bigint generated always as identity primary key,
  list_id text not null references moderation.grantee_lists,
  creator text not null,
  listed boolean not null,
  created_by text not null,
  created_at timestamptz not null
);
create index list_entries_of_list on moderation.list_entries (list_id, creator, entry_id desc);
create trigger list_entries_append_only before update or delete on moderation.list_entries
  for each row execute function moderation.refuse_change();

-- What a grant covers. Empty `purposes`: any; `limits`: contexts it forbids; `audience`: how far the clip may go.
alter table moderation.grants add column grantee_kind text not null default 'creator'
  check (grantee_kind in ('creator', 'list', 'everyone', 'self'));
alter table moderation.grants disable trigger grants_append_only;
update moderation.grants set grantee_kind = 'everyone' where grantee is null;
alter table moderation.grants enable trigger grants_append_only;
alter table moderation.grants alter column grantee_kind drop default;
alter table moderation.grants add column limits text[] not null default '{}';
alter table moderation.grants add column audience text not null default 'public' check (audience in ('draft', 'public'));
alter table moderation.grants add column remix boolean not null default false;
alter table moderation.grants add column replaces text references moderation.grants;
alter table moderation.grants add constraint grantee_named
  check ((grantee is not null) = (grantee_kind in ('creator', 'list')));
create index grants_of_person on moderation.grants (person_id, grant_id);
create index revocations_of_person on moderation.revocations (person_id, revocation_id);

-- Contexts that a person forbids whatever a grant says; the last row stands.
create table moderation.person_limits (
  org_id text not null,
  limit_id bigint generated always as identity primary key,
  person_id text not null references moderation.people,
  contexts text[] not null,
  created_by text not null,
  created_at timestamptz not null
);
create index person_limits_of_person on moderation.person_limits (person_id, limit_id desc);
create trigger person_limits_append_only before update or delete on moderation.person_limits
  for each row execute function moderation.refuse_change();

-- People who were erased, until the tables that held their vectors were written anew.
create table moderation.erasures (
  org_id text not null,
  person_id text primary key references moderation.people,
  erased_at timestamptz not null,
  rebuilt_at timestamptz
);
create index erasures_waiting on moderation.erasures (erased_at) where rebuilt_at is null;

-- What a clip is for, in the platform's word.
alter table moderation.clips add column purpose text;

insert into moderation.retention values
  ('aliases', 'person'), ('grantee_lists', 'person'), ('list_entries', 'permanent'), ('person_limits', 'permanent'),
  ('erasures', 'permanent');
do $$
declare t text;
begin
  foreach t in array array['aliases', 'grantee_lists', 'list_entries', 'person_limits', 'erasures']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update, delete on moderation.aliases, moderation.grantee_lists to moderation_app;
grant select, insert on moderation.list_entries, moderation.person_limits, moderation.erasures to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
