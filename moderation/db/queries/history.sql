-- name: account
-- What a creator handed in, but for this clip. Released means that a file was, whatever became of it.
select count(*), count(r.clip_id), count(*) filter (where c.status = 'withheld'), min(c.created_at)
from moderation.clips c left join moderation.releases r on r.clip_id = c.clip_id
where c.org_id = %(org)s and c.creator = %(creator)s and c.clip_id <> %(clip)s;

-- name: lineage
-- The clips that this one was made from, each at every distance at which it stands; a circle ends with the generations.
with recursive line (clip_id, depth) as (
  select parent, 1 from unnest(%(parents)s::text[]) parent
  union
  select parent, line.depth + 1
  from line join moderation.clips c on c.clip_id = line.clip_id cross join unnest(c.parents) parent
  where line.depth < %(generations)s
), near (clip_id, depth, far) as (select clip_id, min(depth), max(depth) from line group by clip_id)
select coalesce(max(near.far), 0), count(*) filter (where c.status in ('withdrawn', 'withheld')),
  count(*) filter (where c.clip_id is null),
  count(*) filter (where near.depth = 1 and (
    select (d.body::json -> 'audience' ->> 'no_remix')::boolean from moderation.decisions d
    where d.clip_id = near.clip_id order by d.seq desc limit 1))
from near left join moderation.clips c on c.clip_id = near.clip_id
where near.clip_id <> %(clip)s;

-- name: people_in_ancestors
-- Whom the clips show that this one was made from, at any depth, as far as the registry knows them: what was named, and
-- what its own file says of itself. That it shows the same as another clip makes it no remix of that.
with recursive line (clip_id) as (
  (select unnest(%(parents)s::text[])
  union
  select parent from moderation.lineage where child = %(clip)s and how <> 'copy')
  union
  select l.parent from line join moderation.lineage l on l.child = line.clip_id
)
select distinct a.person_id from line join moderation.appearances a using (clip_id)
where a.how in ('face', 'voice', 'copy');

-- name: ancestors_untold
-- Whether one of the same clips cannot say whom it shows: it was erased, or was never judged.
with recursive line (clip_id) as (
  (select unnest(%(parents)s::text[])
  union
  select parent from moderation.lineage where child = %(clip)s and how <> 'copy')
  union
  select l.parent from line join moderation.lineage l on l.child = line.clip_id
)
select 1 from line join moderation.clips c using (clip_id)
where c.clip_id <> %(clip)s and (c.erased_at is not null
  or not exists (select 1 from moderation.decisions d where d.clip_id = c.clip_id and d.facts_hash is not null))
limit 1;
