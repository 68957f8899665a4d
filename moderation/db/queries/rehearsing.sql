-- name: decided
-- The clips that rules decided in a stretch of time, one row each: the last decision before a person's first, for what
-- came after was settled by that person. Labels are people's last answers. With a sample, the clips whose ids hash
-- lowest: the same ones every time. Clips of `labelled` come whenever they were decided, `counted` only when asked for.
with people as (
  select clip_id, min(seq) as first, (array_agg(outcome order by seq desc))[1] as outcome
  from moderation.decisions where actor_kind = 'person' group by clip_id
), judged as (
  select distinct on (d.clip_id) d.clip_id, d.decision_id, p.outcome as label,
    d.created_at >= %(since)s and d.created_at < %(until)s as inside
  from moderation.decisions d left join people p on p.clip_id = d.clip_id
  where d.actor_kind = 'rule' and d.facts_hash is not null and (p.first is null or d.seq < p.first)
    and ((d.created_at >= %(since)s and d.created_at < %(until)s) or d.clip_id = any(%(labelled)s))
  order by d.clip_id, inside desc, d.seq desc
), drawn as (
  select *, case when inside then row_number() over (partition by inside order by md5(clip_id)) end as place from judged
)
select clip_id, decision_id, label, inside and (%(sample)s::int is null or place <= %(sample)s) as counted
from drawn
where %(sample)s::int is null or place <= %(sample)s or label is not null or clip_id = any(%(labelled)s)
order by clip_id;

-- name: extent
-- How many clips that is, from when to when.
select count(distinct d.clip_id), min(d.created_at), max(d.created_at)
from moderation.decisions d
where d.actor_kind = 'rule' and d.facts_hash is not null
  and d.created_at >= %(since)s and d.created_at < %(until)s
  and not exists (select 1 from moderation.decisions p
    where p.clip_id = d.clip_id and p.actor_kind = 'person' and p.seq < d.seq);

-- name: without_rules
-- Clips that ended without a rule's decision: nothing of theirs can be judged again.
select count(distinct d.clip_id) from moderation.decisions d
where d.actor_kind = 'system' and d.created_at >= %(since)s and d.created_at < %(until)s
  and not exists (select 1 from moderation.decisions r where r.clip_id = d.clip_id and r.actor_kind = 'rule');

-- name: records
-- What was kept of some decisions; facts that were erased since are null.
select d.decision_id, d.clip_id, d.body, f.body, d.facts_hash
from moderation.decisions d
left join moderation.facts f on f.clip_id = d.clip_id and f.facts_hash = d.facts_hash
where d.decision_id = any(%(decisions)s);

-- name: paces
-- Seconds from a reviewer's claim to their decision, by queue; a page left open counts as the cap.
select queue, avg(least(seconds, %(cap)s))::float8, count(*) from (
  select c.queue, a.action, extract(epoch from a.at - lag(a.at) over mine) as seconds,
    lag(a.action) over mine as earlier
  from moderation.case_actions a join moderation.cases c on c.case_id = a.case_id
  where a.action in ('claimed', 'decided') and a.at < %(until)s
  window mine as (partition by a.case_id, a.actor order by a.action_id)
) handled
where action = 'decided' and earlier = 'claimed' group by queue;

-- name: versions_like
-- Versions that some decision names, and those of bundles that may never have judged. Several bundles may be one version.
(select version, body, null as texts from moderation.policy_versions where version like %(prefix)s limit 2)
union all
(select distinct on (version) version, null, texts from moderation.policy_bundles where version like %(prefix)s
 order by version limit 2);

-- name: replayable
-- Every decision of rules, or those of one clip, with whether its facts are still there.
select d.decision_id from moderation.decisions d
where d.actor_kind = 'rule' and (%(clip)s::text is null or d.clip_id = %(clip)s) order by d.clip_id, d.seq;

-- name: replay_count
select count(*) from moderation.decisions d
where d.actor_kind = 'rule' and (%(clip)s::text is null or d.clip_id = %(clip)s);

-- name: replay_records
select d.decision_id, d.clip_id, d.seq, d.policy_version, d.body, d.facts_hash, f.body
from moderation.decisions d
left join moderation.facts f on f.clip_id = d.clip_id and f.facts_hash = d.facts_hash
where d.decision_id = any(%(decisions)s);

-- name: answers_of_clips
-- But for what was taken back within its undo window.
select clip_id, seq, body from moderation.decisions d
where actor_kind = 'person' and clip_id = any(%(clips)s)
  and not exists (select 1 from moderation.opinions o join moderation.undone_opinions u using (opinion_id)
    where o.clip_id = d.clip_id and o.decision_id = d.decision_id)
order by clip_id, seq;
