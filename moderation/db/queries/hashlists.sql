-- name: insert_list
insert into moderation.hash_lists (org_id, list_id, name, category, source, created_at)
values (%(org)s, %(list)s, %(name)s, %(category)s, %(source)s, %(now)s)
on conflict (org_id, name) do nothing returning list_no;

-- name: lists
-- Those of the organisation and of the deployment, by row-level security.
select l.org_id, l.list_id, l.list_no, l.name, l.category, l.source, l.enabled, l.version, l.created_at,
  (select count(*) from moderation.hash_entries e where e.list_no = l.list_no and e.enabled) as entries,
  (select count(*) from moderation.hash_entries e where e.list_no = l.list_no and not e.enabled) as disabled
from moderation.hash_lists l order by l.org_id, l.name;

-- name: own_list
select 1 from moderation.hash_lists where org_id = %(org)s and name = %(name)s;

-- name: change_list
-- Holds the list until the transaction ends: versions are committed in the order they were given out.
update moderation.hash_lists set version = version + 1
where org_id = %(org)s and (list_id = %(list)s or name = %(list)s)
returning list_id, list_no, name, category, version;

-- name: switch_list
update moderation.hash_lists set enabled = %(enabled)s where list_no = %(list_no)s;

-- name: stage_entries
create temporary table staged_entries (kind "char", hash bytea, quality smallint, item text) on commit drop;

-- name: copy_staged
copy staged_entries (kind, hash, quality, item) from stdin;

-- name: merge_staged
-- Sorted, so that the index fills its pages; what the list has already stays as it is, disabled entries too.
insert into moderation.hash_entries (org_id, list_no, version, quality, kind, hash, item)
select %(org)s, %(list_no)s, %(version)s, quality, kind, hash, item
from (select distinct on (kind, hash) kind, hash, quality, item from staged_entries order by kind, hash) s
on conflict (list_no, kind, hash) do nothing;

-- name: switch_entries
update moderation.hash_entries set enabled = %(enabled)s, version = %(version)s
where list_no = %(list_no)s and enabled <> %(enabled)s
  and (hash = any(%(hashes)s) or item = any(%(items)s))
returning 1;

-- name: export_entries
select kind, hash, quality, item from moderation.hash_entries
where list_no = %(list_no)s and enabled order by item nulls first, kind, hash;

-- name: list_of
select list_no, name, category from moderation.hash_lists where list_id = %(list)s or name = %(list)s
order by (org_id = %(org)s) desc, list_no limit 1;

-- name: versions
-- Over all organisations: what a process compares its copy with, at every look-up.
select list_no, org_id, name, category, enabled, version from moderation.hash_lists;

-- name: changed_entries
-- PDQ only; files are looked up by their hash.
copy (select hash, enabled, coalesce(hashtextextended(item, 0) & 9223372036854775807, -1) from moderation.hash_entries
where list_no = %(list_no)s and version > %(after)s and kind = 'p' and quality >= %(quality)s)
to stdout (format binary);

-- name: known_file
select l.name, l.category from moderation.hash_lists l
join moderation.hash_entries e on e.list_no = l.list_no and e.kind = 's' and e.hash = %(hash)s
where l.enabled and e.enabled order by l.category, l.name;

-- name: insert_print
insert into moderation.clip_prints (org_id, clip_id, hashes, body, created_at)
values (%(org)s, %(clip)s, %(hashes)s, %(body)s, %(now)s) on conflict (clip_id) do nothing;

-- name: print_of_clip
select body from moderation.clip_prints where clip_id = %(clip)s;

-- name: latest_prints
-- Over all organisations, the newest of them, oldest first.
select print_no, clip_id, hashes from (
  select print_no, clip_id, hashes from moderation.clip_prints where print_no > %(after)s
  order by print_no desc limit %(limit)s) newest
order by print_no;

-- name: standing_of
select clip_id, status, creator from moderation.clips where clip_id = any(%(clips)s) and erased_at is null;

-- name: insert_answer
insert into moderation.hash_answers (org_id, clip_id, service, body, created_at)
values (%(org)s, %(clip)s, %(service)s, %(body)s, %(now)s) on conflict (clip_id, service) do nothing;

-- name: answers
select service, body from moderation.hash_answers where clip_id = %(clip)s order by service;

-- name: origin_of
select creator, parents from moderation.clips where clip_id = %(clip)s;

-- name: delete_renditions
with p as (delete from moderation.case_renditions where clip_id = %(clip)s)
delete from moderation.renditions where clip_id = %(clip)s;

-- name: sweep_turn
select pg_try_advisory_xact_lock(hashtextextended('hash sweep', 0));

-- name: new_sweeps
insert into moderation.hash_sweeps (org_id, list_no)
select l.org_id, l.list_no from moderation.hash_lists l on conflict (list_no) do nothing;

-- name: forget_sweeps
-- What a list says once it is put in force again is news to every clip that was released meanwhile.
update moderation.hash_sweeps s set done = -1, until = -1 from moderation.hash_lists l
where l.list_no = s.list_no and not l.enabled and s.until <> -1;

-- name: begin_sweeps
update moderation.hash_sweeps s set until = l.version, after_print = 0,
  last_print = (select coalesce(max(print_no), 0) from moderation.clip_prints)
from moderation.hash_lists l
where l.list_no = s.list_no and l.enabled and s.until = s.done and l.version > s.done;

-- name: next_sweep
select s.list_no, l.list_id, s.org_id, l.category, s.done, s.until, s.after_print, s.last_print
from moderation.hash_sweeps s join moderation.hash_lists l using (list_no)
where s.until > s.done order by l.category, s.list_no limit 1;

-- name: prints_to_sweep
-- `listed`: the file itself is among the new entries.
select p.print_no, p.org_id, p.clip_id, exists (
  select 1 from moderation.hash_entries e where e.list_no = %(list_no)s and e.kind = 's' and e.enabled
    and e.version > %(done)s and e.hash = decode(c.content_sha256, 'hex')) as listed, p.body
from moderation.clip_prints p join moderation.clips c using (clip_id)
where p.print_no > %(after)s and p.print_no <= %(last)s and c.status = any(%(states)s)
  and (%(org)s = '*' or p.org_id = %(org)s)
order by p.print_no limit %(limit)s;

-- name: advance_sweep
update moderation.hash_sweeps set after_print = %(after)s where list_no = %(list_no)s;

-- name: end_sweep
update moderation.hash_sweeps set done = %(done)s where list_no = %(list_no)s;
