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

-- Which rules each worker has in force.
alter table moderation.workers add column policies jsonb not null default '{}';

insert into moderation.retention values
  ('policy_bundles', 'permanent'), ('policy_steps', 'permanent'), ('policy_pointers', 'permanent'),
  ('emergency_rules', 'permanent'), ('policy_jobs', 'operational'), ('shadow_decisions', 'clip');
do $$
declare t text;
begin
  foreach t in array array['policy_bundles', 'policy_steps', 'policy_pointers', 'emergency_rules', 'policy_jobs', 'shadow_decisions']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update on moderation.policy_bundles, moderation.policy_pointers, moderation.emergency_rules
  to moderation_app;
grant select, insert, update, delete on moderation.policy_jobs to moderation_app;
grant select, insert on moderation.policy_steps to moderation_app;
grant select, insert, update, delete on moderation.shadow_decisions to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
