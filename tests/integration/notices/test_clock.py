"""What is due first is dealt first, whatever waits and whoever has it; a clip that is gone leaves nothing open."""

from datetime import timedelta

import pytest

from moderation import appeals, release, review
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import Unprocessable
from moderation.notices import settling
from moderation.notices.figures import read_figures
from moderation.notices.opening import QUIET
from moderation.notices.rows import read_by_token, state_document
from moderation.notices.tending import tend
from moderation.recording import insert_decision
from moderation.review import dealing
from moderation.statements import read_statement

ORG = "default"
CASE = (
    "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at) "
    "select org_id, 'case_1', clip_id, %s, decision_id, %s, created_at from moderation.decisions where clip_id = %s"
)


def test_the_notice_that_is_due_first_is_dealt_first_even_beyond_the_hours_of_its_queue(bureau, monkeypatch):
    bureau.change("update moderation.queues set hours_per_day = 0.01 where name = 'takedown'")
    first = bureau.clip()
    bureau.file(first, "likeness")
    bureau.wait(hours=1)
    for _ in range(2):
        bureau.file(bureau.clip())
    with monkeypatch.context() as off:
        off.setattr(dealing, "BY_CLOCK", frozenset())
        assert bureau.claim("eve").clip_id != first
    assert bureau.claim("ben").clip_id == first


def test_a_case_that_somebody_has_for_other_reasons_runs_by_the_notices_clock(bureau):
    clip = bureau.clip("in_review", "review")
    bureau.change(CASE, "explicit", bureau.clock.now() + timedelta(days=9), clip)
    receipt = bureau.file(clip)
    deadline = "select deadline from moderation.cases where clip_id = %s"
    assert bureau.scalar(deadline, clip) == receipt.notice.due_at
    bureau.wait(hours=1)
    bureau.file(clip, contact="yan@example.org")
    assert bureau.scalar(deadline, clip) == receipt.notice.due_at


def test_a_clip_that_is_deleted_ends_what_is_open_about_it_and_nobody_was_right(bureau, monkeypatch):
    clip, kept = bureau.clip(), bureau.clip("withheld", "block")
    receipt = bureau.file(clip)
    statement = read_statement(bureau.services, ORG, kept)
    proof = (statement["decision_id"], statement["redress"]["token"])
    appeal, token = appeals.appeal_as_creator(bureau.services, kept, *proof, "It was a parody.")
    with monkeypatch.context() as off:
        off.setattr(release, "settle_gone", lambda *_: 0)
        release.delete(bureau.services, ORG, kept, "ana")
        assert appeals.read_appeal(bureau.services, appeal.appeal_id, token).state == "open"
    bureau.change("update moderation.clips set erased_at = null where clip_id = %s", kept)
    for each in (clip, kept):
        release.delete(bureau.services, ORG, each, "ana")
    told = state_document(
        bureau.services, read_by_token(bureau.services, receipt.notice.notice_id, receipt.token), "en"
    )
    assert (told["state"], told["redress"], "Nobody needed to decide" in told["text"]) == ("gone", "", True)
    assert appeals.read_appeal(bureau.services, appeal.appeal_id, token).state == "gone"
    assert (bureau.events(clip)[-1], bureau.events(kept)[-1]) == ("notice.decided", "appeal.decided")
    assert bureau.scalar("select count(*) from moderation.cases where state = 'open'") == 0
    assert tend(bureau.services) == 0
    # Whoever files about it now learns the same, and hides nothing.
    assert bureau.state(bureau.file(clip, contact="yan@example.org")) == "gone"
    figures = read_figures(bureau.services, ORG, until="2027-01-01")
    assert [(line["filed"], line["gone"], line["upheld"], line["median_seconds"]) for line in figures["notices"]] == [
        (2, 2, 0, None)
    ]
    assert [line["gone"] for line in figures["appeals"]] == [1]


def test_a_clip_withdrawn_before_its_notice_and_then_deleted_leaves_no_case(bureau):
    clip = bureau.clip("withdrawn")
    receipt = bureau.file(clip)
    assert bureau.scalar("select state from moderation.cases where clip_id = %s", clip) == "open"
    release.delete(bureau.services, ORG, clip, "ana")
    assert bureau.scalar("select state from moderation.cases where clip_id = %s", clip) == "closed"
    assert bureau.state(receipt) == "gone"


def test_a_notice_about_sealed_material_is_not_answered_at_once(bureau):
    """Who made such a clip could else learn by a notice of their own that it is on a list."""
    clip = bureau.clip("withheld", "block")
    bureau.change(CASE, "known_illegal", bureau.clock.now(), clip)
    bureau.change("update moderation.cases set state = 'closed'")
    receipt = bureau.file(clip)
    tend(bureau.services)
    assert bureau.state(receipt) == "open"
    bureau.clock.at += QUIET
    tend(bureau.services)
    assert bureau.state(receipt) == "upheld"
    assert bureau.scalar("select count(*) from moderation.cases where state = 'open'") == 0


def test_a_counter_notice_that_was_rejected_is_appealed_as_whoever_made_the_clip(bureau, monkeypatch):
    clip = bureau.clip()
    bureau.file(clip)
    counter = bureau.file(clip, "counter_notice", contact="", source="")
    bureau.settle("block")
    assert bureau.state(counter) == "rejected"
    made = appeals.appeal_as_notifier(bureau.services, counter.notice.notice_id, counter.token, "It is a parody.")
    bureau.settle("allow", who="lou", queue="appeals")
    assert appeals.read_appeal(bureau.services, made[0].appeal_id, made[1]).state == "upheld"
    assert settling.COUNTER == "counter_notice"


def test_a_case_that_opens_after_a_notice_runs_by_its_clock_too(bureau):
    bureau.change("update moderation.queues set patience_s = 9 * 86400 where name = 'likeness'")
    quiet, clip = bureau.clip("processing", decided=False), bureau.clip("processing", decided=False)
    receipt = bureau.file(clip, "likeness")
    asked = Decision(outcome=Outcome.REVIEW, facts_hash="", queue="likeness")
    deadlines = []
    for each in (quiet, clip):
        with bureau.services.database.transaction(ORG) as tx:
            now, found = bureau.clock.now(), read_clip(tx, each, lock=True)
            by = insert_decision(tx, found, asked, actor_kind="rule", actor="policy", now=now)
            case = review.open_case(tx, bureau.services.enqueuer, found, asked, by, now)
            deadlines.append(review.read_case(tx, case).deadline)
    assert deadlines == [bureau.clock.now() + timedelta(days=9), receipt.notice.due_at]


@pytest.mark.parametrize(
    "asked",
    [
        {"until": "0001-06-01"},
        {"since": "0001-01-01T00:00:00+10:00"},
        {"until": "9999-12-31T23:59:59-10:00"},
        {"since": "lately"},
    ],
)
def test_figures_of_times_that_are_none_are_refused(bureau, asked):
    with pytest.raises(Unprocessable):
        read_figures(bureau.services, ORG, **asked)
    assert read_figures(bureau.services, ORG, since="0001-01-01", until="0001-06-01")["notices"] == []
