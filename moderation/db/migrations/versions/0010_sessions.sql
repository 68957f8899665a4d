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
