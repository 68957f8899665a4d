-- name: lines
-- What staff see beside each person: live grants, clips that are out and show them, when they were last recognised.
select p.person_id,
  (select count(*) from moderation.grants g where g.person_id = p.person_id
    and (g.expires_at is null or g.expires_at > %(now)s)
    and not exists (select 1 from moderation.revocations r where r.person_id = g.person_id
      and (r.grant_id = g.grant_id or (r.grant_id is null and r.created_at >= g.created_at)))) as grants,
  (select count(distinct a.clip_id) from moderation.appearances a join moderation.clips c using (clip_id)
    where a.person_id = p.person_id and a.state = 'matched' and c.status = 'released') as circulating,
  (select max(a.judged_at) from moderation.appearances a
    where a.person_id = p.person_id and a.state = 'matched') as last_match_at
from unnest(%(people)s::text[]) as p (person_id);

-- name: generations
-- How many clips were made from those that show somebody, by distance; who is in a circle is counted once.
with recursive line (clip_id, distance) as (
  select distinct clip_id, 0 from moderation.appearances where person_id = %(person)s and state = 'matched'
  union
  select l.child, line.distance + 1 from line join moderation.lineage l on l.parent = line.clip_id
  where line.distance < %(most)s
), nearest (clip_id, distance) as (select clip_id, min(distance) from line group by clip_id)
select n.distance as generation, count(*) as clips, count(*) filter (where c.status = 'released') as released
from nearest n join moderation.clips c using (clip_id) group by n.distance order by n.distance;

-- name: doubts
-- Clips of which it is not sure whom they show, with everybody it may be.
select a.clip_id, c.status, array_agg(distinct a.person_id order by a.person_id) as people
from moderation.appearances a join moderation.clips c using (clip_id)
where a.how in ('face', 'voice') and a.state = 'possible' and c.status in ('released', 'in_review')
  and a.clip_id in (select clip_id from moderation.appearances where person_id = %(person)s and state = 'possible'
    order by clip_id desc limit %(limit)s)
group by a.clip_id, c.status order by a.clip_id desc limit %(limit)s;

-- name: pseudonyms
select c.clip_id, n.pseudonym from moderation.clips c
join moderation.creators n on n.org_id = c.org_id and n.creator = c.creator where c.clip_id = any(%(clips)s);

-- name: claims
-- Notices and appeals about clips that show a person or may; not whose they are.
with shown as (select distinct clip_id from moderation.appearances where person_id = %(person)s)
select notice_id as claim_id, kind, state, clip_id, case_id, filed_at
from moderation.notices where clip_id in (select clip_id from shown)
union all
select appeal_id, 'appeal', state, clip_id, case_id, filed_at
from moderation.appeals where clip_id in (select clip_id from shown)
order by filed_at desc, claim_id limit %(most)s;
