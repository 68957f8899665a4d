"""How verdicts become one decision: precedence, reasons, queues, and what missing signals do."""

from dataclasses import replace

import pytest

from detectors.base import State
from moderation.decisions import Outcome, Reason
from moderation.facts import SignalFact
from moderation.policy.engine import Ruleset, decide, required_failures

EXPLICIT = "when: {signal: explicit.score, at_least: 0.5}\n    then: "
WORDS = "when: {signal: words.hate, at_least: 0.5}\n    then: "
BAD = "signals: {explicit.score: '0.9x8', words.hate: '1'}"


def test_the_strictest_wins_and_the_weaker_reason_is_kept_aside(rules, stage):
    ruleset = rules(
        WORDS + "{outcome: review, reasons: [prompt_text], queue: words, priority: 90}",
        EXPLICIT + "{outcome: block, reasons: [explicit_content], priority: 10}",
    )
    decision = decide(stage(BAD), ruleset)
    assert decision.outcome is Outcome.BLOCK
    assert [reason.code for reason in decision.reasons] == ["explicit_content"]
    assert [reason.code for reason in decision.lesser] == ["prompt_text"]
    assert decision.priority == 90


def test_of_equals_all_reasons_stay_in_order_of_queue_and_priority(rules, stage):
    ruleset = rules(
        WORDS + "{outcome: review, reasons: [hate], queue: words, priority: 100}",
        EXPLICIT + "{outcome: review, reasons: [violence], priority: 10}",
        EXPLICIT + "{outcome: review, reasons: [explicit_content], priority: 20}",
        EXPLICIT + "{outcome: review, reasons: [minor_sexualised], queue: minor_safety, priority: 0}",
    )
    decision = decide(stage(BAD), ruleset)
    codes = [reason.code for reason in decision.reasons]
    assert codes == ["minor_sexualised", "explicit_content", "violence", "hate"]
    assert (decision.queue, decision.priority) == ("minor_safety", 100)


def test_specialists_see_a_blocked_clip_whose_weaker_reason_is_theirs(rules, stage):
    ruleset = rules(
        EXPLICIT + "{outcome: block, reasons: [explicit_content]}",
        WORDS + "{outcome: review, reasons: [minor_safety], queue: minor_safety}",
    )
    decision = decide(stage(BAD), ruleset)
    assert (decision.outcome, decision.queue) == (Outcome.BLOCK, "minor_safety")


def test_the_same_reason_twice_is_one_reason(rules, stage):
    same = EXPLICIT + "{outcome: review, reasons: [explicit_content]}"
    decision = decide(stage(BAD), rules(same, same))
    assert len(decision.reasons) == 1
    assert len(decision.trace) == 2


def test_restrict_limits_and_limits_add_up(rules, stage):
    ruleset = rules(
        EXPLICIT + "{outcome: restrict, reasons: [explicit_content], audience: [adults_only]}",
        WORDS + "{outcome: allow, audience: [not_for_teens], notes: [weapons_in_text]}",
        WORDS + "{outcome: restrict, reasons: [hate], audience: [no_remix]}",
    )
    decision = decide(stage(BAD), ruleset)
    assert decision.outcome is Outcome.RESTRICT
    assert decision.audience.to_json() == {"teens": False, "adults_only": True, "no_remix": True}
    assert decision.queue is None
    assert decision.priority == 0
    assert [note.code for note in decision.notes] == ["weapons_in_text"]


def test_reasons_name_person_face_and_seconds(rules, stage):
    ruleset = rules(
        "when: {person: not_consented}\n    then: {outcome: review, reasons: [unconsented_likeness]}",
        "when: {signal: face.age, below: 25}\n    then: {outcome: review, reasons: [minor_safety]}",
    )
    facts = stage("""
people: {a: {kind: cameo, consent: not_consented}, b: {kind: cameo, consent: not_consented}}
faces:
  - {state: matched, person: b}
  - {state: possible, person: a, signals: {face.age: '30x4 20x2 30x2'}}
""")
    reasons = decide(facts, ruleset).reasons
    assert reasons == (
        Reason(code="unconsented_likeness", person="a", track=1, start_ms=0, end_ms=2000),
        Reason(code="unconsented_likeness", person="b", track=0, start_ms=0, end_ms=2000),
        Reason(code="minor_safety", track=1, start_ms=1000, end_ms=1500),
    )


def test_the_longest_stretch_speaks_for_the_clip(rules, stage):
    ruleset = rules(EXPLICIT + "{outcome: review, reasons: [explicit_content]}")
    (reason,) = decide(stage("signals: {explicit.score: '0.9 0 0.6x3 0x2 0.9'}"), ruleset).reasons
    assert (reason.start_ms, reason.end_ms) == (500, 1250)


@pytest.mark.parametrize("state", [State.FAILED, State.NOT_MEASURED, None])
@pytest.mark.parametrize("signal", ["explicit.score", "face.age", "face.detection"])
def test_a_missing_required_signal_never_allows(rules, stage, signal, state):
    ruleset = rules(WORDS + "{outcome: review, reasons: [hate]}", requires=signal)
    facts = stage("{}")
    others = {name: fact for name, fact in facts.signals.items() if name != signal}
    missing = {} if state is None else {signal: SignalFact(state=state)}
    decision = decide(replace(facts, signals=others | missing), ruleset)
    assert decision.outcome is Outcome.REVIEW
    assert decision.reasons == (Reason(code="detector_unavailable", params={"signal": signal}),)
    assert decision.queue == "explicit"


def test_required_failures_are_outages_and_not_missing_models(rules, stage):
    ruleset = rules(
        WORDS + "{outcome: review, reasons: [hate]}",
        requires="explicit.score, face.age, face.detection, face.match_distance",
    )
    facts = stage("signals: {explicit.score: '_x8', face.age: failed, face.detection: not_measured}")
    without = {name: fact for name, fact in facts.signals.items() if name != "face.match_distance"}
    failures = required_failures(replace(facts, signals=without), ruleset)
    assert failures == ["explicit.score", "face.age", "face.match_distance"]
    assert required_failures(stage("{}"), ruleset) == []


def test_a_policy_or_a_rule_may_be_stricter_on_what_it_does_not_know(rules, stage):
    failed = stage("signals: {explicit.score: failed}")
    rule = EXPLICIT + "{outcome: review, reasons: [explicit_content]}"
    assert decide(failed, rules(rule + "\n    on_undetermined: block")).outcome is Outcome.BLOCK
    head = (
        "language: 1\nowner: o\ndescription: d\nqueue: explicit\nrequires: [{requires}]\n"
        "on_undetermined: block\nrules:\n"
    )
    assert decide(failed, rules(rule, head=head, requires="explicit.score")).outcome is Outcome.BLOCK
    assert decide(failed, rules(rule, head=head)).outcome is Outcome.BLOCK


def test_a_required_signal_that_is_not_measured_leaves_its_rules_open_too(rules, stage):
    rule = EXPLICIT + "{outcome: review, reasons: [explicit_content]}\n    on_undetermined: block"
    unmeasured = stage("signals: {explicit.score: not_measured}")
    assert decide(unmeasured, rules(rule, requires="explicit.score")).outcome is Outcome.BLOCK
    assert decide(unmeasured, rules(rule)).outcome is Outcome.ALLOW


def test_not_measured_and_not_required_is_a_note(rules, stage):
    ruleset = rules(WORDS + "{outcome: review, reasons: [hate]}")
    decision = decide(stage("signals: {words.hate: not_measured}"), ruleset)
    assert decision.outcome is Outcome.ALLOW
    assert [(note.code, note.params["signal"]) for note in decision.notes] == [("not_measured", "words.hate")]


def test_not_measured_beside_something_else_not_known_is_not_known(rules, stage):
    both = "when: {all: [{signal: words.hate, at_least: 0.5}, {fact: submission.market, equals: FR}]}\n    then: "
    decision = decide(stage("signals: {words.hate: not_measured}"), rules(both + "{outcome: review, reasons: [hate]}"))
    assert decision.outcome is Outcome.REVIEW
    assert decision.reasons == (Reason(code="hate", params={"undetermined": True}),)


def test_a_failed_signal_nobody_requires_still_asks_a_person(rules, stage):
    ruleset = rules(WORDS + "{outcome: review, reasons: [hate]}")
    decision = decide(stage("signals: {words.hate: failed}"), ruleset)
    assert decision.outcome is Outcome.REVIEW
    assert decision.reasons == (Reason(code="detector_unavailable", params={"signal": "words.hate"}),)


def test_a_block_that_cannot_be_told_goes_to_a_person(rules, stage):
    ruleset = rules(EXPLICIT + "{outcome: block, reasons: [explicit_content]}")
    decision = decide(stage("signals: {explicit.score: failed}"), ruleset)
    assert decision.outcome is Outcome.REVIEW
    assert decision.trace[0].truth == "undetermined"


def test_without_policies_nothing_is_allowed(stage):
    decision = decide(stage("{}"), Ruleset.of([]))
    assert decision.outcome is Outcome.REVIEW


def test_the_decision_names_its_facts_and_its_rules(rules, stage):
    ruleset = rules(EXPLICIT + "{outcome: review, reasons: [explicit_content]}")
    facts = stage("{}")
    decision = decide(facts, ruleset)
    assert decision.facts_hash == facts.digest()
    assert decision.policy_version == ruleset.version
    assert decision.decided_by == "policy"
