"""A stored decision comes out the same from its stored facts and its stored rules."""

from moderation.decisions import Decision
from moderation.facts import FactRecord
from moderation.policy.engine import decide
from moderation.policy.loader import load_bundle

GIVEN = """
people: {a: {kind: cameo, consent: not_consented}}
faces: [{state: possible, person: a, distance: 0.5512}]
signals: {explicit.score: '0.31x3 0x5', words.hate: not_measured}
"""


def test_facts_and_bundle_are_all_it_takes_bit_for_bit(rules, stage):
    ruleset = rules(
        "when: {signal: explicit.score, at_least: 0.3}\n    then: {outcome: review, reasons: [explicit_content]}",
        "when: {person: not_consented}\n    then: {outcome: review, reasons: [unconsented_likeness]}",
    )
    facts = stage(GIVEN)
    decision = decide(facts, ruleset)
    stored_facts, stored_rules, stored_decision = facts.to_bytes(), ruleset.to_bytes(), decision.to_bytes()

    again = decide(FactRecord.from_json(stored_facts), load_bundle(stored_rules.decode()))

    assert again.to_bytes() == stored_decision
    assert Decision.from_json(decision.to_json()).digest() == again.digest()


def test_another_number_in_the_facts_is_another_decision(rules, stage):
    ruleset = rules("when: {signal: explicit.score, at_least: 0.3}\n    then: {outcome: review, reasons: [hate]}")
    facts = stage(GIVEN)
    changed = FactRecord.from_json(facts.to_bytes().replace(b"0.31", b"0.32"))
    assert decide(changed, ruleset).to_bytes() != decide(facts, ruleset).to_bytes()
