"""Which condition covers which: known pairs, and against the judge itself on random facts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.policy import source
from moderation.policy.conditions import compile_condition
from moderation.policy.exhibits import Exhibits
from moderation.policy.fields import Fields
from moderation.policy.grammar import read_condition
from moderation.policy.implication import always, implies, impossible, ordered
from moderation.policy.registry import VOCABULARY
from moderation.policy.staging import stage_facts
from moderation.policy.truth import TRUE


def condition(text):
    fields = Fields("when")
    found = read_condition(fields, source.parse(text, "when"), VOCABULARY)
    assert found is not None, fields.findings
    return found


def score(rest):
    return f"{{signal: explicit.score, {rest}}}"


A, B = score("at_least: 0.8"), score("at_least: 0.3")
COVERED = [
    (A, B),
    (score("above: 0.8"), score("at_least: 0.8")),
    (score("equals: 0.8"), score("at_least: 0.8")),
    (score("below: 0.2"), score("at_most: 0.2")),
    (score("at_least: 0.8, for: 1s"), score("at_least: 0.8, for: 500ms")),
    (score("at_least: 0.8, for: 1s"), B),
    (score("at_least: 0.8, in: 3 of 5"), score("at_least: 0.8, in: 2 of 6")),
    (score("at_least: 0.8, share_of_clip: 0.5"), score("at_least: 0.8, share_of_clip: 0.2")),
    (f"{{all: [{A}, {{face: unread}}]}}", B),
    (A, f"{{any: [{B}, {{face: unread}}]}}"),
    (f"{{any: [{A}, {{face: unread}}]}}", f"{{any: [{{face: unread}}, {B}]}}"),
    (f"{{not: {B}}}", f"{{not: {A}}}"),
    (f"{{all: [{A}, {{face: unread}}]}}", f"{{all: [{{face: unread}}, {B}]}}"),
    ("{person: revoked, face: matched}", "{person: [revoked, not_consented]}"),
    ("{person: revoked, person.kind: cameo}", "{person: revoked}"),
    ("{voice: matched, person: revoked}", "{voice: [matched, possible]}"),
    ("{fact: submission.market, equals: FR}", "{fact: submission.market, one_of: [BE, FR]}"),
    ("{fact: lineage.depth, above: 3}", "{fact: lineage.depth, at_least: 2}"),
    ("{fact: lineage.depth, equals: 3}", "{fact: lineage.depth, at_least: 3}"),
    ("{expr: size(faces) > 2}", "{expr: size(faces) > 2}"),
]
NOT_COVERED = [
    (B, A),
    (score("at_least: 0.8"), score("above: 0.8")),
    (score("at_least: 0.8"), score("at_least: 0.8, for: 1s")),
    (score("at_least: 0.8, in: 3 of 5"), score("at_least: 0.8, in: 3 of 4")),
    (A, "{signal: explicit.parts, at_least: 0.1}"),
    (A, f"{{all: [{B}, {{face: unread}}]}}"),
    (f"{{any: [{A}, {{face: unread}}]}}", B),
    (f"{{not: {A}}}", f"{{not: {B}}}"),
    ("{person: revoked}", "{person: revoked, person.kind: cameo}"),
    ("{face: unread}", "{face: matched}"),
    ("{fact: lineage.depth, at_least: 3}", "{fact: lineage.depth, above: 3}"),
    ("{fact: lineage.depth, at_least: 3}", "{fact: lineage.depth, known: true}"),
    (f"{{all: [{A}, {A}]}}", f"{{all: [{A}, {A}], within: same_shot}}"),
]


@pytest.mark.parametrize(("one", "other"), COVERED)
def test_what_covers(one, other):
    assert implies(condition(one), condition(other))


@pytest.mark.parametrize(("one", "other"), NOT_COVERED)
def test_what_does_not_cover(one, other):
    assert not implies(condition(one), condition(other))


LINES = st.sampled_from([0.1, 0.3, 0.5, 0.8])
SIGNALS = st.builds(
    "{{signal: {}, {}: {}{}}}".format,
    st.sampled_from(["explicit.score", "explicit.parts", "face.age"]),
    st.sampled_from(["at_least", "above", "at_most", "below", "equals"]),
    LINES,
    st.sampled_from(["", "", ", for: 500ms", ", for: 1s", ", in: 2 of 3", ", in: 2 of 5", ", share_of_clip: 0.3"]),
)
OTHERS = st.sampled_from(
    [
        "{face: matched}", "{face: [matched, unread]}", "{face: unmatched}", "{person: revoked}", "{person: [revoked, consented]}",
        "{person: revoked, person.kind: cameo}", "{person.declared: true, face: absent}", "{person.kind: cameo}",
        "{fact: lineage.depth, above: 1}", "{fact: lineage.depth, at_least: 1}", "{fact: lineage.depth, below: 2}",
        "{fact: lineage.depth, one_of: [1, 2]}", "{fact: submission.market, equals: FR}",
        "{fact: submission.market, known: false}", "{fact: phase, equals: draft}", "{voice: matched}", "{voice: [matched, possible], person: revoked}",
    ]
)  # fmt: skip
CONDITIONS = st.recursive(
    SIGNALS | OTHERS,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{all: [{', '.join(parts)}]}}")
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"{{all: [{', '.join(parts)}], within: same_shot}}")
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{any: [{', '.join(parts)}]}}")
        | inner.map(lambda part: f"{{not: {part}}}")
    ),
    max_leaves=5,
)
TIMELINE = st.lists(st.sampled_from(["0.05", "0.1", "0.3", "0.5", "0.8", "0.9x3", "_"]), min_size=1, max_size=6).map(
    " ".join
)
GIVENS = st.builds(
    "{{shots: [500ms], signals: {{explicit.score: '{}', explicit.parts: {}}}, people: {{lea: {{kind: {}, consent: {}, declared: true}}}}, faces: {}, voices: {}, submission: {}, lineage: {}}}".format,
    TIMELINE,
    st.sampled_from(["failed", "not_measured", "'0.5x4'"]),
    st.sampled_from(["cameo", "public_figure"]),
    st.sampled_from(["revoked", "consented", "undetermined"]),
    st.sampled_from(
        ["[{state: unread}]", "[{state: unmatched}]", "[{state: matched, person: lea}]", "[{state: unread}, {state: possible, person: lea}]"]
    ),
    st.sampled_from(["[{state: unmatched}]", "[{state: matched, person: lea}]"]),
    st.sampled_from(["{market: FR}", "{market: DE}", "{visibility: draft}"]),
    st.sampled_from(["{depth: 0}", "{depth: 1}", "{depth: 2}", "{withdrawn_parents: 0}"]),
)  # fmt: skip


def truth(found, text):
    facts = stage_facts(Fields("given"), source.parse(text, "given"), VOCABULARY)
    return compile_condition(found).ask(Exhibits(facts, VOCABULARY))


@settings(max_examples=100, deadline=None)
@given(CONDITIONS, CONDITIONS, GIVENS)
def test_what_is_said_to_cover_is_never_less_true(one, other, given_text):
    first, second = condition(one), condition(other)
    for less, more in ((first, second), (second, first)):
        if implies(less, more):
            assert truth(less, given_text) <= truth(more, given_text)


@settings(max_examples=100, deadline=None)
@given(CONDITIONS, GIVENS)
def test_what_is_said_to_be_impossible_is_never_true_and_order_changes_nothing(text, given_text):
    found = condition(text)
    said = truth(found, given_text)
    assert truth(ordered(found), given_text) == said
    if impossible(found, VOCABULARY):
        assert said is not TRUE


@pytest.mark.parametrize(
    "text",
    [
        f"{{all: [{A}, {{not: {B}}}]}}",
        "{all: [{fact: lineage.depth, above: 3}, {fact: lineage.depth, below: 3}]}",
        "{all: [{fact: lineage.depth, at_least: 3}, {fact: lineage.depth, below: 3}]}",
        "{all: [{fact: submission.market, equals: FR}, {fact: submission.market, one_of: [DE, BE]}]}",
        "{all: [{fact: submission.market, equals: FR}, {fact: submission.market, known: false}]}",
        "{fact: lineage.depth, below: 0}",
        "{signal: explicit.score, above: 1}",
        "{signal: explicit.score, below: 0}",
        "{face: unmatched, person: revoked}",
        "{any: [{signal: explicit.score, above: 1}, {signal: explicit.score, below: 0}]}",
    ],
)
def test_what_can_never_hold(text):
    assert impossible(condition(text), VOCABULARY)


@pytest.mark.parametrize(
    "text",
    [
        "{all: [{fact: lineage.depth, at_least: 3}, {fact: lineage.depth, at_most: 3}]}",
        # At one instant it may be high, at another low.
        f"{{all: [{A}, {score('below: 0.1')}]}}",
        "{any: [{signal: explicit.score, above: 1}, {signal: explicit.score, above: 0.5}]}",
        f"{{all: [{B}, {{not: {A}}}]}}",
    ],
)
def test_what_may_hold(text):
    assert not impossible(condition(text), VOCABULARY)


def test_what_always_holds():
    assert always(condition(score("at_least: 0")), VOCABULARY)
    assert always(condition(f"{{any: [{A}, {score('at_most: 1')}]}}"), VOCABULARY)
    # Words may not have been given: then there is no sample.
    assert not always(condition("{signal: words.hate, at_least: 0}"), VOCABULARY)
    assert not always(condition(f"{{all: [{A}, {score('at_most: 1')}]}}"), VOCABULARY)


def test_the_same_in_another_order_is_the_same():
    one = condition(f"{{all: [{A}, {{any: [{{face: unread}}, {B}]}}, {A}]}}")
    other = condition(f"{{all: [{{all: [{{any: [{B}, {{face: unread}}]}}]}}, {A}]}}")
    assert one != other
    assert ordered(one) == ordered(other)
    listed = [condition(f"{{fact: submission.market, {way}}}") for way in ("equals: FR", "one_of: [FR, FR]")]
    assert ordered(listed[0]) == ordered(listed[1])


def test_effort_is_bounded():
    deep = condition("{all: [" + ", ".join(f"{{any: [{A}, {score(f'at_least: 0.{n}')}]}}" for n in range(1, 60)) + "]}")
    other = condition(
        "{any: [" + ", ".join(f"{{all: [{B}, {{fact: lineage.depth, above: {n}}}]}}" for n in range(60)) + "]}"
    )
    assert not implies(deep, other)
