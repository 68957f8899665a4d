"""On which number a record turns: bisection against trying every threshold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import State
from moderation.decisions import Outcome
from moderation.errors import Unprocessable
from moderation.facts import FactRecord, Sample, SignalFact, SubmissionFacts
from moderation.policy.conditions import compile_condition
from moderation.policy.engine import Ruleset
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import (
    Action,
    All,
    AnyOf,
    Anywhere,
    Condition,
    Not,
    OftenIn,
    Policy,
    Rule,
    Said,
    ShareOfClip,
    SignalLeaf,
    Sustained,
)
from moderation.policy.timeline import COMPARE
from moderation.policy.truth import TRUE
from moderation.rehearsing.critical import BEYOND, find_dial, turning_point

LEAF = SignalLeaf(signal="explicit.score", comparator="at_least", threshold=0.5)
OTHER = SignalLeaf(signal="words.hate", comparator="at_least", threshold=0.5)


def ruleset_of(when: Condition, outcome: Outcome = Outcome.REVIEW) -> Ruleset:
    then = Action(outcome=outcome, reasons=(Said(code="hate"),))
    rule = Rule(name="rule", when=when, then=then)
    return Ruleset.of([Policy(area="area", owner="o", description="d", requires=(), rules=(rule,), queue="explicit")])


def record(values: list[float], hate: float) -> FactRecord:
    return FactRecord(
        org="default",
        clip="clip_1",
        judged_at="2026-01-01T00:00:00+00:00",
        duration_ms=250 * len(values),
        phase="public",
        submission=SubmissionFacts(creator="ana"),
        signals={
            "explicit.score": SignalFact(
                state=State.MEASURED, samples=tuple(Sample(250 * at, value) for at, value in enumerate(values))
            ),
            "words.hate": SignalFact(state=State.MEASURED, samples=(Sample(0, hate),)),
        },
    )


grid = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
quantifiers = st.sampled_from([Anywhere(), Sustained(500), OftenIn(2, 3), ShareOfClip(0.5)])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from(grid), min_size=1, max_size=6),
    st.sampled_from([0.0, 1.0]),
    st.sampled_from(["at_least", "above", "at_most", "below"]),
    quantifiers,
    st.sampled_from(
        [lambda leaf: leaf, lambda leaf: All((leaf, OTHER)), lambda leaf: AnyOf((All((leaf,)), Not(OTHER)))]
    ),
)
def test_the_turning_point_is_where_every_threshold_tried_says(values, hate, comparator, quantifier, shape):
    leaf = SignalLeaf(signal="explicit.score", comparator=comparator, threshold=0.25, quantifier=quantifier)
    ruleset = ruleset_of(shape(leaf))
    dial, facts = find_dial(ruleset, "area.rule:explicit.score"), record(values, hate)
    exhibits = Exhibits(facts, ruleset.vocabulary)

    def held(threshold: float) -> bool:
        return compile_condition(dial.condition(threshold)).ask(exhibits) is TRUE

    if held(BEYOND if dial.falling else -BEYOND):
        return  # It holds whatever the threshold; the search never asks where such a record turns.
    at = turning_point(dial, exhibits, {})
    for value in grid:
        for threshold in (dial.admitting(value), dial.refusing(value)):
            assert held(threshold) == (at is not None and COMPARE[leaf.comparator](at, threshold))


def test_a_threshold_is_found_wherever_it_stands():
    assert find_dial(ruleset_of(All((OTHER, AnyOf((LEAF,))))), "area.rule:explicit.score").leaf == LEAF
    turned = find_dial(ruleset_of(All((OTHER, AnyOf((LEAF,))))), "area.rule:explicit.score").condition(0.7)
    assert "threshold=0.7" in repr(turned)
    assert "words.hate" in repr(turned)


@pytest.mark.parametrize(
    ("when", "outcome", "says"),
    [
        (Not(LEAF), Outcome.REVIEW, "inside `not`"),
        (SignalLeaf(signal="explicit.score", comparator="equals", threshold=1.0), Outcome.REVIEW, "equals"),
        (LEAF, Outcome.BLOCK, "sends nothing"),
        (All((LEAF, OTHER)), Outcome.REVIEW, "area.rule:explicit.score, area.rule:words.hate"),
        (
            All((LEAF, SignalLeaf(signal="explicit.score", comparator="below", threshold=0.9))),
            Outcome.REVIEW,
            "turn it by hand",
        ),
    ],
)
def test_what_cannot_be_turned(when, outcome, says):
    with pytest.raises(Unprocessable, match=says):
        find_dial(ruleset_of(when, outcome), "area.rule")
