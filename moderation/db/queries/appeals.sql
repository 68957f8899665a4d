-- name: insert_appeal
-- Nothing where one is open against the same decision.
insert into moderation.appeals (org_id, appeal_id, clip_id, appealed, notice_id, case_id, token_hash, language, filed_at)
values (%(org)s, %(appeal)s, %(clip)s, %(appealed)s, %(notice)s, %(case)s, %(token)s, %(language)s, %(now)s)
on conflict (appealed) where state = 'open' do nothing returning appeal_id;

-- name: of_case
-- With the outcome that is appealed against.
select a.appeal_id, a.notice_id, d.outcome from moderation.appeals a
join moderation.decisions d on d.decision_id = a.appealed
where a.case_id = %(case)s and a.state = 'open';

-- name: settle_appeal
update moderation.appeals set state = %(state)s, decided_at = %(now)s, decision_id = %(decision)s
where appeal_id = %(appeal)s;

-- name: appeal_by_token
-- Over all organisations.
select org_id, appeal_id, clip_id, appealed, notice_id, state, case_id, language, filed_at, decided_at
from moderation.appeals where appeal_id = %(appeal)s and token_hash = %(token)s;

-- name: appeals_of_clip
select org_id, appeal_id, clip_id, appealed, notice_id, state, case_id, language, filed_at, decided_at
from moderation.appeals where clip_id = %(clip)s order by appeal_id;

-- name: decision
-- `on_appeal`: a decision on an appeal, or one against which the same side appealed before. What an appeal confirms leaves
-- a notice rejected by the first decision.
select outcome, created_at, decision_id = (
  select decision_id from moderation.decisions where clip_id = %(clip)s order by seq desc limit 1) as latest,
  exists (select 1 from moderation.cases where decided_by = %(decision)s and source = 'appeal')
    or exists (select 1 from moderation.appeals where clip_id = %(clip)s and appealed = %(decision)s
      and notice_id is not distinct from %(notice)s and state in ('upheld', 'rejected')) as on_appeal
from moderation.decisions where decision_id = %(decision)s and clip_id = %(clip)s;

-- name: without_case
-- Over all organisations: open appeals whose case was closed without an answer, or got one that did not act: its clip had
-- changed meanwhile. A case that acted leaves no appeal open.
select a.org_id, a.appeal_id, a.clip_id from moderation.appeals a
join moderation.clips c using (clip_id) left join moderation.cases k on k.case_id = a.case_id
where a.state = 'open' and (k.case_id is null or k.state = 'closed' or (k.state = 'decided' and k.followed_at is not null))
  and c.status in ('released', 'withheld', 'withdrawn')
  and not exists (select 1 from moderation.cases o where o.clip_id = a.clip_id and o.effect = 'clip' and o.state = 'open')
limit %(limit)s;

-- name: open_appeals
select appeal_id, notice_id from moderation.appeals where clip_id = %(clip)s and state = 'open' order by appeal_id;

-- name: link_appeal
update moderation.appeals set case_id = %(case)s where appeal_id = %(appeal)s;
