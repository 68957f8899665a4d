-- name: insert_edges
-- Only clips of this organisation are joined; what else is named stays a fact of the submission.
insert into moderation.lineage (org_id, child, parent, how, found_at)
select org_id, %(child)s, clip_id, %(how)s, %(now)s
from moderation.clips where clip_id = any(%(parents)s) and clip_id <> %(child)s
on conflict do nothing;

-- name: parents
select parent, how from moderation.lineage where child = %(clip)s order by parent, how;

-- name: clip_of_manifest
select org_id, clip_id from moderation.renditions
where kind = 'marked' and report ->> 'manifest_id' = %(manifest)s limit 1;

-- name: tree
-- A page of what a clip was made from (or, with `down`, of what was made from it), nearest generation first, each clip
-- once, where it first stands: one row a generation holds all that was met, so a circle finds nothing new.
with recursive level (generation, frontier, seen) as (
  select 0, array[%(clip)s::text], array[%(clip)s::text]
  union all
  select level.generation + 1, further.clips, level.seen || further.clips
  from level cross join lateral (
    select array_agg(e.far) as clips
    from ((
      select l.child as far from unnest(level.frontier) near (clip_id)
      join moderation.lineage l on l.parent = near.clip_id where %(down)s
      union all
      select l.parent from unnest(level.frontier) near (clip_id)
      join moderation.lineage l on l.child = near.clip_id where not %(down)s
    ) except select unnest(level.seen)) e
  ) further
  where further.clips is not null and level.generation < %(generations)s and cardinality(level.seen) <= %(most)s
), size as (
  select coalesce(sum(cardinality(frontier)) filter (where generation > 0), 0)::int as clips,
    max(generation) as generations,
    max(generation) < %(generations)s and max(cardinality(seen)) <= %(most)s as whole
  from level
), page as (
  select clip_id, generation from level cross join lateral unnest(frontier) here (clip_id)
  where generation > 0 and (generation, clip_id) > (%(generation)s, %(after)s)
  order by generation, clip_id limit %(limit)s
)
select size.clips, size.generations, size.whole, page.clip_id, page.generation, c.status, (
  select coalesce(jsonb_agg(jsonb_build_array(e.near, e.how) order by e.near, e.how), '[]') from (
    select l.parent as near, l.how from moderation.lineage l
    where %(down)s and l.child = page.clip_id and l.parent = any(nearer.frontier)
    union all
    select l.child, l.how from unnest(nearer.frontier) known (clip_id)
    join moderation.lineage l on l.child = known.clip_id and l.parent = page.clip_id where not %(down)s
    order by 1, 2 limit %(edges)s) e) as edges
from size left join page on true
left join level nearer on nearer.generation = page.generation - 1
left join moderation.clips c on c.clip_id = page.clip_id
order by page.generation, page.clip_id;

-- name: unknown_parents
select parent from unnest(%(parents)s::text[]) named (parent)
where not exists (select 1 from moderation.clips c where c.clip_id = parent) order by parent;
