-- name: insert_opinion
insert into moderation.opinions (org_id, opinion_id, case_id, clip_id, queue, stage, reviewer, role, outcome, reason,
  note, policy_version, language, decision_id, derived_from, key, opened_at, answered_at, unveiled_ms)
select %(org)s, %(opinion)s, %(case)s, %(clip)s, %(queue)s, %(stage)s, %(reviewer)s, %(role)s, %(outcome)s,
  %(reason)s, %(note)s, %(policy_version)s, %(language)s, %(decision)s, %(derived_from)s, %(key)s, %(opened_at)s,
  %(now)s, coalesce(sum(ms), 0)
from moderation.exposures where case_id = %(case)s and principal = %(reviewer)s;

-- name: opinion
select opinion_id, case_id, clip_id, queue, stage, reviewer, role, outcome, reason, note, decision_id, answered_at
from moderation.opinions where opinion_id = %(opinion)s;

-- name: opinion_by_key
select opinion_id, case_id, clip_id, queue, stage, reviewer, role, outcome, reason, note, decision_id, answered_at
from moderation.opinions o
where case_id = %(case)s and reviewer = %(reviewer)s and key = %(key)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id);

-- name: opinions_of_case
select opinion_id, case_id, clip_id, queue, stage, reviewer, role, outcome, reason, note, decision_id, answered_at
from moderation.opinions o
where case_id = %(case)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
order by opinion_id;

-- name: own_opinion
-- The same condition as in `next_case`.
select 1 from moderation.cases c join moderation.opinions o on o.clip_id = c.clip_id and o.reviewer = %(holder)s
where c.case_id = %(case)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
  and not (%(again)s and o.case_id <> c.case_id and c.stage = 'first' and c.effect = 'clip'
    and c.source in ('rule', 'processing', 'revocation', 'notice', 'trend'))
limit 1;

-- name: insert_undone
insert into moderation.undone_opinions (org_id, opinion_id, undone_at) values (%(org)s, %(opinion)s, %(now)s);

-- name: list_for_calibration
insert into moderation.calibration_cases (org_id, case_id, clip_id, added_at)
values (%(org)s, %(case)s, %(clip)s, %(now)s)
on conflict (case_id) do update set added_at = excluded.added_at, settled_by = null, settled_at = null, note = '';

-- name: settle_calibration
update moderation.calibration_cases set settled_by = %(by)s, settled_at = %(now)s, note = %(note)s
where case_id = %(case)s and settled_at is null;

-- name: insert_overturn
insert into moderation.overturns (org_id, overturn_id, case_id, clip_id, error_class, overturned, decided_by,
  opinion_id, language, overturned_at)
values (%(org)s, %(overturn)s, %(case)s, %(clip)s, %(error_class)s, %(overturned)s, %(decision)s, %(opinion)s,
  %(language)s, %(now)s);
