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

-- What figures look back on.
create index cases_by_arrival on moderation.cases (org_id, created_at) include (queue, effect);
create index cases_by_risk on moderation.cases (org_id, queue, severity desc, deadline, created_at) where state = 'open';
create index decisions_by_time on moderation.decisions (org_id, created_at);
create index decisions_sampled on moderation.decisions (org_id, created_at) where body like '%"sampled":[%';
create index releases_by_time on moderation.releases (org_id, released_at);
create index proofs_by_time on moderation.proofs (org_id, created_at);
create index analyses_by_time on moderation.analyses (org_id, created_at);
create index stages_by_time on moderation.stages (org_id, started_at);

insert into moderation.retention values
  ('golden_cases', 'clip'), ('second_opinions', 'clip'), ('samples', 'clip'), ('trends', 'permanent'),
  ('trend_cases', 'clip');
do $$
declare t text;
begin
  foreach t in array array['golden_cases', 'second_opinions', 'samples', 'trends', 'trend_cases']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert on moderation.golden_cases, moderation.second_opinions, moderation.samples,
  moderation.trend_cases to moderation_app;
grant select, insert, update on moderation.trends to moderation_app;
