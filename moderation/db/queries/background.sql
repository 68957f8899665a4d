-- name: ancestors
-- The clips that one was made from, nearest first, each where it first stands; a circle ends with the generations.
with recursive line (clip_id, depth) as (
  select parent, 1 from unnest(%(parents)s::text[]) parent
  union
  select parent, line.depth + 1
  from line join moderation.clips c on c.clip_id = line.clip_id cross join unnest(c.parents) parent
  where line.depth < %(generations)s
)
select line.clip_id, min(line.depth) as generation, c.status,
  (select k.case_id from moderation.cases k where k.clip_id = line.clip_id order by k.created_at desc limit 1) as case_id
from line left join moderation.clips c on c.clip_id = line.clip_id
where line.clip_id <> %(clip)s
group by line.clip_id, c.status order by generation, line.clip_id limit %(most)s;

-- name: permissions
-- What counts, as `consent.stand` weighs it, of what was granted to this creator or to everybody, newest first: of each
-- person concerned the grants of the record that rules for them, if all that stand for them are verified, and of the
-- young none to everybody. A name is never read.
select p.person_id as person, p.kind, g.scope, g.mode, g.purposes, g.grantee_kind <> 'everyone' as personal,
  g.created_at as since, g.expires_at as until,
  exists (select 1 from moderation.revocations r where r.person_id = g.person_id
    and (r.grant_id = g.grant_id or (r.grant_id is null and r.created_at >= g.created_at))) as revoked
from moderation.people p join moderation.people h on h.person_id = coalesce(p.same_as, p.person_id)
join moderation.grants g on g.person_id = h.person_id
where p.person_id = any(%(people)s) and (p.state, h.state) = ('verified', 'verified')
  and p.erased_at is null and h.erased_at is null and case g.grantee_kind
    when 'everyone' then 'teen' not in (coalesce(p.age_band, ''), coalesce(h.age_band, ''))
    when 'creator' then g.grantee = %(creator)s
    when 'self' then h.account = %(creator)s
    else (select e.listed from moderation.list_entries e where e.list_id = g.grantee and e.creator = %(creator)s
          order by e.entry_id desc limit 1)
  end
order by g.created_at desc, g.grant_id, p.person_id limit %(most)s;
