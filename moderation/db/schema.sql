-- The whole schema, for reading: the sum of the migrations, which alone are applied (a test compares the two).
-- Every table belongs to an organisation: `org_id` is first, row-level security is on, and the application role
-- sees only the organisation named in `moderation.org`. Decisions, events, grants and the audit chain are append-only.

create schema if not exists moderation;

do $$ begin
  create role moderation_app nologin;
exception when duplicate_object or unique_violation then null;
end $$;
grant moderation_app to current_user;
grant usage on schema moderation to moderation_app;

-- Whose rows a transaction may see. Empty means none.
create function moderation.current_org() returns text language sql stable
  as $$ select nullif(current_setting('moderation.org', true), '') $$;

create function moderation.refuse_change() returns trigger language plpgsql
  as $$ begin raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation'; end $$;

create table moderation.organisations (
  org_id text primary key,
  created_at timestamptz not null default now()
);

-- Who acts: a person or a service. Two-person rules compare principals, not keys.
create table moderation.principals (
  org_id text not null references moderation.organisations,
  principal text not null,
  kind text not null check (kind in ('person', 'service')),
  created_at timestamptz not null default now(),
  barred_at timestamptz,                     -- shut out: no log-in succeeds until they are admitted again
  primary key (org_id, principal)
);

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

create table moderation.api_keys (
  org_id text not null,
  key_id text primary key,
  principal text not null,
  hash bytea not null unique,                -- SHA-256 of the whole key; the key itself is shown once
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  revoked_at timestamptz,
  last_used_at timestamptz,
  foreign key (org_id, principal) references moderation.principals
);

-- Secrets of an organisation, sealed with the deployment's master key: the gallery's rotation seed.
create table moderation.org_secrets (
  org_id text not null references moderation.organisations,
  name text not null,
  sealed bytea not null,
  primary key (org_id, name)
);

create table moderation.clips (
  org_id text not null references moderation.organisations,
  clip_id text primary key,
  status text not null check (status in
    ('received', 'processing', 'held', 'in_review', 'released', 'withheld', 'withdrawn', 'refused')),
  held_cause text,
  retry_at timestamptz,
  holds int not null default 0,
  -- Which run of the workflow owns the clip; a run that finds another number here does nothing.
  generation int not null default 1,
  runner text not null default 'service' check (runner in ('service', 'check')),
  creator text,
  creator_age_band text,
  prompt text,
  title text,
  generator text,
  cameos text[] not null default '{}',
  parents text[] not null default '{}',
  locale text not null default 'en',
  market text,
  visibility text not null default 'public' check (visibility in ('draft', 'public')),
  callback_url text,
  source_url text,
  content_sha256 text,
  content_bytes bigint,
  probe jsonb,
  problem jsonb,
  priority int not null default 1,
  -- What the platform's own classifiers said, by signal; unchecked.
  claims jsonb not null default '{}',
  purpose text,                              -- what it is for, in the platform's word
  retention_class text not null default 'clip',
  erased_at timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  check ((status = 'held') = (held_cause is not null and retry_at is not null))
);
create index clips_held on moderation.clips (retry_at) where status = 'held';
create index clips_checked on moderation.clips (clip_id) where runner = 'check' and status in ('received', 'processing');
create index clips_by_age on moderation.clips (org_id, created_at, clip_id);
create index clips_by_creator on moderation.clips (org_id, creator) where creator is not null;
create index clips_by_words on moderation.clips
  using gin (to_tsvector('simple', coalesce(prompt, '') || ' ' || coalesce(title, '')));
create index clips_by_status on moderation.clips (org_id, status, created_at, clip_id);

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

-- An Idempotency-Key and what it stood for. `clip_id` is empty while the first request is still being received.
create table moderation.idempotency_keys (
  org_id text not null,
  principal text not null,
  key text not null,
  fingerprint text,
  clip_id text references moderation.clips on delete cascade,
  receiver text,
  created_at timestamptz not null,
  touched_at timestamptz not null,
  primary key (org_id, principal, key)
);

-- The 48-bit ids in invisible marks: unique over the whole deployment, whatever the organisation.
create table moderation.mark_payloads (
  payload text primary key check (payload ~ '^[0-9a-f]{12}$'),
  org_id text not null,
  clip_id text not null unique references moderation.clips,
  key_version int not null check (key_version between 0 and 15),
  minted_at timestamptz not null
);

-- One line per stage of a clip's run, for the caller and the reviewer; never read by the pipeline.
create table moderation.stages (
  org_id text not null,
  clip_id text not null references moderation.clips,
  generation int not null,
  stage text not null,
  state text not null check (state in ('running', 'done', 'failed')),
  started_at timestamptz not null,
  finished_at timestamptz,
  cpu_ms int,
  detail jsonb not null default '{}',
  primary key (clip_id, generation, stage)
);

-- What the detectors found. Never holds a template.
create table moderation.analyses (
  org_id text not null,
  clip_id text not null references moderation.clips,
  detectors text not null,                   -- manifest hash
  gallery text not null,                     -- gallery version
  body text not null,                        -- canonical JSON
  created_at timestamptz not null,
  primary key (clip_id, detectors, gallery)
);

create table moderation.renditions (
  org_id text not null,
  clip_id text not null references moderation.clips,
  kind text not null check (kind in ('marked', 'veiled', 'cartoon', 'strip', 'sound') or kind ~ '^still_[0-9]+$'
    or kind ~ '^(revealed_)?face(_[0-9]+){5}$'),
  sha256 text not null,
  blob_key text not null,
  bytes bigint not null,
  report jsonb not null,
  created_at timestamptz not null,
  primary key (clip_id, kind)
);
create index renditions_by_manifest on moderation.renditions ((report ->> 'manifest_id')) where kind = 'marked';

create table moderation.facts (
  org_id text not null,
  clip_id text not null references moderation.clips,
  facts_hash text not null,
  body text not null,                        -- canonical JSON: replay uses this and nothing else
  judged_at timestamptz not null,
  primary key (clip_id, facts_hash)
);

create table moderation.policy_versions (
  org_id text not null,
  version text not null,
  body text not null,                        -- the policy set as canonical JSON, so that old decisions replay
  first_used_at timestamptz not null,
  primary key (org_id, version)
);

create table moderation.decisions (
  org_id text not null,
  decision_id text primary key,
  clip_id text not null references moderation.clips,
  seq int not null,
  outcome text not null check (outcome in ('allow', 'restrict', 'review', 'block')),
  body text not null,                        -- canonical JSON: reasons, notes, audience, queue, trace
  actor_kind text not null check (actor_kind in ('rule', 'person', 'system')),
  actor text not null,
  facts_hash text,
  policy_version text,
  supersedes text references moderation.decisions,
  run text,                                  -- which judgement of which run: a step done twice decides once
  created_at timestamptz not null,
  unique (clip_id, seq),
  unique (clip_id, run)
);
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
create trigger decisions_append_only before update or delete on moderation.decisions
  for each row execute function moderation.refuse_change();
create index decisions_of_people on moderation.decisions (org_id, clip_id, seq) include (outcome)
  where actor_kind = 'person';

-- A policy folder as it was handed in: its texts for ever (rules, cases, guidance), and how far it has come.
create table moderation.policy_bundles (
  org_id text not null references moderation.organisations,
  bundle_id text primary key,
  version text not null,                     -- of its rules, as decisions name it
  texts text not null,                       -- canonical JSON: path -> text
  author text not null,
  note text not null default '',
  state text not null default 'draft' check (state in
    ('draft', 'proposed', 'approved', 'shadow', 'enforcing', 'full', 'retired')),
  proposed_by text,
  approved_by text check (approved_by <> proposed_by and approved_by <> author),
  was_full boolean not null default false,   -- judged every clip once: the pointer may move back to it
  checked jsonb,                             -- what stands against enforcing it, and for which code that was found
  created_at timestamptz not null
);
create index policy_bundles_newest on moderation.policy_bundles (org_id, bundle_id desc);

-- Who did what with a bundle, why, in order.
create table moderation.policy_steps (
  org_id text not null,
  bundle_id text not null references moderation.policy_bundles,
  step_id bigint generated always as identity primary key,
  step text not null,
  actor text not null,
  why text not null default '',
  body jsonb not null default '{}',
  at timestamptz not null
);
create index policy_steps_of_bundle on moderation.policy_steps (bundle_id, step_id);
create trigger policy_steps_append_only before update or delete on moderation.policy_steps
  for each row execute function moderation.refuse_change();

-- Which bundles judge now. `serial` grows with every change of this row and of the emergency rules: who holds compiled
-- rules compares it.
create table moderation.policy_pointers (
  org_id text primary key references moderation.organisations,
  serial bigint not null default 1,
  acting text references moderation.policy_bundles,
  candidate text references moderation.policy_bundles,   -- judges `percent` of the clips, and is judged beside the rest
  percent int not null default 0 check (percent between 0 and 99),
  shadow text references moderation.policy_bundles,      -- is judged beside, never acts
  moved_at timestamptz not null
);

-- Break-glass: rules that one person lays over those in force, for a day at the most.
create table moderation.emergency_rules (
  org_id text not null references moderation.organisations,
  emergency_id text primary key,
  area text not null,
  text text not null,
  why text not null,
  state text not null default 'live' check (state in ('live', 'confirmed', 'ended', 'expired')),
  placed_by text not null,
  placed_at timestamptz not null,
  expires_at timestamptz not null check (expires_at > placed_at and expires_at <= placed_at + interval '24 hours'),
  settled_by text,
  settled_at timestamptz
);
create index emergency_rules_in_force on moderation.emergency_rules (org_id) where state in ('live', 'confirmed');

-- What rules that do not act would have decided of a clip, beside what was decided.
create table moderation.shadow_decisions (
  org_id text not null,
  clip_id text not null references moderation.clips,
  run text not null,                         -- the judgement it stands beside
  base text not null,                        -- the version in shadow, without emergency rules
  version text not null,                     -- the version that judged
  acting_version text not null,
  acting_outcome text not null,
  outcome text not null check (outcome in ('allow', 'restrict', 'review', 'block', 'held', 'failed')),
  same boolean not null,                     -- outcome, reasons and audience alike
  body text,                                 -- canonical JSON, as of a decision
  created_at timestamptz not null,
  primary key (clip_id, run, base)
);
create index shadow_decisions_compared on moderation.shadow_decisions (org_id, base, created_at);

-- Long looks at a bundle (its cases' worth, a backtest) on behalf of somebody. Silent too long, the job is lost.
create table moderation.policy_jobs (
  org_id text not null,
  job_id text primary key,
  bundle_id text not null references moderation.policy_bundles,
  kind text not null check (kind in ('check', 'backtest')),
  state text not null default 'running' check (state in ('running', 'done', 'failed')),
  body jsonb not null default '{}',          -- how far it is; in the end, what came out
  started_by text not null,
  started_at timestamptz not null,
  seen_at timestamptz not null
);

-- A bundle's texts, version and author are for ever; only how far it has come may change.
create function moderation.refuse_rewriting() returns trigger language plpgsql
  as $$ begin
    if (new.org_id, new.bundle_id, new.version, new.texts, new.author, new.note, new.created_at) is distinct from
       (old.org_id, old.bundle_id, old.version, old.texts, old.author, old.note, old.created_at) then
      raise exception 'a policy bundle is never rewritten' using errcode = 'restrict_violation';
    end if;
    return new;
  end $$;
create trigger policy_bundles_fixed before update on moderation.policy_bundles
  for each row execute function moderation.refuse_rewriting();
create trigger policy_bundles_kept before delete on moderation.policy_bundles
  for each row execute function moderation.refuse_change();

-- Every move of a pointer is told to all processes when it is committed.
create function moderation.tell_policies_moved() returns trigger language plpgsql
  as $$ begin perform pg_notify('policies_moved', new.org_id); return null; end $$;
create trigger policy_pointers_moved after insert or update on moderation.policy_pointers
  for each row execute function moderation.tell_policies_moved();

-- Which queues there are and who may be dealt from them. What a figure leaves empty the settings say.
create table moderation.queues (
  org_id text not null references moderation.organisations,
  name text not null check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  rank int not null default 100,             -- where it stands in lists
  specialist boolean not null default false,
  two_person boolean,                        -- whether allow and restrict take two people; empty: the settings say
  hours_per_day real check (hours_per_day >= 0),
  seconds_per_case real check (seconds_per_case > 0),
  patience_s int not null default 86400 check (patience_s > 0),
  second_opinion_rate real not null default 0.05 check (second_opinion_rate between 0 and 1),
  golden_rate real not null default 0.02 check (golden_rate between 0 and 1),
  retired boolean not null default false,
  primary key (org_id, name)
);

create function moderation.give_queues(org text) returns void language sql
  as $$
    insert into moderation.queues (org_id, name, rank, specialist, patience_s)
    select org, shipped.* from (values
      ('known_illegal', 10, true, 86400), ('minor_safety', 20, true, 14400), ('likeness', 30, false, 43200),
      ('explicit', 40, false, 86400), ('rights', 50, false, 86400), ('words', 60, false, 86400),
      ('takedown', 70, false, 86400), ('appeals', 80, false, 86400), ('revocations', 90, false, 86400),
      ('second_opinions', 100, false, 86400), ('failures', 110, false, 86400), ('general', 120, false, 86400),
      ('samples', 130, false, 604800)
    ) as shipped (name, rank, specialist, patience_s)
  $$;
create function moderation.give_new_organisation_queues() returns trigger language plpgsql
  as $$ begin perform moderation.give_queues(new.org_id); return null; end $$;
create trigger organisations_have_queues after insert on moderation.organisations
  for each row execute function moderation.give_new_organisation_queues();

-- Who reviews: known to others by a code name only.
create table moderation.reviewers (
  org_id text not null references moderation.organisations,
  principal text not null,
  code_name text not null,
  queues text[],                             -- empty: every queue their scopes cover
  opted_out text[] not null default '{}',
  preferences jsonb not null default '{}',
  created_at timestamptz not null,
  primary key (org_id, principal),
  unique (org_id, code_name)
);

-- A clip before a person. Its effect is on the clip, or none but the opinion (golden cases, blind second opinions,
-- samples).
create table moderation.cases (
  org_id text not null,
  case_id text primary key,
  clip_id text not null references moderation.clips,
  queue text not null,
  state text not null default 'open' check (state in ('open', 'decided', 'closed')),
  opened_by text not null references moderation.decisions,
  decided_by text references moderation.decisions,
  severity int not null default 0,
  deadline timestamptz not null,
  version int not null default 1,
  lease_token text,
  lease_holder text,
  lease_expires_at timestamptz,
  created_at timestamptz not null,
  decided_at timestamptz,
  source text not null default 'rule' check (source in
    ('rule', 'processing', 'sample', 'second_opinion', 'golden', 'escalation', 'appeal', 'notice', 'revocation', 'trend')),
  effect text not null default 'clip' check (effect in ('clip', 'opinion')),
  -- Whose view is next: the first, a second without the first's opinion, or a third that sees both and decides.
  stage text not null default 'first' check (stage in ('first', 'second', 'third')),
  leased_at timestamptz,
  answered_by text,                          -- the last opinion, which may be undone until `undo_until`
  answered_in int,                           -- the clip's generation at that moment: a clip that went on undoes nothing
  undo_until timestamptz,
  followed_at timestamptz,                   -- when what the answer asks for was done
  constraint cases_queue_known foreign key (org_id, queue) references moderation.queues
);
create unique index one_open_case_per_clip on moderation.cases (clip_id) where state = 'open' and effect = 'clip';
create index cases_to_do on moderation.cases (org_id, queue, deadline, severity desc, created_at) where state = 'open';
create index cases_of_clip on moderation.cases (clip_id);
create index cases_by_age on moderation.cases (org_id, queue, created_at) where state = 'open';
create index cases_leased on moderation.cases (org_id, lease_expires_at) include (queue, lease_holder)
  where state = 'open' and lease_expires_at is not null;
create index cases_done on moderation.cases (org_id, queue, decided_at desc) where state = 'decided';
create index cases_to_follow on moderation.cases (undo_until) where state = 'decided' and followed_at is null;

-- How many cases each queue gained or lost: the sum is what waits. Rows are only added, so that nobody waits for
-- anybody; a sweep adds them up.
create table moderation.queue_changes (
  org_id text not null,
  queue text not null,
  change bigint not null
);
create index queue_changes_by_queue on moderation.queue_changes (org_id, queue) include (change);

create function moderation.count_new_cases() returns trigger language plpgsql
  as $$ begin
    insert into moderation.queue_changes (org_id, queue, change)
    select org_id, queue, count(*) from opened where state = 'open' group by org_id, queue;
    return null;
  end $$;
create trigger cases_counted_in after insert on moderation.cases
  referencing new table as opened for each statement execute function moderation.count_new_cases();
create function moderation.count_moved_case() returns trigger language plpgsql
  as $$ begin
    insert into moderation.queue_changes (org_id, queue, change)
    select moved.* from (values
      (old.org_id, old.queue, case when old.state = 'open' then -1 else 0 end),
      (new.org_id, new.queue, case when new.state = 'open' then 1 else 0 end)) as moved (org_id, queue, change)
    where change <> 0;
    return null;
  end $$;
create trigger cases_counted_over after update of state, queue on moderation.cases for each row
  when (old.state is distinct from new.state or old.queue is distinct from new.queue)
  execute function moderation.count_moved_case();

create table moderation.case_actions (
  org_id text not null,
  case_id text not null references moderation.cases,
  action_id bigint generated always as identity primary key,
  action text not null,
  actor text not null,
  body jsonb not null default '{}',
  at timestamptz not null
);
create index case_actions_of_case on moderation.case_actions (case_id, action_id) include (actor, action);
create trigger case_actions_append_only before update or delete on moderation.case_actions
  for each row execute function moderation.refuse_change();

-- Every answer of a person. Some decide: those name the decision they made.
create table moderation.opinions (
  org_id text not null,
  opinion_id text primary key,
  case_id text not null references moderation.cases,
  clip_id text not null references moderation.clips,
  queue text not null,
  stage text not null,
  reviewer text not null,
  role text not null check (role in
    ('deciding', 'first', 'second', 'third', 'golden', 'sample', 'second_opinion', 'batch', 'overturn')),
  outcome text not null check (outcome in ('allow', 'restrict', 'review', 'block')),   -- review: could not say
  reason text,
  note text not null default '',
  policy_version text,
  language text not null,                    -- of the clip's words
  decision_id text references moderation.decisions,
  derived_from text references moderation.opinions,
  key text,                                  -- the sender's, so that an answer sent twice is recorded once
  opened_at timestamptz not null,
  answered_at timestamptz not null,
  unveiled_ms int not null default 0,
  check ((outcome = 'review') = (reason is null))
);
create unique index opinions_sent_once on moderation.opinions (case_id, reviewer, key) where key is not null;
create index opinions_of_clip on moderation.opinions (clip_id, reviewer);
create index opinions_of_case on moderation.opinions (case_id, opinion_id);
create index opinions_of_reviewer on moderation.opinions (org_id, reviewer, answered_at desc) include (queue);
create index opinions_by_time on moderation.opinions (org_id, answered_at);
create trigger opinions_append_only before update or delete on moderation.opinions
  for each row execute function moderation.refuse_change();

-- Opinions taken back within the undo window: they decide nothing and no figure of quality reads them.
create table moderation.undone_opinions (
  org_id text not null,
  opinion_id text primary key references moderation.opinions,
  undone_at timestamptz not null
);
create trigger undone_opinions_append_only before update or delete on moderation.undone_opinions
  for each row execute function moderation.refuse_change();

-- A decision that turned out to be wrong, in what way, and what stands in its place.
create table moderation.overturns (
  org_id text not null,
  overturn_id text primary key,
  case_id text not null references moderation.cases,
  clip_id text not null references moderation.clips,
  error_class text not null check (error_class in ('false_positive', 'false_negative', 'wrong_policy', 'technical')),
  overturned text not null references moderation.decisions,
  decided_by text not null references moderation.decisions,
  opinion_id text not null references moderation.opinions,
  language text not null,
  overturned_at timestamptz not null
);
create index overturns_by_time on moderation.overturns (org_id, overturned_at);
create index overturns_of_decision on moderation.overturns (overturned);
create trigger overturns_append_only before update or delete on moderation.overturns
  for each row execute function moderation.refuse_change();

-- Clips whose right answer is known, mixed into the queues like any other case.
create table moderation.golden_answers (
  org_id text not null,
  golden_id text primary key,
  clip_id text not null references moderation.clips,
  queue text not null,
  outcome text not null check (outcome in ('allow', 'restrict', 'block')),
  reason text not null,
  policy_version text not null,              -- an answer belongs to the rules it was given under
  why text not null,                         -- the sentence of the policy that makes it right
  added_by text not null,
  added_at timestamptz not null,
  retired_at timestamptz,
  foreign key (org_id, queue) references moderation.queues
);
create index golden_answers_in_use on moderation.golden_answers (org_id, queue) where retired_at is null;

-- Cases on which two people disagreed, to be talked about.
create table moderation.calibration_cases (
  org_id text not null,
  case_id text primary key references moderation.cases,
  clip_id text not null references moderation.clips,
  added_at timestamptz not null,
  settled_by text,
  settled_at timestamptz,
  note text not null default ''
);
create index calibration_cases_open on moderation.calibration_cases (org_id, added_at) where settled_at is null;

-- What is of staff goes when its time is over, and not before.
create function moderation.refuse_early() returns trigger language plpgsql security definer
  set search_path = moderation, pg_temp as $$ begin
    if old.ended_at is null or old.ended_at > now()
        - (select keep from moderation.retention_classes where name = 'exposure') then
      raise exception 'this is append-only until its time is over' using errcode = 'restrict_violation';
    end if;
    return old;
  end $$;

-- How long whom looked at unveiled material, or heard it.
create table moderation.exposures (
  org_id text not null,
  exposure_id bigint generated always as identity primary key,
  principal text not null,
  case_id text not null references moderation.cases,
  clip_id text not null references moderation.clips,
  rendition text not null check (rendition in ('revealed', 'cartoon', 'sound')),
  ms int not null check (ms >= 0),
  severity int not null,
  started_at timestamptz not null,
  ended_at timestamptz not null
);
create index exposures_of_principal on moderation.exposures (org_id, principal, ended_at);
create index exposures_of_case on moderation.exposures (case_id, principal);
create index exposures_by_end on moderation.exposures (ended_at);
create trigger exposures_unchanged before update on moderation.exposures
  for each row execute function moderation.refuse_change();
create trigger exposures_kept before delete on moderation.exposures
  for each row execute function moderation.refuse_early();

-- Which answer a golden case asks for, and beside which case it was mixed in.
create table moderation.golden_cases (
  org_id text not null,
  case_id text primary key references moderation.cases,
  golden_id text not null references moderation.golden_answers,
  beside text not null unique references moderation.cases
);
create index golden_cases_of_answer on moderation.golden_cases (golden_id);
-- A clip has one right answer at a time.
create unique index one_golden_answer_per_clip on moderation.golden_answers (clip_id) where retired_at is null;

-- Decided cases that a second person was asked about, blind.
create table moderation.second_opinions (
  org_id text not null,
  case_id text primary key references moderation.cases,
  of_case text not null unique references moderation.cases
);

-- Released clips that were drawn for an audit, by which rules' samples, and what chance they had of it.
create table moderation.samples (
  org_id text not null,
  case_id text primary key references moderation.cases,
  clip_id text not null references moderation.clips,
  decision_id text not null unique references moderation.decisions,
  rules text[] not null,
  rate double precision not null check (rate > 0 and rate <= 1),
  drawn_at timestamptz not null
);
create index samples_by_time on moderation.samples (org_id, drawn_at);

-- Lots of open cases that look like one: some are drawn and decided singly, and speak for the rest.
create table moderation.trends (
  org_id text not null references moderation.organisations,
  trend_id text primary key,
  queue text not null,
  kind text not null check (kind in ('prompt', 'person', 'rule')),
  key text not null,
  tolerated double precision not null,       -- the share of the rest that may be otherwise
  confidence double precision not null,
  state text not null default 'drawn' check (state in ('drawn', 'decided', 'ended')),
  opened_by text not null,
  opened_at timestamptz not null,
  settled_by text,
  settled_at timestamptz,
  outcome text,
  reason text,
  wrong_at_most int,
  foreign key (org_id, queue) references moderation.queues
);
create index trends_newest on moderation.trends (org_id, queue, opened_at desc);
create table moderation.trend_cases (
  org_id text not null,
  trend_id text not null references moderation.trends,
  case_id text not null references moderation.cases,
  drawn boolean not null,
  primary key (trend_id, case_id)
);
create index trend_cases_of_case on moderation.trend_cases (case_id);

-- What the release gate saw when it re-opened the very bytes to be delivered.
create table moderation.proofs (
  org_id text not null,
  clip_id text not null references moderation.clips,
  sha256 text not null,
  passed boolean not null,
  body jsonb not null,
  created_at timestamptz not null,
  primary key (clip_id, sha256)
);

-- At most one release per clip; a withdrawal is written into it.
create table moderation.releases (
  org_id text not null,
  clip_id text primary key references moderation.clips,
  sha256 text not null,
  blob_key text not null,
  decision_id text not null references moderation.decisions,
  released_at timestamptz not null,
  withdrawn_at timestamptz,
  foreign key (clip_id, sha256) references moderation.proofs (clip_id, sha256)
);

-- PDQ fingerprints of what was released, and sketches of its frames, which parts of a picture are compared with: a mark
-- is believed only where the content matches.
create table moderation.fingerprints (
  org_id text not null,
  clip_id text primary key references moderation.clips,
  body bytea not null,
  created_at timestamptz not null,
  sketches bytea
);

-- Hash lists: fingerprints of pictures and files that must not, or not freely, be published. A list belongs to an
-- organisation, or to the deployment (organisation `*`): then every organisation's clips are compared with it.
create table moderation.hash_lists (
  org_id text not null references moderation.organisations,
  list_id text primary key,
  list_no int generated always as identity unique,
  name text not null,
  category text not null check (category in ('known_illegal', 'takedown', 'works')),
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

-- How far each hash list has been compared with what was released before its hashes were listed.
create table moderation.hash_sweeps (
  org_id text not null,
  list_no int primary key references moderation.hash_lists (list_no),
  done int not null default -1,              -- entries up to this version of the list were compared with every clip
  until int not null default -1,             -- entries up to this version are being compared; `done` when none are
  after_print bigint not null default 0,     -- clips up to this print were compared with them
  last_print bigint not null default 0       -- prints taken later belong to clips that are judged later
);

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

-- A person whose likeness is registered. `version` grows with every grant and revocation; the release gate compares it.
create table moderation.people (
  org_id text not null references moderation.organisations,
  person_id text primary key,
  kind text not null check (kind in ('cameo', 'public_figure', 'rights_holder', 'protected_person')),
  name bytea not null,                       -- sealed with the person's key
  -- Only the grants of who is verified count; who is suspended is recognised all the same.
  state text not null check (state in ('pending', 'verified', 'refused', 'suspended')),
  verification text not null,
  account text,                              -- the platform's own id of them, by which it acts for them
  age_band text check (age_band in ('adult', 'teen')),
  guardian text,                             -- the account of who answers for a teen
  version bigint not null default 1,
  created_at timestamptz not null,
  erased_at timestamptz,
  constraint teens_have_guardians
    check (age_band is distinct from 'teen' or state <> 'verified' or guardian is not null or erased_at is not null),
  line_shift real not null default 0 check (line_shift between -0.1 and 0.05), -- of the match line; below 0: stricter
  same_as text references moderation.people, -- the cameo who a public figure is too: the cameo's grants rule for both
  constraint figures_have_cameos check (same_as is null or (kind = 'public_figure' and same_as <> person_id))
);
create index people_same_as on moderation.people (same_as) where same_as is not null;
create index people_with_lines_of_their_own on moderation.people (org_id, person_id) where line_shift <> 0;
create unique index one_person_per_account on moderation.people (org_id, account)
  where erased_at is null and account is not null;
create index people_in_order on moderation.people (org_id, created_at, person_id) where erased_at is null;
-- The planner's statistics would keep samples of sealed columns and of vectors past a person's erasure.
alter table moderation.people alter column name set statistics 0;

-- One key per person, wrapped by the deployment's master key; destroying it erases what it sealed.
create table moderation.person_keys (
  org_id text not null,
  person_id text primary key references moderation.people,
  wrapped bytea,
  destroyed_at timestamptz,
  check ((wrapped is null) = (destroyed_at is not null))
);
alter table moderation.person_keys alter column wrapped set statistics 0;

-- Other names of a person, in any script.
create table moderation.aliases (
  org_id text not null,
  alias_id text primary key,
  person_id text not null references moderation.people,
  sealed bytea not null,                     -- sealed with the person's key
  created_at timestamptz not null
);
create index aliases_of_person on moderation.aliases (person_id);
alter table moderation.aliases alter column sealed set statistics 0;

create table moderation.templates (
  org_id text not null,
  template_id text primary key,
  person_id text not null references moderation.people,
  model text not null,                       -- NAME@HASH: templates of other weights are compared with nothing
  sealed bytea not null,                     -- the raw vector, sealed with the person's key
  source text not null,                      -- where the picture came from and under which licence
  created_at timestamptz not null
);
create index templates_of_person on moderation.templates (person_id);
alter table moderation.templates alter column sealed set statistics 0;

-- The search index: vectors turned by the organisation's secret rotation. Biometric data all the same.
create table moderation.gallery_vectors (
  org_id text not null,
  template_id text primary key references moderation.templates on delete cascade,
  person_id text not null references moderation.people,
  model text not null,
  vector bytea not null
);
create index gallery_vectors_of_person on moderation.gallery_vectors (person_id);
alter table moderation.gallery_vectors alter column vector set statistics 0;

-- Changes with every edit of the index, so that a judgement knows whether it looked at the current one.
create table moderation.galleries (
  org_id text primary key references moderation.organisations,
  version bigint not null default 1
);

-- Whom each version of a gallery made other than before, so that a process fetches only that.
create table moderation.gallery_changes (
  org_id text not null,
  version bigint not null,
  person_id text not null,
  primary key (org_id, version)
);

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

-- One small picture of a public figure with where it is from, both sealed with the person's key.
create table moderation.portraits (
  org_id text not null,
  person_id text primary key references moderation.people,
  picture bytea not null,                    -- a JPEG, sealed with the person's key
  credit bytea not null,                     -- source and licence, sealed with it too
  kept_at timestamptz not null
);
alter table moderation.portraits alter column picture set statistics 0, alter column credit set statistics 0;

-- Works and characters of rights holders; their pictures are the hash list of each. Names of works lie open.
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
-- What the optional pack's network saw of those pictures: `rows` vectors of float32, by weights that `model` names.
create table moderation.work_vectors (
  org_id text not null,
  work_id text primary key references moderation.works,
  model text not null,
  rows int not null check (rows > 0),
  vectors bytea not null,
  made_at timestamptz not null
);

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

-- Attempts of people to enrol their own likeness: a challenge, at most one recording, what was found, who answered.
create table moderation.enrolments (
  org_id text not null references moderation.organisations,
  enrolment_id text primary key,
  person_id text not null references moderation.people,
  state text not null check (state in
    ('asked', 'received', 'verified', 'uncertain', 'guardian_needed', 'refused', 'expired')),
  challenge jsonb not null,                  -- digits and turns that were asked for
  expires_at timestamptz not null,
  asked_by text not null,
  asked_at timestamptz not null,
  received_at timestamptz,
  recording text,                            -- the sealed recording's blob, empty once it is deleted
  duration_ms int,
  leased_until timestamptz,                  -- until when one worker checks it
  attempts int not null default 0,
  templates bytea,                           -- sealed with the person's key, until the answer is given
  checks jsonb,                              -- each check with its evidence, for staff
  hints text[] not null default '{}',        -- what the caller may be told to do better
  case_id text unique,                       -- when a person must look
  deadline timestamptz,
  checked_at timestamptz,
  answered_by text,
  reason text,
  answered_at timestamptz,
  version int not null default 1
);
create index enrolments_of_person on moderation.enrolments (person_id, asked_at);
create index enrolments_of_caller on moderation.enrolments (org_id, asked_by, asked_at);
create index enrolments_at_work on moderation.enrolments (received_at)
  where state in ('received', 'uncertain', 'guardian_needed');
create index enrolments_recorded on moderation.enrolments (enrolment_id) where recording is not null;
-- The planner's statistics would keep samples of it past a person's erasure.
alter table moderation.enrolments alter column templates set statistics 0;
alter table moderation.enrolments alter column checks set statistics 0;
alter table moderation.enrolments alter column reason set statistics 0;

-- People who were erased, until the tables that held their vectors were written anew.
create table moderation.erasures (
  org_id text not null,
  person_id text primary key references moderation.people,
  erased_at timestamptz not null,
  rebuilt_at timestamptz
);
create index erasures_waiting on moderation.erasures (erased_at) where rebuilt_at is null;

create table moderation.grants (
  org_id text not null,
  grant_id text primary key,
  person_id text not null references moderation.people,
  grantee_kind text not null check (grantee_kind in ('creator', 'list', 'everyone', 'self')),
  grantee text,                              -- a creator, or a list
  scope text not null check (scope in ('face', 'voice', 'both')),
  mode text not null check (mode in ('standing', 'ask_me')),
  purposes text[] not null default '{}',     -- empty: any
  limits text[] not null default '{}',       -- contexts that it forbids
  audience text not null default 'public' check (audience in ('draft', 'public')),
  remix boolean not null default false,
  expires_at timestamptz,
  replaces text references moderation.grants,
  created_by text not null,
  created_at timestamptz not null,
  constraint grantee_named check ((grantee is not null) = (grantee_kind in ('creator', 'list')))
);
create index grants_of_person on moderation.grants (person_id, grant_id);
create trigger grants_append_only before update or delete on moderation.grants
  for each row execute function moderation.refuse_change();

create table moderation.revocations (
  org_id text not null,
  revocation_id text primary key,
  person_id text not null references moderation.people,
  grant_id text references moderation.grants,  -- empty: every grant given so far
  reached jsonb not null,
  created_by text not null,
  created_at timestamptz not null
);
create index revocations_of_person on moderation.revocations (person_id, revocation_id);
create trigger revocations_append_only before update or delete on moderation.revocations
  for each row execute function moderation.refuse_change();

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

-- The outbox: what happened to a clip, numbered per clip, or to something else: a person, a revocation, a notice,
-- numbered per what it is about. `event_id` is the webhook id.
create table moderation.events (
  org_id text not null,
  event_id text primary key,
  clip_id text references moderation.clips,
  seq int not null,
  type text not null,
  body text not null,                        -- canonical JSON, sent as it stands
  created_at timestamptz not null,
  about text,
  unique (clip_id, seq),
  constraint events_have_a_subject check ((clip_id is null) <> (about is null))
);
create unique index events_of_subject on moderation.events (about, seq) where about is not null;
create trigger events_append_only before update or delete on moderation.events
  for each row execute function moderation.refuse_change();

-- Who appears in which clip, as the latest judgement knows it: what a person's reach, their own page and the refusal of
-- media are read from. `version` is the person's at that judgement: an older one than a stop's is refused.
create table moderation.appearances (
  org_id text not null,
  clip_id text not null references moderation.clips,
  person_id text not null references moderation.people,
  how text not null check (how in ('face', 'voice', 'declared', 'inherited', 'copy')),
  state text not null check (state in ('matched', 'possible', 'declared')),
  version bigint not null,
  generation int not null,
  judged_at timestamptz not null,
  primary key (clip_id, person_id, how)
);
create index appearances_of_person on moderation.appearances (org_id, person_id, clip_id);

-- What clips were made from, as far as we know: named, read from the input's mark or manifest, or the same pictures.
create table moderation.lineage (
  org_id text not null,
  child text not null references moderation.clips,
  parent text not null references moderation.clips,
  how text not null check (how in ('declared', 'payload', 'ingredient', 'copy')),
  found_at timestamptz not null,
  primary key (child, parent, how),
  check (child <> parent)
);
create index lineage_downwards on moderation.lineage (org_id, parent, child);

-- From when on clips that show somebody are refused, until they were judged again under a later version of that person.
create table moderation.person_stops (
  org_id text not null,
  stop_id bigint generated always as identity primary key,
  revocation_id text constraint one_stop_per_revocation unique
    references moderation.revocations,       -- empty: stricter limits, a shorter list, a suspension
  person_id text not null references moderation.people,
  scope text not null check (scope in ('face', 'voice', 'both')),
  creators text[],                           -- empty: of every creator
  version bigint not null,
  since timestamptz not null
);
create index person_stops_of_person on moderation.person_stops (org_id, person_id);

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

-- What a revocation reaches, one row a clip, and how far each has come.
create table moderation.revocation_targets (
  org_id text not null,
  revocation_id text not null references moderation.revocations,
  clip_id text not null references moderation.clips,
  why text not null check (why in ('shown', 'possible', 'declared', 'copy', 'descendant')),
  action text not null check (action in ('withdraw', 'rejudge')),
  found_as text not null,                    -- the clip's status when it was listed
  state text not null default 'pending' check (state in ('pending', 'done', 'purged')),
  purge boolean not null default false,      -- its file was out: whoever fetched it has to remove it
  event_id text references moderation.events,
  handled_at timestamptz,
  purged_at timestamptz,
  settled_at timestamptz,                    -- when nothing of it was left to judge: withdrawn, or judged to an end
  primary key (revocation_id, clip_id),
  check ((state = 'pending') = (handled_at is null)),
  check ((state = 'purged') = (purged_at is not null))
);
create index revocation_targets_pending on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'pending';
create index revocation_targets_unpurged on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'done' and purge;
create index revocation_targets_unsettled on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'done' and settled_at is null;
create index revocation_targets_of_event on moderation.revocation_targets (event_id) where event_id is not null;
create index revocation_targets_of_clip on moderation.revocation_targets (clip_id);

-- How far a revocation has been driven. `moved_at` is its last sign of life.
create table moderation.revocation_runs (
  org_id text not null,
  revocation_id text primary key references moderation.revocations,
  run int not null default 1,
  begun_at timestamptz not null,
  listed_at timestamptz,
  handled_at timestamptz,
  completed_at timestamptz,
  moved_at timestamptz not null
);
create index revocation_runs_open on moderation.revocation_runs (moved_at) where completed_at is null;

-- A search of what was judged before somebody registered, for them alone. A clip is counted in the transaction that
-- takes it off `lookback_clips`, or that writes there why it could not be looked at.
create table moderation.lookbacks (
  org_id text not null references moderation.organisations,
  lookback_id text primary key,
  person_id text not null references moderation.people,
  since timestamptz not null,
  until timestamptz not null,
  creator text,
  words text,
  state text not null default 'asked' check (state in ('asked', 'running', 'done', 'cancelled')),
  ended_why text,
  held_cause text,                           -- what is down, while it waits for that
  run int not null default 1,
  clips int not null default 0,              -- in the window: known, looked, unreadable, moved_on and what is left
  named int not null default 0,
  known int not null default 0,
  looked int not null default 0,
  matched int not null default 0,
  possible int not null default 0,
  partly int not null default 0,
  unreadable int not null default 0,
  moved_on int not null default 0,
  cpu_ms bigint not null default 0,
  asked_by text not null,
  asked_at timestamptz not null,
  listed_at timestamptz,
  moved_at timestamptz not null,
  ended_at timestamptz,
  from_templates int not null default 0,     -- of these looks, how many decoded nothing
  check (since < until),
  check ((state in ('done', 'cancelled')) = (ended_at is not null))
);
create unique index one_lookback_under_way on moderation.lookbacks (person_id) where state in ('asked', 'running');
create index lookbacks_of_person on moderation.lookbacks (org_id, person_id, lookback_id);
create index lookbacks_open on moderation.lookbacks (moved_at) where state in ('asked', 'running');

-- Clips that a look back has yet to look at, and those that it could not.
create table moderation.lookback_clips (
  org_id text not null,
  lookback_id text not null references moderation.lookbacks,
  clip_id text not null references moderation.clips,
  named boolean not null default false,      -- its prompt or title names the person
  tries int not null default 0,
  unreadable text,                           -- why; empty: still to be looked at
  primary key (lookback_id, clip_id)
);
create index lookback_clips_next on moderation.lookback_clips (lookback_id, named desc, clip_id desc)
  where unreadable is null;
create index lookback_clips_of_clip on moderation.lookback_clips (clip_id);

-- Short-lived templates of who is in no registry, where an operator keeps them (docs/decisions/0048): on what basis,
-- since when. No row: nothing is kept.
create table moderation.unmatched_keeping (
  org_id text primary key references moderation.organisations,
  legal_basis text not null check (legal_basis <> ''),
  ttl_hours real not null check (ttl_hours > 0 and ttl_hours <= 720),
  since timestamptz not null
);

-- A key for each clip, wrapped by the master key: what it sealed is gone with it.
create table moderation.unmatched_keys (
  org_id text not null,
  clip_id text primary key references moderation.clips,
  wrapped bytea not null
);

-- What was read of a clip's faces and voices, sealed. There is no index over vectors: nobody is searched for by these.
create table moderation.unmatched_templates (
  org_id text not null,
  clip_id text primary key references moderation.clips,
  detectors text not null,
  sealed bytea not null,
  kept_at timestamptz not null,
  expires_at timestamptz not null,
  check (expires_at > kept_at and expires_at <= kept_at + interval '30 days')
);
create index unmatched_templates_by_end on moderation.unmatched_templates (expires_at);
-- The planner keeps no samples of what is sealed.
alter table moderation.unmatched_templates alter column sealed set statistics 0;
alter table moderation.unmatched_keys alter column wrapped set statistics 0;

-- They go in the transaction in which their clip is withheld, withdrawn, refused or erased, comes before specialists,
-- or is seen to show somebody registered.
create function moderation.forget_unmatched() returns trigger language plpgsql
  as $$ begin
    delete from moderation.unmatched_keys where clip_id = new.clip_id;
    delete from moderation.unmatched_templates where clip_id = new.clip_id;
    return null;
  end $$;
create trigger clips_forget_unmatched after update of status, erased_at on moderation.clips for each row
  when (new.status in ('withheld', 'withdrawn', 'refused') or new.erased_at is not null)
  execute function moderation.forget_unmatched();
create trigger appearances_forget_unmatched after insert or update of state on moderation.appearances for each row
  when (new.state = 'matched') execute function moderation.forget_unmatched();
create function moderation.forget_unmatched_of_case() returns trigger language plpgsql
  as $$ begin
    if exists (select 1 from moderation.queues where org_id = new.org_id and name = new.queue and specialist) then
      delete from moderation.unmatched_keys where clip_id = new.clip_id;
      delete from moderation.unmatched_templates where clip_id = new.clip_id;
    end if;
    return null;
  end $$;
create trigger cases_forget_unmatched after insert or update of queue on moderation.cases for each row
  execute function moderation.forget_unmatched_of_case();

create table moderation.webhook_endpoints (
  org_id text not null references moderation.organisations,
  endpoint_id text primary key,
  url text not null,
  secrets bytea not null,                    -- sealed: newest first, older ones until rotated out
  enabled boolean not null default true,
  created_at timestamptz not null,
  deleted_at timestamptz
);

create table moderation.deliveries (
  org_id text not null,
  delivery_id text primary key,
  event_id text not null references moderation.events,
  endpoint_id text references moderation.webhook_endpoints,  -- empty: the clip's own callback_url
  url text not null,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
  attempts int not null default 0,
  next_at timestamptz not null,
  last_status int,
  last_error text,
  delivered_at timestamptz
);
create unique index one_delivery_per_target on moderation.deliveries (event_id, coalesce(endpoint_id, ''));
create index deliveries_due on moderation.deliveries (next_at) where state = 'pending';

-- Hash chains, several per organisation so that writers rarely wait for each other.
create table moderation.audit_heads (
  org_id text not null references moderation.organisations,
  shard int not null,
  seq bigint not null,
  hash text not null,
  primary key (org_id, shard)
);

create table moderation.audit_entries (
  org_id text not null,
  shard int not null,
  seq bigint not null,
  previous text not null,
  hash text not null,                        -- SHA-256 over previous and body
  body text not null,                        -- canonical JSON; personal data only by reference
  at timestamptz not null,
  -- What entries are looked up by, read out of their bodies; the chain covers the bodies alone.
  actor text generated always as (body::jsonb ->> 'actor') stored,
  action text generated always as (body::jsonb ->> 'action') stored,
  subject text generated always as (body::jsonb ->> 'subject') stored,
  policy text generated always as (body::jsonb -> 'details' ->> 'policy') stored,
  primary key (org_id, shard, seq)
);
create index audit_entries_by_time on moderation.audit_entries (org_id, at, shard, seq);
create index audit_entries_by_actor on moderation.audit_entries (org_id, actor, at, shard, seq);
create index audit_entries_by_action on moderation.audit_entries (org_id, action, at, shard, seq);
create index audit_entries_by_subject on moderation.audit_entries (org_id, subject, at, shard, seq);
create index audit_entries_by_policy on moderation.audit_entries (org_id, policy, at, shard, seq)
  where policy is not null;
create trigger audit_entries_append_only before update or delete on moderation.audit_entries
  for each row execute function moderation.refuse_change();

create table moderation.audit_roots (
  org_id text not null,
  root_id bigint generated always as identity primary key,
  body text not null,                        -- canonical JSON of all heads at one instant
  signature bytea not null,                  -- Ed25519 by the deployment's audit key
  at timestamptz not null
);
create trigger audit_roots_append_only before update or delete on moderation.audit_roots
  for each row execute function moderation.refuse_change();

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

-- Personal data the audit log refers to by a random handle; erasing a row breaks no chain.
create table moderation.audit_references (
  org_id text not null references moderation.organisations,
  handle text primary key,
  value text not null,
  created_at timestamptz not null
);
alter table moderation.audit_references alter column value set statistics 0;

create table moderation.legal_holds (
  org_id text not null,
  clip_id text not null references moderation.clips,
  reason text not null,
  placed_by text not null,
  placed_at timestamptz not null,
  lifted_at timestamptz,
  primary key (clip_id, placed_at)
);

-- Which workers serve which queues, and which of their detectors failed their last probe. Rows of the deployment itself.
create table moderation.workers (
  org_id text not null references moderation.organisations,
  worker text primary key,
  queues text[] not null,
  faults jsonb not null,                     -- detector -> what is wrong
  seen_at timestamptz not null,
  policies jsonb not null default '{}'       -- which rules it has in force
);

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
create index breaks_by_end on moderation.breaks (ended_at);
create trigger breaks_kept before delete on moderation.breaks
  for each row execute function moderation.refuse_early();

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

-- Notices about a clip from outside. Who filed one, and their words, lie sealed apart under a key of the notice's own.
create table moderation.notices (
  org_id text not null references moderation.organisations,
  notice_id text primary key,
  clip_id text not null references moderation.clips,
  kind text not null check (kind in
    ('intimate_image', 'illegal_content', 'likeness', 'rights_holder', 'counter_notice')),
  state text not null default 'open' check (state in ('open', 'upheld', 'rejected', 'gone')),
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
  state text not null default 'open' check (state in ('open', 'upheld', 'rejected', 'gone')),
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

-- What figures look back on.
create index cases_by_arrival on moderation.cases (org_id, created_at) include (queue, effect);
create index cases_by_risk on moderation.cases (org_id, queue, severity desc, deadline, created_at) where state = 'open';
create index decisions_by_time on moderation.decisions (org_id, created_at);
create index decisions_sampled on moderation.decisions (org_id, created_at) where body like '%"sampled":[%';
create index releases_by_time on moderation.releases (org_id, released_at);
create index proofs_by_time on moderation.proofs (org_id, created_at);
create index analyses_by_time on moderation.analyses (org_id, created_at);
create index stages_by_time on moderation.stages (org_id, started_at);

-- How long each kind of thing is kept, and which class each table and blob prefix belongs to.
create table moderation.retention_classes (
  name text primary key,
  keep interval,                             -- empty: until the thing it belongs to goes
  description text not null
);
create table moderation.retention (
  thing text primary key,                    -- a table's name, or `blob:` and a prefix
  class text not null references moderation.retention_classes
);

insert into moderation.retention_classes values
  ('permanent', null, 'Kept while the deployment lives: keys, policies, the audit chain, mark ids.'),
  ('clip', null, 'Goes when the clip is deleted by its platform and no legal hold stands.'),
  ('upload', '30 days', 'The bytes as they were uploaded, once the clip reached its end.'),
  ('rendition', '30 days', 'Veiled renditions for reviewers, once the case is decided.'),
  ('evidence', '1 year', 'Sealed known-illegal material, preserved as the law asks.'),
  ('personal', '1 hour', 'Renditions that bear a reviewer''s code, once the case is decided.'),
  ('operational', '30 days', 'Idempotency keys, stages, deliveries.'),
  ('exposure', '180 days', 'How long whom looked at what unveiled, and who took a break when.'),
  ('person', null, 'Goes with the person: erased on request, keys first.'),
  ('recording', '7 days', 'Sealed recordings of enrolments: until the answer, and no longer than this.'),
  ('short_lived', '30 days', 'Templates of who is in no registry, where an operator keeps them: gone sooner as it says.');

insert into moderation.retention values
  ('organisations', 'permanent'), ('principals', 'permanent'), ('sessions', 'operational'), ('creators', 'clip'),
  ('audit_checks', 'permanent'), ('api_keys', 'permanent'), ('org_secrets', 'permanent'),
  ('clips', 'clip'), ('idempotency_keys', 'operational'), ('mark_payloads', 'permanent'), ('stages', 'operational'),
  ('analyses', 'clip'), ('renditions', 'clip'), ('facts', 'clip'), ('policy_versions', 'permanent'),
  ('policy_bundles', 'permanent'), ('policy_steps', 'permanent'), ('policy_pointers', 'permanent'),
  ('emergency_rules', 'permanent'), ('policy_jobs', 'operational'), ('shadow_decisions', 'clip'),
  ('queues', 'permanent'), ('reviewers', 'permanent'), ('queue_changes', 'permanent'), ('opinions', 'permanent'),
  ('undone_opinions', 'permanent'), ('overturns', 'permanent'), ('golden_answers', 'permanent'),
  ('calibration_cases', 'clip'), ('exposures', 'exposure'),
  ('golden_cases', 'clip'), ('second_opinions', 'clip'), ('samples', 'clip'), ('trends', 'permanent'),
  ('trend_cases', 'clip'),
  ('decisions', 'permanent'), ('cases', 'clip'), ('case_actions', 'clip'), ('proofs', 'clip'), ('releases', 'clip'),
  ('fingerprints', 'clip'), ('hash_lists', 'permanent'), ('hash_entries', 'permanent'), ('clip_prints', 'clip'),
  ('hash_sweeps', 'operational'),
  ('hash_answers', 'clip'), ('people', 'person'), ('person_keys', 'person'), ('aliases', 'person'),
  ('grantee_lists', 'person'), ('list_entries', 'permanent'), ('person_limits', 'permanent'), ('erasures', 'permanent'),
  ('enrolments', 'person'), ('blob:recording', 'recording'),
  ('templates', 'person'), ('gallery_vectors', 'person'), ('galleries', 'permanent'), ('grants', 'permanent'),
  ('gallery_changes', 'permanent'), ('imported_people', 'person'), ('imported_pictures', 'person'), ('portraits', 'person'),
  ('works', 'permanent'), ('work_vectors', 'permanent'),
  ('revocations', 'permanent'), ('appearances', 'clip'), ('lineage', 'permanent'), ('person_stops', 'permanent'),
  ('revocation_targets', 'permanent'), ('revocation_runs', 'permanent'), ('events', 'permanent'), ('webhook_endpoints', 'permanent'),
  ('deliveries', 'operational'), ('workers', 'operational'), ('audit_heads', 'permanent'), ('audit_entries', 'permanent'),
  ('audit_roots', 'permanent'), ('audit_references', 'person'), ('legal_holds', 'permanent'),
  ('retention_classes', 'permanent'), ('retention', 'permanent'),
  ('blob:upload', 'upload'), ('blob:marked', 'clip'), ('blob:veiled', 'rendition'), ('blob:sealed', 'evidence'),
  ('notices', 'permanent'), ('clip_stops', 'permanent'), ('notice_alarms', 'permanent'), ('appeals', 'permanent'),
  ('sealed_words', 'person'),
  ('reveals', 'operational'), ('breaks', 'exposure'), ('case_renditions', 'personal'), ('blob:personal', 'personal'),
  ('questions', 'permanent'), ('consent_answers', 'permanent'), ('passkeys', 'person'), ('owner_links', 'person'),
  ('owner_sessions', 'operational'), ('lookbacks', 'person'), ('lookback_clips', 'clip'), ('removal_wishes', 'clip'),
  ('unmatched_keeping', 'permanent'), ('unmatched_keys', 'short_lived'), ('unmatched_templates', 'short_lived');

-- Row-level security on every table that has an organisation.
do $$
declare t record;
begin
  for t in select c.table_name from information_schema.columns c
           where c.table_schema = 'moderation' and c.column_name = 'org_id' loop
    execute format('alter table moderation.%I enable row level security', t.table_name);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())',
                   t.table_name);
  end loop;
end $$;

-- Everybody reads the deployment's lists; only who acts for the deployment writes them.
create policy of_the_deployment on moderation.hash_lists for select to moderation_app using (org_id = '*');
create policy of_the_deployment on moderation.hash_entries for select to moderation_app using (org_id = '*');

grant select, insert, update, delete on all tables in schema moderation to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
revoke update, delete, truncate on moderation.decisions, moderation.case_actions, moderation.events, moderation.grants,
  moderation.revocations, moderation.audit_entries, moderation.audit_roots from moderation_app;
revoke update, delete on moderation.list_entries, moderation.person_limits, moderation.erasures from moderation_app;
revoke update, delete on moderation.gallery_changes from moderation_app;
revoke delete on moderation.works from moderation_app;
revoke delete on moderation.hash_lists, moderation.hash_entries from moderation_app;
revoke delete on moderation.policy_bundles, moderation.policy_pointers, moderation.emergency_rules from moderation_app;
revoke update, delete on moderation.policy_steps from moderation_app;
revoke delete on moderation.breaks from moderation_app;
revoke delete on moderation.queues, moderation.reviewers, moderation.golden_answers, moderation.calibration_cases
  from moderation_app;
revoke update, delete on moderation.queue_changes, moderation.opinions, moderation.undone_opinions, moderation.overturns,
  moderation.exposures from moderation_app;
revoke update, delete on moderation.golden_cases, moderation.second_opinions, moderation.samples,
  moderation.trend_cases from moderation_app;
revoke delete on moderation.trends from moderation_app;
revoke update, delete on moderation.lineage, moderation.person_stops from moderation_app;
revoke delete on moderation.revocation_targets, moderation.revocation_runs from moderation_app;
revoke delete on moderation.lookbacks from moderation_app;
revoke update on moderation.removal_wishes from moderation_app;
revoke delete on moderation.notices, moderation.clip_stops, moderation.appeals, moderation.sealed_words
  from moderation_app;
revoke update, delete on moderation.notice_alarms from moderation_app;
revoke update on moderation.creators from moderation_app;
revoke update, delete on moderation.audit_checks from moderation_app;
revoke update, delete on moderation.questions, moderation.consent_answers from moderation_app;
revoke insert, update, delete on moderation.retention, moderation.retention_classes from moderation_app;

-- `*` is the deployment itself: it owns hash lists that hold for every organisation, and an audit chain of its own.
insert into moderation.organisations (org_id) values ('default'), ('*');
insert into moderation.galleries (org_id) values ('default');
