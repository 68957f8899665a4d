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
  revocation_id text primary key references moderation.revocations,
  person_id text not null references moderation.people,
  scope text not null check (scope in ('face', 'voice', 'both')),
  creators text[],                           -- empty: of every creator
  version bigint not null,
  since timestamptz not null
);
create index person_stops_of_person on moderation.person_stops (org_id, person_id);

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
  primary key (revocation_id, clip_id),
  check ((state = 'pending') = (handled_at is null)),
  check ((state = 'purged') = (purged_at is not null))
);
create index revocation_targets_pending on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'pending';
create index revocation_targets_unpurged on moderation.revocation_targets (revocation_id, clip_id)
  where state = 'done' and purge;
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

-- Events that are of no single clip: of a person, a revocation, a notice. Numbered per what they are about.
alter table moderation.events alter column clip_id drop not null;
alter table moderation.events add column about text;
alter table moderation.events add constraint events_have_a_subject check ((clip_id is null) <> (about is null));
create unique index events_of_subject on moderation.events (about, seq) where about is not null;

insert into moderation.lineage (org_id, child, parent, how, found_at)
select c.org_id, c.clip_id, p.clip_id, 'declared', c.created_at
from moderation.clips c cross join unnest(c.parents) named
join moderation.clips p on p.clip_id = named and p.org_id = c.org_id and p.clip_id <> c.clip_id
on conflict do nothing;

insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select c.org_id, c.clip_id, p.person_id, 'declared', 'declared', 0, c.generation, c.created_at
from moderation.clips c cross join unnest(c.cameos) named
join moderation.people p on p.person_id = named and p.org_id = c.org_id
on conflict do nothing;

with latest as (
  select distinct on (clip_id) org_id, clip_id, body::jsonb as body, judged_at
  from moderation.facts order by clip_id, judged_at desc
), seen as (
  select l.clip_id, 'face' as how, near from latest l
    cross join jsonb_array_elements(l.body -> 'faces') face cross join jsonb_array_elements(face -> 'candidates') near
  union all
  select l.clip_id, 'voice', near from latest l
    cross join jsonb_array_elements(coalesce(l.body -> 'voices', '[]')) voice
    cross join jsonb_array_elements(voice -> 'candidates') near
)
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select l.org_id, l.clip_id, p.person_id, s.how,
  case when bool_or(s.near ->> 'state' = 'matched') then 'matched' else 'possible' end,
  coalesce((l.body -> 'people' -> p.person_id ->> 'version')::bigint, 0), c.generation, l.judged_at
from seen s join latest l using (clip_id) join moderation.clips c using (clip_id)
join moderation.people p on p.person_id = s.near ->> 'person' and p.org_id = l.org_id
group by l.org_id, l.clip_id, p.person_id, s.how, l.body, c.generation, l.judged_at
on conflict do nothing;

-- Revocations that were made before there were stops: what their people appear in was not judged since, as far as the
-- versions tell.
insert into moderation.person_stops (org_id, revocation_id, person_id, scope, creators, version, since)
select r.org_id, r.revocation_id, r.person_id, coalesce(g.scope, 'both'),
  case when g.grantee_kind = 'creator' then array[g.grantee] end, p.version, r.created_at
from moderation.revocations r join moderation.people p using (person_id)
left join moderation.grants g on g.grant_id = r.grant_id;

insert into moderation.retention values
  ('appearances', 'clip'), ('lineage', 'permanent'), ('person_stops', 'permanent'),
  ('revocation_targets', 'permanent'), ('revocation_runs', 'permanent');
do $$
declare t text;
begin
  foreach t in array array['appearances', 'lineage', 'person_stops', 'revocation_targets', 'revocation_runs']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update, delete on moderation.appearances to moderation_app;
grant select, insert on moderation.lineage, moderation.person_stops to moderation_app;
grant select, insert, update on moderation.revocation_targets, moderation.revocation_runs to moderation_app;
