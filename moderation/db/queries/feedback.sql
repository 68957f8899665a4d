-- name: feedback
select o.case_id, o.queue, o.answered_at, o.outcome as mine, o.reason as mine_reason, g.outcome as "right",
  g.reason as right_reason, g.why, g.policy_version
from moderation.opinions o
join moderation.golden_cases c using (case_id)
join moderation.golden_answers g using (golden_id)
where o.reviewer = %(principal)s and o.role = 'golden'
  and o.answered_at >= %(since)s and o.answered_at < %(until)s
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
order by o.answered_at;
