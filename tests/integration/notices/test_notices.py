"""A notice hides its clip at once and no other, runs by a clock, and is decided by people alone."""

import json

import pytest

from moderation import release
from moderation.db.clips import read_clip
from moderation.errors import Conflict, NotFound
from moderation.notices import limits, settling, stops
from moderation.notices.filing import Invalid
from moderation.notices.limits import TooMany
from moderation.notices.opening import bring_stopped
from moderation.notices.rows import claims_of, read_by_token, read_identity, state_document
from moderation.notices.sealing import erase
from moderation.notices.stops import Stopped
from moderation.notices.tending import erase_old, tend
from moderation.settings import Noticing
from moderation.statements import read_statement
from moderation.verification import describe_number

ORG = "default"


def body(bureau, clip, kind):
    """What the latest event of one kind said of a clip."""
    events = "select body from moderation.events where clip_id = %s and type = %s order by seq desc"
    found = bureau.scalar(events, clip, kind)
    return json.loads(found)["data"]


def test_a_valid_notice_hides_its_clip_at_once_and_puts_it_before_a_person(bureau):
    clip, other = bureau.clip(), bureau.clip()
    receipt = bureau.file(clip)
    assert (bureau.status(clip), bureau.status(other)) == ("in_review", "released")
    with pytest.raises(Stopped) as refused:
        release.media(bureau.services, ORG, clip)
    assert refused.value.status == 451
    assert bureau.events(clip) == ["clip.in_review", "notice.received"]
    case = bureau.claim("ben")
    assert (case.clip_id, case.source, case.queue) == (clip, "notice", "takedown")
    assert case.deadline <= receipt.notice.due_at
    said = read_statement(bureau.services, ORG, clip)
    assert (said["restrictions"][0]["code"], said["automated"]["detection"]) == ("in_review", False)
    assert [fact["code"] for fact in said["facts"]] == ["takedown_notice"]


@pytest.mark.parametrize("kind", ["illegal_content", "rights_holder"])
def test_other_kinds_are_put_before_a_person_while_the_clip_stays(bureau, kind):
    clip = bureau.clip()
    receipt = bureau.file(clip, kind)
    assert (bureau.status(clip), receipt.notice.hidden) == ("released", False)
    bureau.settle("allow")
    assert (bureau.status(clip), bureau.state(receipt)) == ("released", "rejected")


def test_an_upheld_notice_keeps_the_clip_out_and_a_rejected_one_lets_it_be_judged_again(bureau):
    kept, back = bureau.clip(), bureau.clip()
    upheld = bureau.file(kept)
    bureau.settle("block")
    assert (bureau.status(kept), bureau.state(upheld)) == ("withheld", "upheld")
    with pytest.raises(Stopped):
        release.media(bureau.services, ORG, kept)
    assert bureau.events(kept)[-2:] == ["notice.decided", "clip.withheld"]
    assert (body(bureau, kept, "notice.decided")["purge"], body(bureau, kept, "clip.withheld")["purge"]) == (True, True)
    said = describe_number(bureau.services, f"{bureau.minted.index(kept):012x}", staff_of=None)
    assert (said.status, said.was_out) == ("withheld", True)
    told = {"notice_id", "kind", "state", "purge", "language", "text", "redress"}
    assert told <= set(body(bureau, kept, "notice.decided"))
    assert not {"contact", "name", "token", "explanation"} & set(body(bureau, kept, "notice.decided"))
    rejected = bureau.file(back)
    bureau.settle("allow")
    assert (bureau.status(back), bureau.state(rejected)) == ("processing", "rejected")
    with bureau.services.database.transaction(ORG) as tx:
        assert not stops.stands(tx, back)
        assert not bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), read_clip(tx, back, lock=True))


def test_silence_rings_alarms_and_never_restores(bureau):
    clip = bureau.clip()
    receipt = bureau.file(clip)
    rung = []
    for hours in (0, 23.9, 0.2, 12, 8, 3.8, 0.2, 500):
        bureau.wait(hours=hours)
        rung.append(tend(bureau.services))
        assert tend(bureau.services) == 0
    assert rung == [0, 0, 1, 1, 1, 0, 1, 0]
    assert bureau.events(clip).count("notice.alarm") == 4
    alarm = bureau.scalar("select body from moderation.events where type = 'notice.alarm' order by seq desc limit 1")
    assert '"overdue":true' in alarm
    assert (bureau.status(clip), bureau.state(receipt)) == ("in_review", "open")
    bureau.settle("block")
    assert tend(bureau.services) == 0


def test_a_clip_on_its_way_is_stopped_where_it_would_have_been_published(bureau, monkeypatch):
    clip = bureau.clip("processing")
    receipt = bureau.file(clip, "likeness")
    assert (bureau.status(clip), receipt.notice.hidden) == ("processing", True)
    with bureau.services.database.transaction(ORG) as tx:
        found = read_clip(tx, clip, lock=True)
        with monkeypatch.context() as off:
            off.setattr(stops, "stands", lambda *_: False)
            assert not bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), found)
        assert bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), found)
    assert bureau.status(clip) == "in_review"
    assert bureau.claim("ben").clip_id == clip


def test_more_notices_join_the_case_and_who_held_it_reads_again(bureau):
    clip = bureau.clip()
    first = bureau.file(clip)
    case = bureau.claim("ben")
    second, again = bureau.file(clip, "likeness", contact="yan@example.org"), bureau.file(clip)
    assert again.notice.joined_to == first.notice.notice_id
    assert bureau.events(clip).count("notice.received") == 2
    with pytest.raises(Conflict):
        bureau.decide("ben", case, "allow")
    bureau.settle("allow")
    assert [bureau.state(each) for each in (first, second, again)] == ["rejected"] * 3


@pytest.mark.parametrize(("outcome", "becomes"), [("allow", "processing"), ("block", "withheld")])
def test_a_notice_that_hides_finds_the_case_of_one_that_did_not(bureau, monkeypatch, outcome, becomes):
    clip, crowded = bureau.clip(), bureau.clip()
    first = bureau.file(clip, "illegal_content")
    assert bureau.status(clip) == "released"
    second = bureau.file(clip)
    assert bureau.status(clip) == "in_review"
    assert bureau.events(clip) == ["notice.received", "clip.in_review", "notice.received"]
    assert [each["code"] for each in read_statement(bureau.services, ORG, clip)["restrictions"]] == ["in_review"]
    bureau.settle(outcome)
    told = {"allow": "rejected", "block": "upheld"}[outcome]
    assert (bureau.status(clip), bureau.state(first), bureau.state(second)) == (becomes, told, told)
    # So full that no more notices come into it.
    monkeypatch.setattr("moderation.notices.opening.READ_ANEW", 1)
    bureau.file(crowded, "illegal_content")
    bureau.file(crowded)
    assert (bureau.status(crowded), bureau.events(crowded).count("clip.in_review")) == ("in_review", 1)


def test_a_clip_that_others_have_is_told_to_be_before_a_person_when_it_is_hidden(bureau):
    clip = bureau.clip()
    bureau.file(clip, "illegal_content")
    bureau.change("update moderation.cases set source = 'rule' where clip_id = %s", clip)
    bureau.file(clip)
    assert (bureau.status(clip), bureau.events(clip).count("clip.in_review")) == ("in_review", 1)


def test_a_notice_that_nobody_read_is_not_rejected_by_another_answer(bureau, monkeypatch):
    """The clip is before a person for other reasons: their approval answers those, and the stop stands."""
    clip = bureau.clip("in_review", "review")
    with bureau.services.database.transaction(ORG) as tx:
        found = read_clip(tx, clip, lock=True)
        tx.pg.execute(
            "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at) "
            "select org_id, 'case_1', clip_id, 'explicit', decision_id, created_at, created_at "
            "from moderation.decisions where clip_id = %s",
            (found.clip_id,),
        )
    receipt = bureau.file(clip)
    bureau.settle("allow", queue="explicit")
    assert (bureau.status(clip), bureau.state(receipt)) == ("processing", "open")
    with bureau.services.database.transaction(ORG) as tx:
        assert bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), read_clip(tx, clip, lock=True))
    bureau.settle("block", who="eve")
    assert (bureau.status(clip), bureau.state(receipt)) == ("withheld", "upheld")


def test_letting_a_clip_out_ends_what_was_upheld_about_it_before(bureau):
    """Nobody is told that a notice keeps a clip in which is out."""
    clip = bureau.clip()
    first = bureau.file(clip, "illegal_content")
    counter = bureau.file(clip, "counter_notice", contact="", source="")
    bureau.settle("block")
    later = bureau.file(clip, "rights_holder", contact="yan@example.org")
    with bureau.services.database.transaction(ORG) as tx:
        said = claims_of(tx, bureau.services.vault, clip)
    assert [claim.upheld for claim in said] == [True, False, False]
    bureau.settle("allow", who="eve")
    assert [bureau.state(each) for each in (first, counter, later)] == ["rejected", "upheld", "rejected"]
    assert (bureau.status(clip), bureau.events(clip).count("notice.decided")) == ("processing", 5)


@pytest.mark.full
def test_a_case_that_was_closed_without_an_answer_is_opened_again(bureau):
    clip = bureau.clip()
    bureau.file(clip)
    bureau.change("update moderation.cases set state = 'closed' where clip_id = %s", clip)
    assert tend(bureau.services) == 1
    assert bureau.claim("ben").clip_id == clip


def test_a_notifier_whose_notices_were_rejected_hides_nothing_any_more(bureau, monkeypatch):
    terms = bureau.services.settings.notices
    for _ in range(terms.rejected_before):
        bureau.file(bureau.clip())
        bureau.settle("allow")
    clip = bureau.clip()
    receipt = bureau.file(clip)
    assert (receipt.notice.hidden, receipt.notice.doubt, bureau.status(clip)) == (False, "rejected_before", "released")
    assert bureau.claim("ben").clip_id == clip
    # By another name from the same address too.
    assert not bureau.file(bureau.clip(), contact="yan@example.org").notice.hidden
    stranger = {"contact": "yan@example.com", "source": "198.51.100.9"}
    assert bureau.file(bureau.clip(), **stranger).notice.hidden
    bureau.wait(days=terms.rejected_days + 1)
    assert bureau.file(bureau.clip()).notice.hidden
    bureau.wait(days=-terms.rejected_days)
    with monkeypatch.context() as off:
        off.setattr("moderation.notices.filing.doubt_of", lambda *_: None)
        assert bureau.file(bureau.clip()).notice.hidden


def test_one_source_hides_few_clips_a_day_and_files_few_notices(bureau):
    few = Noticing(hidden_a_day=2, per_contact_a_day=4)
    bureau.services.settings = bureau.services.settings.model_copy(update={"notices": few})
    hidden = [bureau.file(bureau.clip(), contact=f"n{n}@example.org").notice.hidden for n in range(3)]
    assert hidden == [True, True, False]
    for _ in range(4):
        bureau.file(bureau.clip(), "illegal_content", source="")
    with pytest.raises(TooMany):
        bureau.file(bureau.clip(), "illegal_content", source="")
    assert limits.TooMany.status == 429
    bureau.wait(days=1, seconds=1)
    assert bureau.file(bureau.clip()).notice.hidden


def test_what_the_law_asks_for_is_asked_for(bureau):
    clip = bureau.clip()
    for kind, lacking in (
        ("intimate_image", {"signature": ""}),
        ("intimate_image", {"good_faith": False}),
        ("illegal_content", {"name": " "}),
        ("illegal_content", {"contact": "nobody"}),
        ("likeness", {"explanation": ""}),
    ):
        with pytest.raises(Invalid) as refused:
            bureau.file(clip, kind, **lacking)
        assert set(refused.value.params["fields"]) == set(lacking)
    assert bureau.status(clip) == "released"
    nameless = {"name": "", "contact": "", "signature": "", "child_protection": True}
    assert bureau.state(bureau.file(clip, "illegal_content", **nameless)) == "open"


def test_who_filed_a_notice_is_sealed_read_under_audit_and_erased(bureau):
    clip = bureau.clip()
    receipt = bureau.file(clip)
    notice = receipt.notice.notice_id
    everything = (
        "select string_agg(t::text, ' ') from (select n::text || coalesce(encode(s.identity, 'escape'), '') || "
        "coalesce(encode(s.words, 'escape'), '') as t from moderation.notices n "
        "join moderation.sealed_words s on s.subject_id = n.notice_id union all select body from moderation.events "
        "union all select body from moderation.audit_entries) as all_of_it"
    )
    written = bureau.scalar(everything)
    assert notice in written
    assert not any(secret in written for secret in ("Zoe", "zoe@", "never agreed", "192.0.2.1", receipt.token))
    assert read_identity(bureau.services, ORG, notice, "kim")["contact"] == "zoe@example.org"
    read = "select actor from moderation.audit_entries where action = 'notice.identity_read' and subject = %s"
    assert bureau.scalar(read, notice) == "kim"
    with bureau.services.database.transaction(ORG) as tx:
        assert erase(tx, bureau.clock.now(), notice, "kim")
    with pytest.raises(NotFound):
        read_identity(bureau.services, ORG, notice, "kim")
    assert bureau.scalar("select wrapped from moderation.sealed_words where subject_id = %s", notice) is None


@pytest.mark.full
def test_identities_are_kept_until_nobody_may_appeal(bureau):
    bureau.file(bureau.clip())
    bureau.settle("block")
    bureau.wait(days=bureau.services.settings.notices.identity_days - 1)
    assert erase_old(bureau.services) == 0
    bureau.wait(days=2)
    assert (erase_old(bureau.services), erase_old(bureau.services)) == (1, 0)


def test_its_sender_learns_state_and_clock_with_the_token_alone(bureau):
    receipt = bureau.file(bureau.clip())
    notice = receipt.notice.notice_id

    def told():
        return state_document(bureau.services, read_by_token(bureau.services, notice, receipt.token), "en")

    times = {"filed_at", "due_at", "decided_at", "appeal_until"}
    assert set(told()) == {"id", "kind", "state", "hidden", "language", "text", "redress", *times}
    assert (told()["state"], "received" in told()["text"]) == ("open", True)
    bureau.wait(hours=49)
    assert "although the time for it is over" in told()["text"]
    bureau.settle("allow")
    assert ("appeal free of charge" in told()["redress"], told()["appeal_until"][:7]) == (True, "2026-07")
    bureau.wait(days=bureau.services.settings.notices.appeal_days, seconds=1)
    assert (told()["appeal_until"], "court" in told()["redress"]) == (None, True)
    for number, token in ((notice, "wrong"), ("ntc_none", receipt.token)):
        with pytest.raises(NotFound):
            read_by_token(bureau.services, number, token)


def test_a_counter_notice_is_read_with_the_notice_and_ends_the_other_way(bureau):
    clip = bureau.clip()
    with pytest.raises(Conflict):
        bureau.file(clip, "counter_notice")
    receipt = bureau.file(clip)
    counter = bureau.file(clip, "counter_notice", contact="", source="")
    bureau.settle("allow")
    assert (bureau.state(receipt), bureau.state(counter)) == ("rejected", "upheld")
    said = read_by_token(bureau.services, counter.notice.notice_id, counter.token)
    assert "counter-notice was right" in state_document(bureau.services, said, "en")["text"]
    assert body(bureau, clip, "notice.decided")["purge"] is False


@pytest.mark.full
def test_what_is_gone_for_good_needs_nobody(bureau):
    clip = bureau.clip("refused")
    receipt = bureau.file(clip)
    assert bureau.state(receipt) == "gone"
    assert bureau.scalar("select count(*) from moderation.cases") == 0


def test_the_stop_is_what_keeps_a_hidden_clip_from_its_callers(bureau, monkeypatch):
    clip = bureau.clip()
    bureau.file(clip)
    bureau.change("update moderation.clips set status = 'released' where clip_id = %s", clip)
    with pytest.raises(Stopped):
        release.media(bureau.services, ORG, clip)
    with monkeypatch.context() as off:
        off.setattr(stops, "stands", lambda *_: False)
        with pytest.raises(Conflict):
            release.media(bureau.services, ORG, clip)


@pytest.mark.full
def test_without_settling_an_approval_would_leave_the_stop(bureau, monkeypatch):
    clip = bureau.clip()
    bureau.file(clip)
    monkeypatch.setattr(settling, "_concerned", lambda *_: [])
    bureau.settle("allow")
    with bureau.services.database.transaction(ORG) as tx:
        assert stops.stands(tx, clip)
