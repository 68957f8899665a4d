-- name: my_escalations
-- An answer that may still be undone is not told yet: it may be another one in a moment.
select c.case_id, c.queue, o.outcome as mine, d.outcome, c.decided_at
from moderation.opinions o
join moderation.cases c using (case_id)
join moderation.decisions d on d.decision_id = c.decided_by
where o.reviewer = %(reviewer)s and o.role = 'first' and o.answered_at >= %(since)s
  and c.state = 'decided' and c.effect = 'clip' and (c.undo_until is null or c.undo_until < now())
  and not exists (select 1 from moderation.undone_opinions u where u.opinion_id = o.opinion_id)
order by c.decided_at desc limit %(most)s;
