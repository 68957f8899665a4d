"""A notice that a rule's case upheld ends with that answer; what another upheld stands, and keeps its clip in."""

import pytest

from moderation import review
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome
from moderation.notices import stops
from moderation.notices.opening import bring_stopped
from moderation.recording import insert_decision

ORG = "default"
ASKED = Decision(outcome=Outcome.REVIEW, facts_hash="", queue="explicit")
LIMITED = {"outcome": Outcome.RESTRICT, "reason": "explicit_content", "error_class": "wrong_policy"}
KINDS = pytest.mark.parametrize("kind", ["illegal_content", "rights_holder", "likeness"])


@pytest.fixture
def asked(bureau):
    """A film that a rule put before a person."""
    return ask(bureau, bureau.film(1, 2))


def ask(bureau, clip):
    bureau.change("update moderation.clips set status = 'processing' where clip_id = %s", clip)
    with bureau.services.database.transaction(ORG) as tx:
        found, now = read_clip(tx, clip, lock=True), bureau.clock.now()
        by = insert_decision(tx, found, ASKED, actor_kind="rule", actor="policy", now=now)
        review.open_case(tx, bureau.services.enqueuer, found, ASKED, by, now)
    return clip


def overturn(bureau, case, **wish):
    version = bureau.scalar("select version from moderation.cases where case_id = %s", case.case_id)
    bureau.overturn("lou", case.case_id, version, **wish)


def listed(bureau):
    return bureau.scalar("select count(*) from moderation.hash_entries where enabled") > 0


def judged_again(bureau, clip):
    """Whether a clip that nothing else speaks against is put before a person all the same."""
    with bureau.services.database.transaction(ORG) as tx:
        return bring_stopped(tx, bureau.services.enqueuer, bureau.clock.now(), read_clip(tx, clip, lock=True))


@KINDS
def test_overturning_a_rules_block_rejects_what_that_block_upheld(bureau, asked, kind):
    receipt = bureau.file(asked, kind)
    case = bureau.settle("block", queue="explicit")
    assert (bureau.state(receipt), bureau.status(asked), listed(bureau)) == ("upheld", "withheld", True)
    overturn(bureau, case)
    assert (bureau.state(receipt), bureau.status(asked), listed(bureau)) == ("rejected", "processing", False)
    assert not judged_again(bureau, asked)


@KINDS
def test_overturning_an_older_answer_leaves_a_clip_in_that_a_notice_keeps_in_since(bureau, asked, kind):
    case = bureau.settle("allow", queue="explicit")
    bureau.change("update moderation.clips set status = 'released' where clip_id = %s", asked)
    receipt = bureau.file(asked, kind)
    bureau.settle("block", who="eve")
    overturn(bureau, case, **LIMITED)
    assert (bureau.state(receipt), bureau.status(asked), listed(bureau)) == ("upheld", "processing", True)
    assert judged_again(bureau, asked)
    bureau.settle("allow", who="kim")
    assert (bureau.state(receipt), listed(bureau)) == ("rejected", False)
    with bureau.services.database.transaction(ORG) as tx:
        assert not stops.stands(tx, asked)


def test_what_another_notice_stands_on_stays_listed_where_a_rules_block_is_overturned(bureau):
    clip = bureau.film(1, 2)
    first = bureau.file(clip, "illegal_content")
    bureau.settle("block")
    later = bureau.file(ask(bureau, clip), "rights_holder", contact="yan@example.org")
    case = bureau.settle("block", who="eve", queue="explicit")
    overturn(bureau, case)
    assert ([bureau.state(each) for each in (first, later)], listed(bureau)) == (["upheld", "rejected"], True)
    assert judged_again(bureau, clip)
