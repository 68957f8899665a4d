"""A decision survives storage, outcomes are ordered, and audiences only narrow."""

import itertools

import pytest

from moderation.decisions import Audience, Cause, Decision, Leaf, Note, Outcome, Reason, RuleTrace, Span


def test_outcomes_are_ordered_by_strictness():
    order = sorted(Outcome, key=lambda outcome: outcome.strictness)
    assert order == [Outcome.ALLOW, Outcome.RESTRICT, Outcome.REVIEW, Outcome.BLOCK]


def test_a_decision_reads_back_to_the_same_bytes():
    leaf = Leaf(
        says="explicit.score at_least 0.8",
        truth="true",
        spans=(Span(start_ms=0, end_ms=500, peak=0.9, track=1, person="per_a"),),
        causes=(Cause(kind="signal", name="face.age", state="failed"),),
    )
    decision = Decision(
        outcome=Outcome.REVIEW,
        facts_hash="00",
        reasons=(Reason(code="prompt_text", params={"category": "hate"}, start_ms=0, end_ms=5),),
        lesser=(Reason(code="explicit_content", track=3),),
        notes=(Note(code="young_looking", track=3),),
        queue="words",
        trace=(RuleTrace(policy="words", rule="hate", truth="true", outcome=Outcome.REVIEW, leaves=(leaf,)),),
    )
    again = Decision.from_json(decision.to_json())
    assert again == decision
    assert again.to_bytes() == decision.to_bytes()
    assert isinstance(again.notes[0], Note)


def test_a_decision_with_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="surprise"):
        Decision.from_json(Decision(outcome=Outcome.ALLOW, facts_hash="00").to_json() | {"surprise": 1})


def test_a_reason_is_settled_for_its_person_before_its_track():
    assert Reason(code="x", person="per_a", track=1).settles == ("x", "per_a")
    assert Reason(code="x", track=1).settles == ("x", 1)
    assert Reason(code="x").settles == ("x", None)


AUDIENCES = [Audience(teens=t, adults_only=a, no_remix=r) for t, a, r in itertools.product((True, False), repeat=3)]


@pytest.mark.parametrize(("one", "other"), list(itertools.product(AUDIENCES, repeat=2)))
def test_two_audiences_together_are_never_wider_than_either(one, other):
    both = one.narrowed(other)
    assert both == other.narrowed(one)
    for part in (one, other):
        assert not (both.teens and not part.teens)
        assert both.adults_only >= part.adults_only
        assert both.no_remix >= part.no_remix
    assert not (both.teens and both.adults_only)
