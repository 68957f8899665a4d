-- What is asked of a person whose grant says `ask_me`: one row for each clip and scope, whatever becomes of it.
create table moderation.questions (
  org_id text not null references moderation.organisations,
  question_id text primary key,
  person_id text not null references moderation.people,
  clip_id text not null references moderation.clips,
  scope text not null check (scope in ('face', 'voice')),
  asked_at timestamptz not null,
  due_at timestamptz not null check (due_at > asked_at),
  unique (person_id, clip_id, scope)
);
create index questions_of_clip on moderation.questions (clip_id);
create index questions_by_due on moderation.questions (due_at);
create trigger questions_append_only before update or delete on moderation.questions
  for each row execute function moderation.refuse_change();

-- A person's passkeys: public halves only.
create table moderation.passkeys (
  org_id text not null references moderation.organisations,
  passkey_id text primary key,
  person_id text not null references moderation.people,
  credential bytea not null unique,
  public_key bytea not null,                 -- COSE
  sign_count bigint not null,
  created_at timestamptz not null,
  used_at timestamptz,
  removed_at timestamptz
);
create index passkeys_of_person on moderation.passkeys (person_id) where removed_at is null;

-- What the person said, once; what a passkey signed is kept whole, so that it can be checked for ever. Silence is a no.
create table moderation.consent_answers (
  org_id text not null,
  question_id text primary key references moderation.questions,
  answer text not null check (answer in ('yes', 'no', 'silence')),
  passkey_id text references moderation.passkeys,
  signed jsonb,
  answered_at timestamptz not null,
  check ((answer = 'silence') = (passkey_id is null)),
  check ((passkey_id is null) = (signed is null))
);
create trigger consent_answers_append_only before update or delete on moderation.consent_answers
  for each row execute function moderation.refuse_change();

-- Links that open a person's own page: once, and not for long. The link itself is shown once.
create table moderation.owner_links (
  org_id text not null references moderation.organisations,
  link_id text primary key,
  person_id text not null references moderation.people,
  hash bytea not null unique,                -- SHA-256 of the link's secret
  made_by text not null,
  on_behalf_of text,                         -- the account at the platform, as the platform names it
  created_at timestamptz not null,
  expires_at timestamptz not null,
  used_at timestamptz
);

-- Sessions of people on their own page; no reviewer's, no key's.
create table moderation.owner_sessions (
  org_id text not null references moderation.organisations,
  session_id text primary key,
  person_id text not null references moderation.people,
  method text not null check (method in ('link', 'passkey')),
  hash bytea not null unique,                -- SHA-256 of the cookie
  challenge bytea unique,                    -- what a passkey signed to begin it: that signature begins no other
  began_at timestamptz not null,
  seen_at timestamptz not null,
  ends_at timestamptz not null,
  ended_at timestamptz
);
create index owner_sessions_standing on moderation.owner_sessions (person_id) where ended_at is null;

insert into moderation.retention values
  ('questions', 'permanent'), ('consent_answers', 'permanent'), ('passkeys', 'person'), ('owner_links', 'person'),
  ('owner_sessions', 'operational');
do $$
declare t text;
begin
  foreach t in array array['questions', 'consent_answers', 'passkeys', 'owner_links', 'owner_sessions']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert on moderation.questions, moderation.consent_answers to moderation_app;
grant select, insert, update, delete on moderation.passkeys, moderation.owner_links, moderation.owner_sessions
  to moderation_app;
