"""Whose view comes after an answer, for every order of opinions that can be."""

from itertools import product

import pytest

from moderation.decisions import Outcome
from moderation.errors import Unprocessable
from moderation.review.escalation import next_stage

ALLOW, RESTRICT, REVIEW, BLOCK = Outcome
SAID = (ALLOW, RESTRICT, BLOCK)


@pytest.mark.parametrize(
    ("given", "outcome", "asks", "two_people", "after"),
    [
        ((), ALLOW, False, False, None),
        ((), BLOCK, False, True, None),
        ((), ALLOW, False, True, "second"),
        ((), RESTRICT, False, True, "second"),
        ((), BLOCK, True, False, "second"),
        ((), REVIEW, True, False, "second"),
        ((ALLOW,), ALLOW, False, True, None),
        ((ALLOW,), BLOCK, False, False, "third"),
        ((BLOCK,), BLOCK, False, False, None),
        ((BLOCK,), BLOCK, True, False, "third"),
        ((ALLOW,), REVIEW, True, False, "second"),
        ((REVIEW,), ALLOW, False, False, None),
        ((REVIEW,), ALLOW, False, True, "second"),
        ((REVIEW, ALLOW), ALLOW, False, True, None),
        ((REVIEW, REVIEW), BLOCK, False, True, None),
        ((ALLOW, BLOCK), RESTRICT, False, False, None),
        ((ALLOW, BLOCK), BLOCK, False, True, None),
        ((ALLOW, BLOCK), RESTRICT, False, True, None),
    ],
)
def test_an_answer_decides_or_calls_for_another_view(given, outcome, asks, two_people, after):
    assert next_stage(given, outcome, asks=asks, two_people=two_people) == after


@pytest.mark.parametrize(("given", "outcome"), [((RESTRICT, BLOCK), ALLOW), ((BLOCK, RESTRICT), ALLOW)])
def test_where_it_takes_two_a_third_alone_lets_nothing_out(given, outcome):
    with pytest.raises(Unprocessable, match="two people"):
        next_stage(given, outcome, asks=False, two_people=True)
    assert next_stage(given, outcome, asks=False, two_people=False) is None


def test_a_third_view_decides_and_asks_nobody():
    for outcome, asks in ((REVIEW, True), (ALLOW, True), (REVIEW, False)):
        with pytest.raises(Unprocessable, match="your answer decides"):
            next_stage((ALLOW, BLOCK), outcome, asks=asks, two_people=False)


def test_nothing_gets_out_on_one_persons_word_where_it_takes_two():
    """Every run of answers to its end: who let a clip out, somebody before them would have."""
    ends = 0
    for answers in product((*SAID, REVIEW), repeat=4):
        given: list[Outcome] = []
        for outcome in answers:
            try:
                stage = next_stage(given, outcome, asks=outcome is REVIEW, two_people=True)
            except Unprocessable:
                break
            if stage is None:
                backing = [view for view in given if view.strictness <= outcome.strictness]
                assert outcome is BLOCK or backing, (given, outcome)
                ends += 1
                break
            given.append(outcome)
    assert ends > 100
