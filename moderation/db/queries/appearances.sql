-- name: declare_people
-- What a submission says of whom it shows, until a judgement knows more.
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select org_id, %(clip)s, person_id, 'declared', 'declared', 0, %(generation)s, %(now)s
from moderation.people where person_id = any(%(people)s)
on conflict do nothing;

-- name: forget_appearances
-- But for whom a clip shows as the copy of one that was erased since: nothing else remembers it.
delete from moderation.appearances where clip_id = %(clip)s and not (how = 'copy' and exists (
  select 1 from moderation.lineage l join moderation.clips c on c.clip_id = l.parent
  where l.child = %(clip)s and l.how = 'copy' and c.erased_at is not null));

-- name: insert_appearances
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select p.org_id, %(clip)s, p.person_id, s.how, s.state, s.version, %(generation)s, %(now)s
from unnest(%(people)s::text[], %(hows)s::text[], %(states)s::text[], %(versions)s::bigint[])
  as s (person_id, how, state, version)
join moderation.people p using (person_id);

-- name: note_found
-- Judged under no version of the person: a stop of theirs holds at once.
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select p.org_id, %(clip)s, p.person_id, s.how, s.state, 0, %(generation)s, %(now)s
from unnest(%(hows)s::text[], %(states)s::text[]) as s (how, state) join moderation.people p on p.person_id = %(person)s
on conflict (clip_id, person_id, how) do update set state = excluded.state
where appearances.state = 'possible' and excluded.state = 'matched'
returning how;

-- name: insert_copied
-- Whose face clips with the same pictures show, copied at any distance, is shown by this one, whatever was measured here.
-- A voice alone is not carried over, so that such a row always stands for a face.
with recursive same (clip_id) as (
  select parent from moderation.lineage where child = %(clip)s and how = 'copy'
  union
  select l.parent from same join moderation.lineage l on l.child = same.clip_id and l.how = 'copy'
)
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select distinct on (p.person_id) p.org_id, %(clip)s, p.person_id, 'copy', a.state, p.version, %(generation)s::int,
  %(now)s::timestamptz
from same
join moderation.appearances a on a.clip_id = same.clip_id and a.how in ('face', 'copy')
join moderation.people p on p.person_id = a.person_id
where same.clip_id <> %(clip)s
order by p.person_id, a.state = 'matched' desc
on conflict do nothing;

-- name: renew_copied
-- This judgement saw every row, those that were kept too; whom somebody did not recognise here is only possible.
update moderation.appearances a set version = p.version, generation = %(generation)s, judged_at = %(now)s,
  state = case when a.person_id = any(%(refuted)s) then 'possible' else a.state end
from moderation.people p where a.clip_id = %(clip)s and a.how = 'copy' and p.person_id = a.person_id;

-- name: mirror_copied
-- Who is in a copy as a public figure is there as their own cameo too: its grants are weighed, so its stops must hold.
-- The figure is held until this transaction ends, so the link is the one by which its judgement goes.
with figures as (
  select person_id, same_as from moderation.people where same_as is not null
    and person_id in (select person_id from moderation.appearances where clip_id = %(clip)s and how = 'copy')
  order by person_id for share
)
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select distinct on (p.person_id) p.org_id, %(clip)s, p.person_id, 'copy', a.state, p.version, %(generation)s::int,
  %(now)s::timestamptz
from figures join moderation.appearances a on a.clip_id = %(clip)s and a.person_id = figures.person_id and a.how = 'copy'
join moderation.people p on p.person_id = figures.same_as
order by p.person_id, a.state = 'matched' desc
on conflict do nothing;

-- name: doubt_shared
-- Where a figure is, their cameo's own record is sure no more. Rows that a judgement holds right now are left to it: it
-- waits for the figure.
update moderation.appearances a set state = 'possible' from (
  select k.clip_id, k.person_id, k.how from moderation.appearances k
  where k.person_id = %(cameo)s and k.state = 'matched' and exists (select 1 from moderation.appearances f
    where f.clip_id = k.clip_id and f.person_id = %(figure)s)
  order by k.clip_id, k.how for update skip locked) as shared
where (a.clip_id, a.person_id, a.how) = (shared.clip_id, shared.person_id, shared.how);

-- name: copied_since
-- Whether clips with the same pictures show somebody whom this one's judgement did not know to be here.
with recursive same (clip_id) as (
  select parent from moderation.lineage where child = %(clip)s and how = 'copy'
  union
  select l.parent from same join moderation.lineage l on l.child = same.clip_id and l.how = 'copy'
)
select 1 from same join moderation.appearances a using (clip_id)
where same.clip_id <> %(clip)s and a.how in ('face', 'copy') and not exists (select 1 from moderation.appearances mine
  where mine.clip_id = %(clip)s and mine.person_id = a.person_id and mine.how in ('face', 'copy'))
limit 1;

-- name: untold_copies
-- Clips with the pictures of this one that are out, or may come out on what they were judged by, and were judged without
-- knowing somebody whom this one shows. `judged`: this run of theirs has a decision, and nothing judges it once more. The
-- others matter for whom only this clip shows: who is here as in a clip before it stands there already, for their gate.
with recursive shown (person_id, first) as (
  select person_id, bool_and(how = 'face') from moderation.appearances
  where clip_id = %(clip)s and how in ('face', 'copy') group by person_id
), same (clip_id) as (
  select child from moderation.lineage where parent = %(clip)s and how = 'copy' and exists (select 1 from shown)
  union
  select l.child from same join moderation.lineage l on l.parent = same.clip_id and l.how = 'copy'
), copies (clip_id, judged) as (
  select c.clip_id, c.status = 'released' or exists (select 1 from moderation.decisions d
    where d.clip_id = c.clip_id and split_part(d.run, '.', 1) = c.generation::text)
  from same join moderation.clips c using (clip_id)
  where c.clip_id <> %(clip)s and c.status in ('released', 'processing')
)
select c.clip_id, c.judged from copies c
where exists (select 1 from shown s where (c.judged or s.first) and not exists (
  select 1 from moderation.appearances mine
  where mine.clip_id = c.clip_id and mine.person_id = s.person_id and mine.how in ('face', 'copy')))
order by c.clip_id;

-- name: insert_inherited
-- Who is shown by a clip that this one was made from, at any distance, and is not shown here as far as we know. `same`
-- are clips of which only the pictures are known to be here: who was heard there is not.
with recursive line (clip_id, same) as (
  select parent, how = 'copy' from moderation.lineage where child = %(clip)s
  union
  select l.parent, line.same and l.how = 'copy' from line join moderation.lineage l on l.child = line.clip_id
)
insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)
select distinct p.org_id, %(clip)s, p.person_id, 'inherited', 'possible', p.version, %(generation)s::int,
  %(now)s::timestamptz
from line
join moderation.appearances a on a.clip_id = line.clip_id
  and (a.how in ('face', 'copy') or a.how = 'voice' and not line.same)
join moderation.people p on p.person_id = a.person_id
where line.clip_id <> %(clip)s and not exists (select 1 from moderation.appearances mine
  where mine.clip_id = %(clip)s and mine.person_id = p.person_id and mine.how in ('face', 'voice', 'copy'));

-- name: hold_people
-- Whoever appears in a clip cannot take consent back until this transaction ends.
select person_id from moderation.people
where person_id in (select person_id from moderation.appearances where clip_id = %(clip)s)
order by person_id for share;

-- name: insert_stop
insert into moderation.person_stops (org_id, revocation_id, person_id, scope, creators, version, since)
select org_id, %(revocation)s, person_id, %(scope)s, %(creators)s, version, %(now)s
from moderation.people where person_id = %(person)s;

-- name: insert_run
-- Due at once: whoever takes consent back says that it is under way, and otherwise a sweep begins it.
insert into moderation.revocation_runs (org_id, revocation_id, begun_at, moved_at)
select org_id, %(revocation)s, %(now)s, 'epoch' from moderation.people where person_id = %(person)s;

-- name: stopped
-- Whether a clip shows somebody who consents to less since it was judged. Who is only in what it was made from is not
-- shown; what is declared is believed until somebody looked.
select 1 from moderation.appearances a
join moderation.person_stops s on s.person_id = a.person_id and a.version < s.version
where a.clip_id = %(clip)s and a.how <> 'inherited'
  and (s.scope = 'both' or a.how in ('declared', 'copy') or a.how = s.scope)
  and (s.creators is null or s.creators @> array[(select creator from moderation.clips where clip_id = a.clip_id)])
limit 1;

-- name: stopped_by_revocation
select 1 from moderation.appearances a
join moderation.person_stops s on s.person_id = a.person_id and a.version < s.version and s.revocation_id is not null
where a.clip_id = %(clip)s and a.how <> 'inherited'
  and (s.scope = 'both' or a.how in ('declared', 'copy') or a.how = s.scope)
  and (s.creators is null or s.creators @> array[(select creator from moderation.clips where clip_id = a.clip_id)])
limit 1;

-- name: lessened
-- When each person in a clip last consented to less of what its creator makes, by whichever of their records.
select a.person_id, max(s.since) from moderation.appearances a join moderation.people p using (person_id)
join moderation.person_stops s on s.person_id in (a.person_id, p.same_as)
where a.clip_id = %(clip)s and a.how <> 'inherited'
  and (s.creators is null or s.creators @> array[(select creator from moderation.clips where clip_id = a.clip_id)])
group by a.person_id;

-- name: in_clip
select how, state from moderation.appearances where clip_id = %(clip)s and person_id = %(person)s order by how;

-- name: of_person
-- Where somebody appears, newest clip first; one row a clip.
select a.clip_id, c.status, c.visibility, c.creator, c.created_at, r.released_at is not null and r.withdrawn_at is null as out,
  array_agg(a.how order by a.how) as hows, bool_or(a.state = 'matched') as matched
from moderation.appearances a join moderation.clips c using (clip_id)
left join moderation.releases r using (clip_id)
where a.person_id = %(person)s and (%(after)s::text is null or a.clip_id < %(after)s)
group by a.clip_id, c.status, c.visibility, c.creator, c.created_at, r.released_at, r.withdrawn_at
order by a.clip_id desc limit %(limit)s;
