-- name: insert_question
insert into moderation.questions (org_id, question_id, person_id, clip_id, scope, asked_at, due_at)
values (%(org)s, %(question)s, %(person)s, %(clip)s, %(scope)s, %(now)s, %(due)s)
on conflict (person_id, clip_id, scope) do nothing returning question_id;

-- name: question
-- Open only while the clip surely shows whom it asks; what was answered stays to be read.
select q.*, a.answer, a.answered_at from moderation.questions q
left join moderation.consent_answers a using (question_id)
where q.question_id = %(question)s and (a.answer is not null or exists (select 1 from moderation.appearances s
  where s.clip_id = q.clip_id and s.person_id = q.person_id and s.state = 'matched'));

-- name: questions_of_person
select q.*, a.answer, a.answered_at from moderation.questions q
left join moderation.consent_answers a using (question_id)
where q.person_id = %(person)s and (a.answer is not null or exists (select 1 from moderation.appearances s
  where s.clip_id = q.clip_id and s.person_id = q.person_id and s.state = 'matched'))
order by q.asked_at desc, q.question_id limit %(most)s;

-- name: answers_of_clip
-- A yes lasts until its person takes everything back, or a grant that had them asked: what they grant after that does not
-- bring it back.
select q.person_id, q.scope, case when a.answer = 'yes' and exists (
    select 1 from moderation.revocations r left join moderation.grants g on g.grant_id = r.grant_id
    where r.person_id = q.person_id and r.created_at >= a.answered_at
      and (g.grant_id is null or g.mode = 'ask_me' and g.scope in (q.scope, 'both'))
  ) then 'no' else a.answer end, a.answered_at
from moderation.questions q
left join moderation.consent_answers a using (question_id) where q.clip_id = %(clip)s;

-- name: waiting
-- Whether somebody whom a clip surely shows has yet to answer.
select 1 from moderation.questions q
join moderation.appearances s on s.clip_id = q.clip_id and s.person_id = q.person_id and s.state = 'matched'
where q.clip_id = %(clip)s and not exists (
  select 1 from moderation.consent_answers a where a.question_id = q.question_id)
limit 1;

-- name: hold_asked
-- Nobody takes anything back between this and the answer; a statement of its own, so that the answer sees what was.
select person_id from moderation.people
where person_id = (select person_id from moderation.questions where question_id = %(question)s) for share;

-- name: insert_answer
-- Younger than what was taken back before it, whatever the clocks of two machines say.
insert into moderation.consent_answers (org_id, question_id, answer, passkey_id, signed, answered_at)
values (%(org)s, %(question)s, %(answer)s, %(passkey)s, %(signed)s,
  greatest(%(now)s, (select max(r.created_at) + interval '1 microsecond' from moderation.revocations r
    join moderation.questions q using (person_id) where q.question_id = %(question)s)))
on conflict (question_id) do nothing returning question_id;

-- name: lapsed
-- Of a clip that does not surely show them any more nobody's silence says anything.
select q.org_id, q.question_id, q.clip_id from moderation.questions q
where q.due_at <= %(now)s and not exists (
  select 1 from moderation.consent_answers a where a.question_id = q.question_id)
and exists (select 1 from moderation.appearances s
  where s.clip_id = q.clip_id and s.person_id = q.person_id and s.state = 'matched')
order by q.due_at limit %(most)s;
