"""Reviewers learn how they answered golden cases: only their own, a week late, never while the week runs."""

from datetime import UTC, datetime, timedelta

import pytest

from moderation.decisions import Outcome
from moderation.quality.feedback import last_week, read_feedback
from moderation.review import golden, reviewers


def told(desk, who: str):
    with desk.transaction() as tx:
        return read_feedback(tx, who, desk.now)


@pytest.fixture
def mixed(desk, settle):
    """A golden case in the queue, whose right answer is to block; its id."""
    with desk.transaction() as tx:
        tx.pg.execute("update moderation.queues set golden_rate = 1.0")
    known = desk.case(settle("ana", "block"))
    said = {"reason": "explicit_content", "why": "It shows what the policy names."}
    with desk.transaction() as tx:
        new = golden.NewGolden(clip_id=known.clip_id, queue="explicit", outcome=Outcome.BLOCK, **said)
        golden.add_golden(tx, desk.now, new, policy_version="v7", by="lead")
    desk.wait(hours=2)
    desk.open()
    with desk.transaction() as tx:
        reviewers.enlist(tx, desk.now, "ben")
        assert golden.mix_in(tx, desk.now)
    (case,) = desk.column("select case_id from moderation.cases where source = 'golden'")
    return case


def answer_all(desk, who: str, outcome: str) -> None:
    for _ in range(2):
        desk.decide(who, desk.claim(who), outcome)


def test_ones_own_answer_is_told_when_its_week_is_over_with_the_sentence_that_makes_it_right(desk, mixed):
    answer_all(desk, "ben", "allow")
    assert told(desk, "ben") == (), "the week still runs"
    desk.wait(days=7)
    (found,) = told(desk, "ben")
    assert (found.case_id, found.mine, found.right, found.met) == (mixed, "allow", "block", False)
    assert (found.why, found.policy_version) == ("It shows what the policy names.", "v7")
    assert told(desk, "ana") == ()
    desk.wait(days=7)
    assert told(desk, "ben") == (), "older weeks are over"


@pytest.mark.parametrize("day", range(7))
def test_a_week_runs_from_monday_to_monday(day):
    now = datetime(2026, 11, 16, 9, tzinfo=UTC) + timedelta(days=day)
    assert last_week(now) == (datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 16, tzinfo=UTC))
