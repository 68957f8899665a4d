"""Lots and trends without a database: what belongs together, when a draw speaks for the rest, and how often it errs."""

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.decisions import Decision, Outcome, Reason, RuleTrace
from moderation.policy.engine import Ruleset
from moderation.policy.loader import Folder, compile_folder
from moderation.policy.vocabulary import FILE, render
from moderation.quality.bounds import bound_when_all_agree, cases_to_draw
from moderation.review.batches import apart_by
from moderation.review.lots import OpenCase, lots_of, normalised
from moderation.review.sampling import chance
from moderation.review.trends import Member, Trend, draw, standing_of

NOW = datetime(2026, 11, 22, tzinfo=UTC)
few = settings(max_examples=20, deadline=None)


def case(number: int, prompt: str = "", person: str | None = None, rule: str = "doubt") -> OpenCase:
    opened = Decision(
        outcome=Outcome.REVIEW,
        facts_hash="",
        reasons=(Reason(code="likeness", person=person),),
        trace=(RuleTrace(policy="area", rule=rule, truth="true", outcome=Outcome.REVIEW),),
    )
    at = NOW + timedelta(minutes=number)
    return OpenCase(
        case_id=f"case_{number:03}", created_at=at, deadline=at, prompt=prompt, body=json.dumps(opened.to_json())
    )


def test_lots_are_of_prompts_persons_and_rules():
    cases = [case(n, f"The King dancing, take {n}!", "per_1" if n < 12 else "per_2") for n in range(20)]
    found = {(lot.kind, lot.key): lot for lot in lots_of(cases)}
    assert set(found) == {("prompt", "the king dancing take"), ("person", "per_1"), ("rule", "area.doubt")}
    assert len(found["person", "per_1"].cases) == 12
    assert (found["person", "per_1"].oldest, found["person", "per_1"].due) == (NOW, NOW)


@pytest.mark.parametrize(
    ("one", "other"), [("Café  DANSE 4", "cafe danse!"), ("الملكُ يرقص", "الملك يرقص"), ("a_b", "a b")]
)
def test_prompts_that_differ_in_dress_alone_are_one(one, other):
    assert normalised(one) == normalised(other) != ""


def trend(**changes) -> Trend:
    plain = Trend(
        trend_id="trend_1",
        queue="likeness",
        kind="rule",
        key="area.doubt",
        tolerated=0.05,
        confidence=0.95,
        state="drawn",
        opened_by="ana",
        opened_at=NOW,
        settled_by=None,
        settled_at=None,
        outcome=None,
        reason=None,
        wrong_at_most=None,
    )
    return replace(plain, **changes)


def member(number: int, *, drawn: bool, **changes) -> Member:
    decided = Member(
        case_id=f"case_{number}",
        clip_id=f"clip_{number}",
        drawn=drawn,
        state="decided" if drawn else "open",
        stage="first",
        queue="likeness",
        outcome="block" if drawn else None,
        reason="likeness" if drawn else None,
        opinion_id=f"opn_{number}" if drawn else None,
        final=drawn,
    )
    return replace(decided, **changes)


def lot(**changes) -> list[Member]:
    """Forty cases, twenty drawn; the changes are those of the first."""
    return [member(n, drawn=n < 20, **(changes if n == 0 else {})) for n in range(40)]


def test_all_alike_speak_for_the_rest():
    standing = standing_of(trend(), lot())
    assert (standing.agreed, standing.split) == (("block", "likeness"), False)
    assert (len(standing.drawn), len(standing.rest)) == (20, 20)
    assert standing.bound == bound_when_all_agree(40, 20)


@pytest.mark.parametrize(
    ("changes", "split"),
    [
        ({"outcome": "allow", "reason": "no_violation"}, True),
        ({"reason": "hate"}, True),
        ({"state": "closed"}, True),
        ({"stage": "second", "state": "open", "final": False}, True),
        ({"queue": "explicit"}, True),
        ({"state": "open", "outcome": None, "reason": None, "final": False}, False),
        ({"final": False}, False),
    ],
)
def test_anything_else_does_not(changes, split):
    standing = standing_of(trend(), lot(**changes))
    assert (standing.agreed, standing.split) == (None, split)


def test_a_case_of_the_rest_that_came_out_otherwise_splits_the_trend():
    members = [*lot(), member(99, drawn=False, state="decided", outcome="allow", reason="no_violation", final=True)]
    assert standing_of(trend(), members).split


@few
@given(st.integers(10, 400), st.floats(0, 0.6), st.integers(0, 2**32))
def test_the_stated_bound_is_rarely_exceeded(size, harm, seed):
    """However much of a lot is otherwise, the rest is otherwise beyond the bound in 5 % of draws at most."""
    otherwise = round(size * harm)
    drawn = cases_to_draw(size, 0.05)
    bound = bound_when_all_agree(size, drawn)
    if otherwise <= bound.wrong:
        return
    # Only a draw that holds none of them speaks, and then all of them are in the rest.
    rng = random.Random(seed)
    clean = sum(min(rng.sample(range(size), drawn)) >= otherwise for _ in range(200))
    assert clean / 200 <= 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_every_set_is_drawn_as_often_as_any_other():
    cases = [f"case_{n}" for n in range(12)]
    counts = Counter(each for _ in range(600) for each in draw(cases, 0.5))
    expected = sum(counts.values()) / 12
    assert sum((counts[each] - expected) ** 2 / expected for each in cases) < 31.3  # chi-square, 11, at 0.1 %


def test_near_duplicates_hold_one_another():
    rng = np.random.default_rng(1)
    one = rng.integers(0, 256, (10, 32), np.uint8)
    near = one.copy()
    near[:, 0] ^= 1
    assert apart_by(one, near) == 1
    assert apart_by(one, rng.integers(0, 256, (10, 32), np.uint8)) is None
    assert apart_by(one, np.concatenate([near, rng.integers(0, 256, (3, 32), np.uint8)])) is None
    assert apart_by(one, one[:0]) is None


POLICY = """\
language: 1
owner: somebody
description: for a test
queue: likeness
requires: []
rules:
  - rule: often
    when: {signal: explicit.score, at_least: 0.1}
    then: {outcome: allow, sample_rate: 0.1}
  - rule: seldom
    when: {signal: explicit.score, at_least: 0.2}
    then: {outcome: allow, sample_rate: 0.01}
"""


def test_the_chance_of_a_sampled_clip_is_that_of_the_rule_that_draws_most():
    ruleset, findings = compile_folder(Folder(root="", texts={FILE: render(), "area/policy.yaml": POLICY}))
    assert isinstance(ruleset, Ruleset), findings
    traces = tuple(
        RuleTrace(policy="area", rule=rule, truth="true", outcome=Outcome.ALLOW) for rule in ("often", "seldom")
    )
    decision = Decision(outcome=Outcome.ALLOW, facts_hash="", trace=traces, sampled=("area.seldom",))
    assert chance(ruleset, decision) == 0.01
    assert chance(ruleset, replace(decision, sampled=("area.often", "area.seldom"))) == 0.1
    assert chance(ruleset, replace(decision, sampled=())) == 0
