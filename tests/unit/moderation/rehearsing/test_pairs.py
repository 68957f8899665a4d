"""Two policy sets on one record: what both say is worked out once, and comes out as if each were asked alone."""

import random

import pytest

from detectors.base import FaceState, State
from moderation.facts import FaceFact, FactRecord, Sample, ShotStart, SignalFact, SubmissionFacts
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import Folder, compile_folder
from moderation.policy.vocabulary import FILE, render
from moderation.rehearsing.outlines import Outline
from moderation.rehearsing.pairs import Pair

POLICY = """\
language: 1
owner: somebody
description: for a test
queue: explicit
requires: [explicit.score]
rules:
  - rule: sure
    when: {signal: explicit.score, at_least: 0.8, for: 500ms}
    then: {outcome: block, reasons: [explicit_content]}
  - rule: doubt
    when: {all: [{signal: explicit.score, at_least: 0.3}, {signal: face.age, below: 30}], within: same_shot}
    then: {outcome: review, reasons: [explicit_content]}
  - rule: young
    when: {all: [{signal: face.age, below: 20}, {signal: words.hate, at_least: 0.2}]}
    exceptions:
      - {exception: e, owner: o, why: w, expires: 2030-01-01, when: {signal: explicit.score, below: 0.1}}
    then: {outcome: review, reasons: [hate], queue: likeness, priority: 70}
"""
#: What may be otherwise, and in what: a number, the words of an exception, a rule, what is required, the vocabulary.
CHANGES = [
    ("", ""),
    ("at_least: 0.3", "at_least: 0.5"),
    ("below: 0.1", "below: 0.4"),
    ("rule: doubt", "rule: doubts"),
    ("queue: likeness", "queue: explicit"),
    ("requires: [explicit.score]", "requires: [explicit.score, face.age]"),
]


def ruleset(old: str = "", new: str = "", vocabulary: str | None = None) -> Ruleset:
    texts = {FILE: vocabulary or render(), "area/policy.yaml": POLICY.replace(old, new) if old else POLICY}
    compiled, findings = compile_folder(Folder(root="", texts=texts))
    assert compiled is not None, findings
    return compiled


def records(number: int) -> list[FactRecord]:
    rng = random.Random(7)
    return [draw(rng, f"clip_{at}") for at in range(number)]


def draw(rng: random.Random, clip: str) -> FactRecord:
    def signal(low: float, high: float, track: int | None) -> SignalFact:
        samples = tuple(Sample(at * 250, rng.uniform(low, high), track) for at in range(rng.randrange(8)))
        return SignalFact(state=rng.choice([*State, State.MEASURED]), samples=samples)

    signals = {
        "explicit.score": signal(0, 1, None),
        "words.hate": signal(0, 1, None),
        "face.age": signal(10, 50, 0),
    }
    return FactRecord(
        org="default",
        clip=clip,
        judged_at="2026-11-01T00:00:00+00:00",
        duration_ms=2000,
        phase="public",
        submission=SubmissionFacts(creator="ana"),
        signals={name: fact for name, fact in signals.items() if rng.random() < 0.9},
        faces=(FaceFact(track=0, start_ms=0, end_ms=2000, state=FaceState.UNMATCHED),),
        shots=(ShotStart(0, 0), ShotStart(700, 1)),
    )


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change[1] or "nothing")
def test_both_come_out_as_each_alone(change: tuple[str, str]):
    old, new = ruleset(), ruleset(*change)
    pair, seen = Pair.of(old, new), set()
    for facts in records(60):
        before, after, _ = pair.outlines(facts)
        assert (before, after) == (Outline.of(decide(facts, old)), Outline.of(decide(facts, new)))
        seen.add((before.outcome, before == after))
    assert len({outcome for outcome, _ in seen}) == 3
    assert ({same for _, same in seen} == {True}) is (change == ("", ""))


def test_rules_that_both_have_are_asked_once():
    pair = Pair.of(ruleset(), ruleset("at_least: 0.3", "at_least: 0.5"))
    assert sorted(map(bool, pair.twins.values())) == [False, True, True]


def test_sets_that_read_signals_otherwise_share_nothing():
    lines = [line for line in render().splitlines(keepends=True) if "words.scam" not in line]
    pair = Pair.of(ruleset(), ruleset(vocabulary="".join(lines)))
    assert not pair.alike
    assert not any(pair.twins.values())
    facts = records(1)[0]
    assert pair.outlines(facts)[1] == Outline.of(decide(facts, pair.new))
