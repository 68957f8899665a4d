"""What each leaf says of a clip, with what is not known kept apart from what is not there."""

from dataclasses import replace

import pytest

from moderation.decisions import Cause, Span
from moderation.policy.engine import decide


@pytest.mark.parametrize(
    ("comparator", "low", "on", "high"),
    [
        ("at_least", "false", "true", "true"),
        ("above", "false", "false", "true"),
        ("at_most", "true", "true", "false"),
        ("below", "true", "false", "false"),
        ("equals", "false", "true", "false"),
    ],
)
def test_comparators_on_either_side_of_the_line(truths, comparator, low, on, high):
    condition = f"{{signal: explicit.score, {comparator}: 0.5}}"
    for value, expected in (("0.4999", low), ("0.5", on), ("0.5001", high)):
        assert truths(condition, f"signals: {{explicit.score: '{value}x8'}}") == expected


@pytest.mark.parametrize(
    ("quantifier", "timeline", "expected"),
    [
        # 250 ms a sample; a sample stands until the next one, the last until the end of the clip.
        ("for: 500ms", "0x3 1x2 0x3", "true"),
        ("for: 501ms", "0x3 1x2 0x3", "false"),
        ("for: 500ms", "1 0 1 0 1 0 1 0", "false"),
        ("for: 500ms", "0x6 1x2", "true"),
        ("for: 0.5s", "1x2 0x6", "true"),
        ("for: 750ms", "0 1 _ 1 0x4", "true"),
        ("in: 3 of 5", "1 0 1 0 1 0 0 0", "true"),
        ("in: 3 of 5", "1 0 0 1 0 0 1 0", "false"),
        ("in: 3 of 5", "0x5 1x3", "true"),
        ("in: 2 of 2", "0 1 0 1 0 1 0 1", "false"),
        ("share_of_clip: 0.25", "1x2 0x6", "true"),
        ("share_of_clip: 0.26", "1x2 0x6", "false"),
        ("share_of_clip: 0.25", "1 0x3 1 0x3", "true"),
        ("anywhere: true", "0x7 1", "true"),
    ],
)
def test_quantifiers(truths, quantifier, timeline, expected):
    condition = f"{{signal: explicit.score, at_least: 0.8, {quantifier}}}"
    assert truths(condition, f"signals: {{explicit.score: '{timeline}'}}") == expected


def test_several_texts_at_one_instant_speak_by_the_worse_one(truths):
    given = "signals: {words.hate: '0 1 0'}"
    assert truths("{signal: words.hate, at_least: 0.5}", given) == "true"
    assert truths("{signal: words.hate, below: 0.5}", given) == "true"


def test_a_quantifier_holds_on_one_face_not_across_faces(truths):
    faces = "faces: [{state: unmatched, signals: {face.age: '20x2 40x6'}}, {state: unmatched, signals: {face.age: '40x2 20x2 40x4'}}]"
    assert truths("{signal: face.age, below: 25, for: 500ms}", faces) == "true"
    assert truths("{signal: face.age, below: 25, for: 1s}", faces) == "false"


@pytest.mark.parametrize("state", ["failed", "not_measured"])
def test_silence_is_never_a_no(truths, state):
    given = f"signals: {{explicit.score: {state}}}"
    condition = "{signal: explicit.score, at_least: 0.5}"
    assert truths(condition, given) == "undetermined"
    assert truths(f"{{not: {condition}}}", given) == "undetermined"
    assert truths(f"{{all: [{condition}, {{fact: known_illegal, equals: true}}]}}", given) == "false"
    assert truths(f"{{any: [{condition}, {{fact: known_illegal, equals: false}}]}}", given) == "true"


def test_a_measured_signal_without_a_single_frame_saw_nothing(truths):
    assert truths("{signal: explicit.score, at_least: 0.5}", "signals: {explicit.score: '_x8'}") == "undetermined"
    assert truths("{signal: words.hate, at_least: 0.5}", "{}") == "false"


def test_a_readable_face_of_unknown_age_is_of_unknown_age(truths):
    condition = "{signal: face.age, below: 25}"
    assert truths(condition, "faces: [{state: unmatched, unaged: true}]") == "undetermined"
    assert truths(condition, "faces: [{state: unread}]") == "false"
    two = "faces: [{state: unmatched, unaged: true}, {state: unmatched, signals: {face.age: '20'}}]"
    assert truths(condition, two) == "true"


def test_a_number_for_the_whole_picture_covers_its_faces(truths):
    given = "{faces: [{state: unmatched, unaged: true}], signals: {face.age: '30x8'}}"
    assert truths("{signal: face.age, below: 25}", given) == "false"


def given_person(kind: str = "cameo", consent: str = "not_consented", face: str = "matched", more: str = "") -> str:
    return f"{{people: {{a: {{kind: {kind}, consent: {consent}{more}}}}}, faces: [{{state: {face}, person: a}}]}}"


@pytest.mark.parametrize(
    ("condition", "given", "expected"),
    [
        ("{person: not_consented}", given_person(), "true"),
        ("{person: not_consented}", given_person(consent="consented"), "false"),
        ("{person: [revoked, limit_violated]}", given_person(consent="limit_violated"), "true"),
        ("{person: not_consented}", given_person(consent="undetermined"), "undetermined"),
        ("{person: not_consented, person.kind: public_figure}", given_person(consent="undetermined"), "false"),
        ("{person.kind: public_figure}", given_person(), "false"),
        ("{person.kind: cameo}", given_person(face="possible"), "true"),
        ("{person.kind: cameo, face: matched}", given_person(face="possible"), "false"),
        ("{person.kind: cameo}", "faces: [{state: unmatched}, {state: unread}]", "false"),
        ("{face: unread}", "faces: [{state: unread}]", "true"),
        ("{face: unread}", given_person(), "false"),
        (
            "{person.declared: true, face: absent}",
            "people: {a: {kind: cameo, consent: consented, declared: true}}",
            "true",
        ),
        ("{person.declared: true, face: absent}", given_person(more=", declared: true"), "false"),
        ("{person.declared: true}", given_person(more=", declared: true"), "true"),
    ],
)
def test_people(truths, condition, given, expected):
    assert truths(condition, given) == expected


def test_a_person_the_record_does_not_explain_is_unknown(rules, stage):
    # A case cannot name somebody it does not describe, so the description is taken out of the record.
    facts = replace(stage(given_person()), people={})
    ruleset = rules("when: {person: not_consented}\n    then: {outcome: review, reasons: [unconsented_likeness]}")
    (entry,) = decide(facts, ruleset).trace
    assert entry.truth == "undetermined"
    assert entry.leaves[0].causes == (Cause(kind="person", name="a", state="undetermined"),)


@pytest.mark.parametrize("signal", ["face.detection", "face.match_distance"])
def test_a_search_that_failed_finds_nobody_absent(truths, signal):
    declared = "people: {a: {kind: cameo, consent: consented, declared: true}}, "
    given = f"{{{declared}signals: {{{signal}: failed}}}}"
    assert truths("{person.declared: true, face: absent}", given) == "undetermined"
    assert truths("{person.kind: cameo}", given) == "undetermined"


def test_what_a_failed_search_did_find_still_counts(truths):
    given = given_person()[:-1] + ", signals: {face.match_distance: failed}}"
    assert truths("{person: not_consented}", given) == "true"


@pytest.mark.parametrize(
    ("condition", "given", "expected"),
    [
        ("{fact: submission.market, equals: FR}", "submission: {market: FR}", "true"),
        ("{fact: submission.market, one_of: [FR, BE]}", "submission: {market: DE}", "false"),
        ("{fact: submission.market, equals: FR}", "{}", "undetermined"),
        ("{fact: submission.market, known: false}", "{}", "true"),
        ("{fact: submission.market, known: true}", "submission: {market: DE}", "true"),
        ("{fact: phase, equals: draft}", "phase: draft", "true"),
        ("{fact: known_illegal, equals: true}", "known_illegal: true", "true"),
        ("{fact: duration_ms, above: 1999}", "{}", "true"),
        ("{fact: submission.cameos, at_least: 1}", "{}", "false"),
        ("{fact: account.blocked_clips, at_least: 3}", "account: {blocked_clips: 3}", "true"),
        ("{fact: account.blocked_clips, at_least: 3}", "{}", "false"),
        ("{fact: account.blocked_clips, at_least: 3}", "account: {blocked_clips: null}", "undetermined"),
        ("{fact: lineage.depth, below: 2}", "lineage: {depth: 1}", "true"),
    ],
)
def test_facts(truths, condition, given, expected):
    assert truths(condition, given) == expected


def test_the_trace_names_seconds_value_and_threshold(rules, stage):
    ruleset = rules(
        "when: {signal: explicit.score, at_least: 0.8, for: 500ms}\n"
        "    then: {outcome: block, reasons: [explicit_content]}",
    )
    decision = decide(stage("signals: {explicit.score: '0.1x2 0.9 0.1 0.8x2 0.97 0.1'}"), ruleset)
    (entry,) = decision.trace
    (held,) = entry.leaves
    assert held.says == "explicit.score at_least 0.8 for 500ms"
    assert held.spans == (Span(start_ms=1000, end_ms=1750, peak=0.97),)
    (reason,) = decision.reasons
    assert (reason.start_ms, reason.end_ms) == (1000, 1750)


def test_what_held_inside_a_not_is_no_evidence(rules, stage):
    ruleset = rules(
        "when: {all: [{not: {signal: words.hate, at_least: 0.5}}, {signal: explicit.score, at_least: 0.5}]}\n"
        "    then: {outcome: review, reasons: [explicit_content]}",
    )
    decision = decide(stage("signals: {explicit.score: '0.6x8'}"), ruleset)
    assert [held.says for held in decision.trace[0].leaves] == ["explicit.score at_least 0.5"]


def test_a_fluttering_score_keeps_its_longest_stretches(rules, stage):
    ruleset = rules("when: {signal: explicit.score, at_least: 0.5}\n    then: {outcome: review, reasons: [hate]}")
    timeline = "0.9 0 " * 30 + "0.9x3 0 " + "0.9 0 " * 10
    decision = decide(stage(f"signals: {{explicit.score: '{timeline}'}}"), ruleset)
    (held,) = decision.trace[0].leaves
    assert len(held.spans) == 24
    assert held.left_out == 17
    assert list(held.spans) == sorted(held.spans, key=lambda span: span.start_ms)
    assert max(span.end_ms - span.start_ms for span in held.spans) == 750
    assert decision.reasons[0].start_ms == 15_000
