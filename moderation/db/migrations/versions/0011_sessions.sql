-- Sessions of people, so that the server can end one; the browser's cookie names its row.
create table moderation.sessions (
  org_id text not null,
  session_id text primary key,
  principal text not null,
  scopes text[] not null,
  method text not null check (method in ('oidc', 'development')),
  began_at timestamptz not null,
  seen_at timestamptz not null,
  ends_at timestamptz not null check (ends_at > began_at),
  ended_at timestamptz,
  ended_why text,
  foreign key (org_id, principal) references moderation.principals
);
create index sessions_standing on moderation.sessions (org_id, principal) where ended_at is null;

-- Who was shut out: no log-in succeeds until they are admitted again.
alter table moderation.principals add column barred_at timestamptz;

insert into moderation.retention values ('sessions', 'operational');

alter table moderation.sessions enable row level security;
create policy own_organisation on moderation.sessions to moderation_app
  using (org_id = moderation.current_org()) with check (org_id = moderation.current_org());
grant select, insert, update, delete on moderation.sessions to moderation_app;

-- What people call a creator whose handle they have no need to know: drawn at random, so that it tells nothing, and
-- gone with the creator's last clip.
create table moderation.creators (
  org_id text not null references moderation.organisations,
  creator text not null,
  pseudonym text not null unique,
  primary key (org_id, creator)
);
create function moderation.new_pseudonym() returns text language sql volatile
  as $$ select 'cr_' || substr(replace(gen_random_uuid()::text, '-', ''), 17) $$;
create function moderation.name_creators() returns trigger language plpgsql
  as $$ begin
    insert into moderation.creators (org_id, creator, pseudonym)
    select org_id, creator, moderation.new_pseudonym()
    from (select distinct org_id, creator from received where creator is not null) as named
    on conflict (org_id, creator) do nothing;
    return null;
  end $$;
create trigger clips_name_creators after insert on moderation.clips
  referencing new table as received for each statement execute function moderation.name_creators();
create function moderation.forget_creator() returns trigger language plpgsql
  as $$ begin
    delete from moderation.creators where org_id = old.org_id and creator = old.creator and not exists (
      select 1 from moderation.clips where org_id = old.org_id and creator = old.creator);
    return null;
  end $$;
create trigger clips_forget_creators after update of creator on moderation.clips for each row
  when (old.creator is distinct from new.creator) execute function moderation.forget_creator();
insert into moderation.creators (org_id, creator, pseudonym)
select org_id, creator, moderation.new_pseudonym()
from (select distinct org_id, creator from moderation.clips where creator is not null) as named;

-- What clips are searched by.
create index clips_by_words on moderation.clips
  using gin (to_tsvector('simple', coalesce(prompt, '') || ' ' || coalesce(title, '')));
create index clips_by_status on moderation.clips (org_id, status, created_at, clip_id);
create index decisions_by_policy on moderation.decisions (org_id, policy_version) where policy_version is not null;
create index decisions_by_person on moderation.decisions (org_id, actor) where actor_kind = 'person';
create index decisions_by_reason on moderation.decisions using gin ((body::jsonb -> 'reasons') jsonb_path_ops);
create index decisions_by_rule on moderation.decisions using gin ((body::jsonb -> 'trace') jsonb_path_ops);

-- Row-level security lets no index be asked by words or by documents, since such questions might tell of rows that are
-- hidden; these ask as the owner, and only of the reader's own organisation.
create function moderation.clips_with_words(words text) returns setof text
  language sql stable security definer set search_path = pg_catalog
  as $$ select clip_id from moderation.clips where org_id = moderation.current_org()
    and to_tsvector('simple', coalesce(prompt, '') || ' ' || coalesce(title, '')) @@ websearch_to_tsquery('simple', words) $$;
create function moderation.clips_with_reason(reasons jsonb) returns setof text
  language sql stable security definer set search_path = pg_catalog
  as $$ select clip_id from moderation.decisions where org_id = moderation.current_org()
    and body::jsonb -> 'reasons' @> reasons $$;
create function moderation.clips_with_rule(rules jsonb) returns setof text
  language sql stable security definer set search_path = pg_catalog
  as $$ select clip_id from moderation.decisions where org_id = moderation.current_org()
    and body::jsonb -> 'trace' @> rules $$;

-- What entries of the audit log are looked up by, read out of their bodies; the chain covers the bodies alone.
alter table moderation.audit_entries
  add column actor text generated always as (body::jsonb ->> 'actor') stored,
  add column action text generated always as (body::jsonb ->> 'action') stored,
  add column subject text generated always as (body::jsonb ->> 'subject') stored,
  add column policy text generated always as (body::jsonb -> 'details' ->> 'policy') stored;
create index audit_entries_by_time on moderation.audit_entries (org_id, at, shard, seq);
create index audit_entries_by_actor on moderation.audit_entries (org_id, actor, at, shard, seq);
create index audit_entries_by_action on moderation.audit_entries (org_id, action, at, shard, seq);
create index audit_entries_by_subject on moderation.audit_entries (org_id, subject, at, shard, seq);
create index audit_entries_by_policy on moderation.audit_entries (org_id, policy, at, shard, seq)
  where policy is not null;

-- What came of walking an organisation's chains: pages warn its leads by the newest.
create table moderation.audit_checks (
  org_id text not null references moderation.organisations,
  check_id bigint generated always as identity primary key,
  checked_by text not null,
  entries bigint not null,
  breaks jsonb not null,
  checked_at timestamptz not null
);
create index audit_checks_newest on moderation.audit_checks (org_id, check_id desc);
create trigger audit_checks_append_only before update or delete on moderation.audit_checks
  for each row execute function moderation.refuse_change();

insert into moderation.retention values ('creators', 'clip'), ('audit_checks', 'permanent');
do $$
declare t text;
begin
  foreach t in array array['creators', 'audit_checks']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, delete on moderation.creators to moderation_app;
grant select, insert on moderation.audit_checks to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
