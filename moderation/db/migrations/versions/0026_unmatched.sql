alter table moderation.lookbacks add column from_templates int not null default 0;

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

insert into moderation.retention_classes values
  ('short_lived', '30 days', 'Templates of who is in no registry, where an operator keeps them: gone sooner as it says.');
insert into moderation.retention values ('unmatched_keeping', 'permanent'), ('unmatched_keys', 'short_lived'),
  ('unmatched_templates', 'short_lived');
do $$
declare t text;
begin
  foreach t in array array['unmatched_keeping', 'unmatched_keys', 'unmatched_templates']
  loop
    execute format('alter table moderation.%I enable row level security', t);
    execute format('create policy own_organisation on moderation.%I to moderation_app
                    using (org_id = moderation.current_org()) with check (org_id = moderation.current_org())', t);
  end loop;
end $$;
grant select, insert, update, delete on moderation.unmatched_keeping, moderation.unmatched_keys,
  moderation.unmatched_templates to moderation_app;
