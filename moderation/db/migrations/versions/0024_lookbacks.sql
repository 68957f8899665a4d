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

insert into moderation.retention values ('lookbacks', 'person'), ('lookback_clips', 'clip');
do $$
declare t text;
begin
  foreach t in array array['lookbacks', 'lookback_clips']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update on moderation.lookbacks to moderation_app;
grant select, insert, update, delete on moderation.lookback_clips to moderation_app;
