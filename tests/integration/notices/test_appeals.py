"""An appeal is free, open for six months, and decided by somebody who took no part; one at a time."""

import pytest

from moderation import appeals
from moderation.errors import Conflict, NotFound
from moderation.notices.rows import read_by_token, state_document
from moderation.statements import read_statement, token_of

ORG = "default"


def appeal(bureau, clip, **changes):
    """Appeal as a clip's creator, with what the statement of reasons says."""
    said = read_statement(bureau.services, ORG, clip)
    asked = {"decision_id": said["decision_id"], "token": said["redress"]["token"], **changes}
    return appeals.appeal_as_creator(bureau.services, clip, explanation="It was a parody.", **asked)


def state(bureau, made):
    return appeals.read_appeal(bureau.services, made[0].appeal_id, made[1]).state


def nothing_for(bureau, who, queue="appeals"):
    with pytest.raises(AssertionError, match="nothing in"):
        bureau.claim(who, queue)


def test_an_appeal_goes_to_somebody_else_and_lets_the_clip_be_judged_again(bureau, monkeypatch):
    clip = bureau.clip()
    notice = bureau.file(clip)
    bureau.settle("block", who="ben")
    made = appeal(bureau, clip)
    assert bureau.status(clip) == "withheld"
    nothing_for(bureau, "ben")
    bureau.settle("allow", who="lou", queue="appeals")
    assert (state(bureau, made), bureau.state(notice), bureau.status(clip)) == ("upheld", "rejected", "processing")
    assert "appeal.decided" in bureau.events(clip)
    assert bureau.scalar("select count(*) from moderation.clip_stops where lifted_at is null") == 0


@pytest.mark.full
def test_the_guard_against_judging_oneself_is_what_keeps_them_away(bureau):
    clip = bureau.clip()
    bureau.file(clip)
    bureau.settle("block", who="ben")
    appeal(bureau, clip)
    nothing_for(bureau, "ben")
    bureau.change(
        "insert into moderation.undone_opinions select org_id, opinion_id, answered_at from moderation.opinions"
    )
    assert bureau.claim("ben", "appeals").clip_id == clip


def test_a_rejected_appeal_is_the_last_here(bureau):
    clip = bureau.clip("withheld", "block")
    made = appeal(bureau, clip)
    with pytest.raises(Conflict):
        appeal(bureau, clip)
    bureau.settle("block", queue="appeals")
    assert (state(bureau, made), bureau.status(clip)) == ("rejected", "withheld")
    with pytest.raises(Conflict, match="out-of-court"):
        appeal(bureau, clip)


def test_whoever_gave_notice_may_appeal_against_its_rejection(bureau):
    clip = bureau.clip()
    receipt = bureau.file(clip)
    notice = receipt.notice.notice_id

    def go(token=receipt.token):
        return appeals.appeal_as_notifier(bureau.services, notice, token, "Look again at 0:02.")

    with pytest.raises(Conflict):
        go()
    bureau.settle("allow", who="ben")
    with pytest.raises(NotFound):
        go("wrong")
    made = go()
    nothing_for(bureau, "ben")
    bureau.settle("block", who="lou", queue="appeals")
    assert (state(bureau, made), bureau.state(receipt), bureau.status(clip)) == ("upheld", "upheld", "withheld")


def test_whoever_gave_notice_appeals_once_and_others_whose_notices_the_same_answer_rejected_once_too(bureau):
    clip = bureau.clip()
    first, second = bureau.file(clip), bureau.file(clip, contact="yan@example.org", source="")

    def go(receipt):
        notice = receipt.notice.notice_id
        return appeals.appeal_as_notifier(bureau.services, notice, receipt.token, "Look again at 0:02.")

    def told(receipt):
        notice = read_by_token(bureau.services, receipt.notice.notice_id, receipt.token)
        said = state_document(bureau.services, notice, "en")
        return said["appeal_until"] is not None, "free of charge" in said["redress"]

    bureau.settle("allow", who="ben")
    made = go(first)
    bureau.settle("allow", who="lou", queue="appeals")
    assert (state(bureau, made), told(first), told(second)) == ("rejected", (False, False), (True, True))
    with pytest.raises(Conflict, match="out-of-court"):
        go(first)
    made = go(second)
    bureau.settle("allow", who="kim", queue="appeals")
    assert (state(bureau, made), told(second)) == ("rejected", (False, False))


def test_a_counter_notice_is_appealed_for_once(bureau):
    clip = bureau.clip()
    bureau.file(clip)
    counter = bureau.file(clip, "counter_notice", contact="", source="")
    bureau.settle("block")
    own = (counter.notice.notice_id, counter.token)
    appeals.appeal_as_notifier(bureau.services, *own, "It is a parody.")
    bureau.settle("block", who="lou", queue="appeals")
    said = state_document(bureau.services, read_by_token(bureau.services, *own), "en")
    assert (said["state"], said["appeal_until"], "free of charge" in said["redress"]) == ("rejected", None, False)
    with pytest.raises(Conflict, match="out-of-court"):
        appeals.appeal_as_notifier(bureau.services, *own, "It is a parody.")


def test_only_the_statements_token_opens_an_appeal_and_only_in_time(bureau):
    clip, other = bureau.clip("withheld", "block"), bureau.clip("withheld", "block")
    theirs = read_statement(bureau.services, ORG, other)
    for changes in (
        {"token": "guess"},
        {"token": "é"},
        {"token": theirs["redress"]["token"]},
        {"decision_id": theirs["decision_id"]},
    ):
        with pytest.raises(NotFound):
            appeal(bureau, clip, **changes)
    forged = token_of(bureau.services, "rival", clip, theirs["decision_id"])
    with pytest.raises(NotFound):
        appeal(bureau, clip, decision_id=theirs["decision_id"], token=forged)
    bureau.wait(days=bureau.services.settings.notices.appeal_days)
    assert state(bureau, appeal(bureau, clip)) == "open"
    bureau.wait(seconds=1)
    with pytest.raises(Conflict, match="time"):
        appeal(bureau, other)


def test_what_a_person_is_about_to_decide_is_not_appealed(bureau):
    clip = bureau.clip()
    bureau.file(clip)
    with pytest.raises(Conflict, match="about to decide"):
        appeal(bureau, clip)


@pytest.mark.full
def test_an_appeal_whose_case_was_closed_gets_another(bureau):
    clip = bureau.clip("withheld", "block")
    made = appeal(bureau, clip)
    bureau.change("update moderation.cases set state = 'closed'")
    assert (appeals.bring_lost(bureau.services), appeals.bring_lost(bureau.services)) == (1, 0)
    bureau.settle("allow", queue="appeals")
    assert state(bureau, made) == "upheld"
