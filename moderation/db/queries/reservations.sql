-- name: wish
insert into moderation.removal_wishes (org_id, clip_id, person_id, wished_by, wished_at)
values (%(org)s, %(clip)s, %(person)s, %(by)s, %(now)s);

-- name: wishes
-- Who asked to be out of a clip, and when last.
select person_id, max(wished_at) from moderation.removal_wishes where clip_id = %(clip)s
group by person_id order by person_id;

-- name: copied
-- Whom clips with the same pictures show, in which ways there, and in which here. Who is in the copy of a clip that was
-- erased meanwhile is told by the row that is kept of them. A figure's own cameo is wherever the figure is.
with recursive same (clip_id) as (
  select parent from moderation.lineage where child = %(clip)s and how = 'copy'
  union
  select l.parent from same join moderation.lineage l on l.child = same.clip_id and l.how = 'copy'
), shown (person_id, how, state) as (
  select a.person_id, a.how, a.state from same join moderation.appearances a using (clip_id)
  where a.how in ('face', 'voice', 'copy') and same.clip_id <> %(clip)s
  union all
  select person_id, how, state from moderation.appearances where clip_id = %(clip)s and how = 'copy'
)
select person_id, bool_or(state = 'matched') as matched, array_agg(distinct how order by how) as there, coalesce((
    select array_agg(mine.how order by mine.how) from moderation.appearances mine
    where mine.clip_id = %(clip)s and mine.person_id = shown.person_id and mine.how in ('face', 'voice')), '{}') as here
from (select p.person_id, s.how, s.state from shown s join moderation.people f using (person_id)
  join moderation.people p on p.person_id in (f.person_id, f.same_as)) as shown
group by person_id order by person_id;

-- name: lessened_of
-- When each of these people last consented to less of what a clip's creator makes, wherever they are in it.
select p.person_id, max(s.since) from moderation.people p
join moderation.person_stops s on s.person_id in (p.person_id, p.same_as)
where p.person_id = any(%(people)s) and (s.creators is null
  or s.creators @> array[(select creator from moderation.clips where clip_id = %(clip)s)])
group by p.person_id;
