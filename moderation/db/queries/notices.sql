-- name: insert_notice
insert into moderation.notices (org_id, notice_id, clip_id, kind, hidden, doubt, joined_to, token_hash, contact_tag,
  source_tag, language, filed_at, due_at)
values (%(org)s, %(notice)s, %(clip)s, %(kind)s, %(hidden)s, %(doubt)s, %(joined_to)s, %(token)s, %(contact)s,
  %(source)s, %(language)s, %(now)s, %(due)s);

-- name: notice
select org_id, notice_id, clip_id, kind, state, hidden, doubt, joined_to, case_id, language, filed_at, due_at, decided_at,
  decision_id
from moderation.notices where notice_id = %(notice)s;

-- name: notice_by_token
-- Over all organisations: who holds the token knows no organisation.
select org_id, notice_id, clip_id, kind, state, hidden, doubt, joined_to, case_id, language, filed_at, due_at, decided_at,
  decision_id
from moderation.notices where notice_id = %(notice)s and token_hash = %(token)s;

-- name: open_notices
select org_id, notice_id, clip_id, kind, state, hidden, doubt, joined_to, case_id, language, filed_at, due_at, decided_at,
  decision_id
from moderation.notices where clip_id = %(clip)s and state = 'open' order by notice_id;

-- name: notices_of_case
select org_id, notice_id, clip_id, kind, state, hidden, doubt, joined_to, case_id, language, filed_at, due_at, decided_at,
  decision_id
from moderation.notices where case_id = %(case)s order by notice_id;

-- name: notices_of_clip
select org_id, notice_id, clip_id, kind, state, hidden, doubt, joined_to, case_id, language, filed_at, due_at, decided_at,
  decision_id
from moderation.notices where clip_id = %(clip)s order by notice_id;

-- name: same_notice
-- The same contact's open notice of the same kind about the same clip, from the same place: nobody proves whose a contact
-- is. One that hid nothing does not say what one that hides does.
select notice_id from moderation.notices
where clip_id = %(clip)s and kind = %(kind)s and contact_tag = %(contact)s and source_tag is not distinct from %(source)s
  and (hidden or not %(hidden)s) and state = 'open' and joined_to is null
order by notice_id limit 1;

-- name: link_notices
update moderation.notices n set case_id = %(case)s
where clip_id = %(clip)s and case_id is distinct from %(case)s and (state = 'open' or exists (
  select 1 from moderation.clip_stops s where s.notice_id = n.notice_id and s.lifted_at is null));

-- name: read_anew
-- Who holds the case saw it without the new claims: their answer is refused, and they read it again.
update moderation.cases set version = version + 1 where case_id = %(case)s and state = 'open';

-- name: hasten
-- A case that stood here for other reasons is due no later than the notices about its clip.
update moderation.cases set deadline = least(deadline, %(due)s) where case_id = %(case)s and state = 'open';

-- name: decided_on_appeal
-- Or confirmed on one: such a notice stays rejected by the first decision.
select 1 from moderation.cases where decided_by = %(decision)s and source = 'appeal'
union all
select 1 from moderation.appeals where clip_id = %(clip)s and appealed = %(decision)s
  and notice_id is not distinct from %(notice)s and state in ('upheld', 'rejected')
limit 1;

-- name: acting_case
select case_id, source, opened_by from moderation.cases
where clip_id = %(clip)s and state = 'open' and effect = 'clip';

-- name: settle_notice
update moderation.notices set state = %(state)s, decided_at = %(now)s, decision_id = %(decision)s, case_id = %(case)s
where notice_id = %(notice)s;

-- name: filed_since
-- Whose a contact is nobody proved: it counts only together with the address it came from. A platform has no address.
select count(*) filter (where contact_tag = %(contact)s and source_tag is not distinct from %(source)s),
  count(*) filter (where source_tag = %(source)s)
from moderation.notices
where ((contact_tag = %(contact)s and source_tag is not distinct from %(source)s) or source_tag = %(source)s)
  and filed_at > %(since)s;

-- name: rejected_since
select count(*) from moderation.notices
where ((contact_tag = %(contact)s and source_tag is not distinct from %(source)s) or source_tag = %(source)s)
  and state = 'rejected' and kind <> 'counter_notice'
  and joined_to is null and decided_at > %(since)s;

-- name: hidden_since
select count(distinct clip_id) from moderation.notices
where ((contact_tag = %(contact)s and source_tag is not distinct from %(source)s) or source_tag = %(source)s)
  and hidden and filed_at > %(since)s;

-- name: stop_standing
select 1 from moderation.clip_stops where clip_id = %(clip)s and lifted_at is null limit 1;

-- name: place_stop
insert into moderation.clip_stops (org_id, clip_id, notice_id, placed_at)
values (%(org)s, %(clip)s, %(notice)s, %(now)s) on conflict (notice_id) do update set lifted_at = null;

-- name: lift_stop
update moderation.clip_stops set lifted_at = %(now)s where notice_id = %(notice)s and lifted_at is null;

-- name: insert_sealed
insert into moderation.sealed_words (org_id, subject_id, wrapped, identity, words)
values (%(org)s, %(of)s, %(wrapped)s, %(identity)s, %(words)s);

-- name: sealed
select wrapped, identity, words from moderation.sealed_words where subject_id = %(of)s;

-- name: erase_sealed
update moderation.sealed_words set wrapped = null, identity = null, words = null, erased_at = %(now)s
where subject_id = %(of)s and erased_at is null;

-- name: forget_tags
update moderation.notices set contact_tag = null, source_tag = null where notice_id = %(notice)s;

-- name: past_keeping
-- Over all organisations: decided so long ago that nobody may appeal any more.
select n.org_id, n.notice_id from moderation.notices n join moderation.sealed_words s on s.subject_id = n.notice_id
where n.decided_at < %(before)s and s.erased_at is null
union all
select a.org_id, a.appeal_id from moderation.appeals a join moderation.sealed_words s on s.subject_id = a.appeal_id
where a.decided_at < %(before)s and s.erased_at is null
limit %(limit)s;

-- name: without_case
-- Over all organisations: open notices on clips that nobody has before them.
select distinct n.org_id, n.clip_id from moderation.notices n join moderation.clips c using (clip_id)
where n.state = 'open' and n.kind <> 'counter_notice'
  and c.status in ('released', 'withheld', 'withdrawn', 'in_review', 'refused')
  and not exists (select 1 from moderation.cases k where k.clip_id = n.clip_id and k.effect = 'clip'
    and (k.state = 'open' or (k.state = 'decided' and k.followed_at is null)))
order by n.org_id, n.clip_id limit %(limit)s;

-- name: stood_on_alone
-- What a list has of a clip, by the entries made for it and by its own hashes where they were listed for another clip,
-- less what an upheld notice about another clip stands on: by the entries made for that one, its file or its frames.
-- Each print is unpacked once (`||`) and its frames are looked up: with 10,000 notices nothing else ends in time.
with own (hash, item) as materialized (
  select e.hash, e.item from moderation.hash_entries e join moderation.hash_lists l using (list_no)
  where l.org_id = %(org)s and l.name = %(list)s and e.enabled
    and (e.item = %(clip)s or e.hash = any(%(hashes)s) and exists (
      select 1 from moderation.notices f where f.clip_id = e.item))
), others (clip_id) as materialized (
  select distinct clip_id from moderation.notices
  where state = 'upheld' and kind <> 'counter_notice' and clip_id <> %(clip)s
), theirs (hash) as materialized (
  select decode(c.content_sha256, 'hex') from others join moderation.clips c using (clip_id)
  where c.content_sha256 is not null
  union all
  select substring(p.frames from 32 * i + 1 for 32)
  from (select hashes || ''::bytea as frames from others join moderation.clip_prints using (clip_id) offset 0) p,
    generate_series(0, octet_length(p.frames) / 32 - 1) i
  where substring(p.frames from 32 * i + 1 for 32) in (select hash from own)
)
select hash from own
where not exists (select 1 from others where others.clip_id = own.item)
  and not exists (select 1 from theirs where theirs.hash = own.hash);

-- name: alarms_due
-- Over all organisations: which alarm of which open notice has not rung. What was joined to another has that one's, until
-- that one is decided.
select n.org_id, n.clip_id, n.notice_id, h.hours
from moderation.notices n cross join unnest(%(hours)s::real[]) as h (hours)
where n.state = 'open' and n.kind <> 'counter_notice'
  and not exists (select 1 from moderation.notices f where f.notice_id = n.joined_to and f.state = 'open')
  and n.filed_at + make_interval(secs => h.hours * 3600) <= %(now)s
  and not exists (select 1 from moderation.notice_alarms a
    where a.notice_id = n.notice_id and a.after_hours = h.hours)
order by n.notice_id, h.hours limit %(limit)s;

-- name: ring
insert into moderation.notice_alarms (org_id, notice_id, after_hours, rung_at)
values (%(org)s, %(notice)s, %(hours)s, %(now)s) on conflict do nothing returning notice_id;

-- name: figures_of_notices
select kind, count(*), count(*) filter (where state = 'open'), count(*) filter (where state = 'upheld'),
  count(*) filter (where state = 'rejected'), count(*) filter (where state = 'gone'), count(*) filter (where hidden),
  count(*) filter (where state = 'open' and due_at < %(now)s or decided_at > due_at),
  percentile_cont(0.5) within group (order by extract(epoch from decided_at - filed_at))
    filter (where state in ('upheld', 'rejected'))
from moderation.notices where filed_at >= %(since)s and filed_at < %(until)s group by kind order by kind;

-- name: figures_of_appeals
select case when notice_id is null then 'creator' else 'notifier' end, count(*), count(*) filter (where state = 'open'),
  count(*) filter (where state = 'upheld'), count(*) filter (where state = 'rejected'),
  count(*) filter (where state = 'gone'),
  percentile_cont(0.5) within group (order by extract(epoch from decided_at - filed_at))
    filter (where state in ('upheld', 'rejected'))
from moderation.appeals where filed_at >= %(since)s and filed_at < %(until)s group by 1 order by 1;

-- name: unfollowed_case
select 1 from moderation.cases
where clip_id = %(clip)s and effect = 'clip' and state = 'decided' and followed_at is null limit 1;
