"""A stored decision comes out the same from its stored facts and rules, and a changed one does not."""

import json

import pytest

from moderation.canonical import canonical
from moderation.policy.engine import decide
from moderation.policy.loader import load_bundle
from moderation.policy.replay import replay

GIVEN = """
people: {a: {kind: cameo, consent: not_consented}}
faces: [{state: possible, person: a, distance: 0.5512}]
signals: {explicit.score: '0.31x3 0x5'}
"""


@pytest.fixture
def stored(rules, stage) -> tuple[bytes, bytes, str]:
    ruleset = rules(
        "when: {signal: explicit.score, at_least: 0.3}\n    then: {outcome: review, reasons: [explicit_content]}",
        "when: {person: not_consented}\n    then: {outcome: review, reasons: [unconsented_likeness]}",
    )
    facts = stage(GIVEN)
    return facts.to_bytes(), decide(facts, ruleset).to_bytes(), ruleset.bundle


def test_a_stored_decision_is_derived_again_bit_for_bit(stored):
    facts, decision, bundle = stored
    again = replay(facts, json.loads(decision), load_bundle(bundle))
    assert again.equal
    assert canonical(again.derived.to_json()) == decision


def test_a_changed_fact_or_decision_is_told(stored):
    facts, decision, bundle = stored
    ruleset = load_bundle(bundle)
    assert replay(facts.replace(b"0.5512", b"0.5513"), json.loads(decision), ruleset).differences == (
        "facts_hash",
        "trace",
    )
    changed = json.loads(decision) | {"outcome": "allow"}
    assert replay(facts, changed, ruleset).differences == ("outcome",)


def test_a_decision_of_other_rules_is_refused(stored):
    facts, decision, bundle = stored
    other = json.loads(decision) | {"policy_version": "0" * 64}
    with pytest.raises(ValueError, match="another policy version"):
        replay(facts, other, load_bundle(bundle))
