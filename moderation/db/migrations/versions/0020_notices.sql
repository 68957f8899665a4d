-- Notices about a clip from outside. Who filed one, and their words, lie sealed apart under a key of the notice's own.
create table moderation.notices (
  org_id text not null references moderation.organisations,
  notice_id text primary key,
  clip_id text not null references moderation.clips,
  kind text not null check (kind in
    ('intimate_image', 'illegal_content', 'likeness', 'rights_holder', 'counter_notice')),
  state text not null default 'open' check (state in ('open', 'upheld', 'rejected')),
  hidden boolean not null,                   -- whether filing it hid the clip
  doubt text check (doubt in ('rejected_before', 'many_of_one_source')),   -- why it hid nothing although its kind does
  joined_to text references moderation.notices,   -- an open notice on the same clip by the same contact
  case_id text references moderation.cases,
  token_hash bytea not null,                 -- SHA-256 of what its sender was handed
  contact_tag bytea,                         -- keyed hashes, to count by; gone with the identity
  source_tag bytea,
  language text not null,
  filed_at timestamptz not null,
  due_at timestamptz not null,
  decided_at timestamptz,
  decision_id text references moderation.decisions,
  check ((state = 'open') = (decided_at is null))
);
create index notices_of_clip on moderation.notices (clip_id, notice_id);
create index notices_open on moderation.notices (filed_at) where state = 'open';
create index notices_of_case on moderation.notices (case_id) where case_id is not null;
create index notices_by_contact on moderation.notices (org_id, contact_tag, filed_at) where contact_tag is not null;
create index notices_by_source on moderation.notices (org_id, source_tag, filed_at) where source_tag is not null;
create index notices_by_time on moderation.notices (org_id, filed_at);

-- Which clips a notice keeps from the public. Until it is lifted no media is served and nothing is released.
create table moderation.clip_stops (
  org_id text not null,
  clip_id text not null references moderation.clips,
  notice_id text primary key references moderation.notices,
  placed_at timestamptz not null,
  lifted_at timestamptz
);
create index clip_stops_standing on moderation.clip_stops (clip_id) where lifted_at is null;

-- Which alarms of a notice's clock rang.
create table moderation.notice_alarms (
  org_id text not null,
  notice_id text not null references moderation.notices,
  after_hours real not null,
  rung_at timestamptz not null,
  primary key (notice_id, after_hours)
);

-- An appeal against a decision, by whoever made the clip or by whoever's notice was rejected.
create table moderation.appeals (
  org_id text not null references moderation.organisations,
  appeal_id text primary key,
  clip_id text not null references moderation.clips,
  appealed text not null references moderation.decisions,
  notice_id text references moderation.notices,   -- empty: by the clip's creator
  state text not null default 'open' check (state in ('open', 'upheld', 'rejected')),
  case_id text references moderation.cases,
  token_hash bytea not null,
  language text not null,
  filed_at timestamptz not null,
  decided_at timestamptz,
  decision_id text references moderation.decisions,
  check ((state = 'open') = (decided_at is null))
);
create unique index one_open_appeal_per_decision on moderation.appeals (appealed) where state = 'open';
create index appeals_of_clip on moderation.appeals (clip_id, appeal_id);
create index appeals_open on moderation.appeals (filed_at) where state = 'open';
create index appeals_of_case on moderation.appeals (case_id) where case_id is not null;
create index appeals_by_time on moderation.appeals (org_id, filed_at);

-- Names, addresses and words of notices and appeals, sealed with a key of their own; destroying the key erases them.
create table moderation.sealed_words (
  org_id text not null references moderation.organisations,
  subject_id text primary key,               -- a notice or an appeal
  wrapped bytea,
  identity bytea,
  words bytea,
  erased_at timestamptz,
  check ((wrapped is null) = (erased_at is not null))
);

insert into moderation.retention values
  ('notices', 'permanent'), ('clip_stops', 'permanent'), ('notice_alarms', 'permanent'), ('appeals', 'permanent'),
  ('sealed_words', 'person');

do $$
declare t text;
begin
  foreach t in array array['notices', 'clip_stops', 'notice_alarms', 'appeals', 'sealed_words'] loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update on moderation.notices, moderation.clip_stops, moderation.appeals, moderation.sealed_words
  to moderation_app;
grant select, insert on moderation.notice_alarms to moderation_app;
