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
select moderation.give_queues(org_id) from moderation.organisations;
insert into moderation.queues (org_id, name, specialist)
select distinct org_id, queue, true from moderation.cases on conflict do nothing;

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

-- A case's effect: on its clip, or none but the opinion (golden cases, blind second opinions, samples).
alter table moderation.cases
  add column source text not null default 'rule' check (source in
    ('rule', 'processing', 'sample', 'second_opinion', 'golden', 'escalation', 'appeal', 'notice', 'revocation', 'trend')),
  add column effect text not null default 'clip' check (effect in ('clip', 'opinion')),
  -- Whose view is next: the first, a second without the first's opinion, or a third that sees both and decides.
  add column stage text not null default 'first' check (stage in ('first', 'second', 'third')),
  add column leased_at timestamptz,
  add column answered_by text,               -- the last opinion, which may be undone until `undo_until`
  add column answered_in int,                -- the clip's generation at that moment: a clip that went on undoes nothing
  add column undo_until timestamptz,
  add column followed_at timestamptz,        -- when what the answer asks for was done
  add constraint cases_queue_known foreign key (org_id, queue) references moderation.queues;
update moderation.cases set followed_at = decided_at where state = 'decided';
drop index moderation.one_open_case_per_clip;
create unique index one_open_case_per_clip on moderation.cases (clip_id) where state = 'open' and effect = 'clip';
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
insert into moderation.queue_changes (org_id, queue, change)
select org_id, queue, count(*) from moderation.cases where state = 'open' group by org_id, queue;

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
create trigger exposures_append_only before update or delete on moderation.exposures
  for each row execute function moderation.refuse_change();

insert into moderation.retention values
  ('queues', 'permanent'), ('reviewers', 'permanent'), ('queue_changes', 'permanent'), ('opinions', 'permanent'),
  ('undone_opinions', 'permanent'), ('overturns', 'permanent'),
  ('golden_answers', 'permanent'), ('calibration_cases', 'clip'), ('exposures', 'permanent');
do $$
declare t text;
begin
  foreach t in array array['queues', 'reviewers', 'queue_changes', 'opinions', 'undone_opinions', 'overturns',
                           'golden_answers', 'calibration_cases', 'exposures']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update on moderation.queues, moderation.reviewers, moderation.golden_answers,
  moderation.calibration_cases to moderation_app;
grant select, insert on moderation.queue_changes, moderation.opinions, moderation.undone_opinions,
  moderation.overturns, moderation.exposures to moderation_app;
grant usage on all sequences in schema moderation to moderation_app;
