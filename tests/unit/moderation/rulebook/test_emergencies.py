"""Emergency rules are stricter by construction: whatever the facts and whoever decided before, never looser."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import State
from moderation.answers import settle
from moderation.decisions import Decision, Outcome, Reason
from moderation.facts import FactRecord, Sample, SignalFact, SubmissionFacts
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.policy.loader import Folder, UnusablePolicies, compile_folder, load_bundle
from moderation.policy.vocabulary import FILE, render
from moderation.rulebook.emergencies import demand_only_rules
from moderation.rulebook.in_force import Emergency, lay_over

HEAD = "language: 1\nowner: somebody\ndescription: for a test\nqueue: {queue}\nrequires: [{requires}]\nrules:\n"
SIGNALS = ("explicit.score", "words.hate", "words.violence")
CODES = ("explicit_content", "hate", "violence")
THEN = {
    "allow": "{outcome: allow, notes: [weapons_in_text], audience: [not_for_teens]}",
    "restrict": "{outcome: restrict, reasons: [CODE], audience: [LIMIT]}",
    "review": "{outcome: review, reasons: [CODE]}",
    "block": "{outcome: block, reasons: [CODE]}",
}
THRESHOLDS = (0.1, 0.4, 0.7)


@st.composite
def rule(draw, number: int) -> str:
    signal = draw(st.sampled_from(SIGNALS))
    # Words never block without a person.
    outcomes = [*THEN] if signal == "explicit.score" else ["allow", "restrict", "review"]
    then = THEN[draw(st.sampled_from(outcomes))]
    then = then.replace("CODE", draw(st.sampled_from(CODES)))
    then = then.replace("LIMIT", draw(st.sampled_from(["adults_only", "no_remix"])))
    leaf = f"{{signal: {signal}, at_least: {draw(st.sampled_from(THRESHOLDS))}}}"
    when = draw(st.sampled_from([leaf, f"{{not: {leaf}}}"]))
    return f"  - rule: rule_{number}\n    when: {when}\n    then: {then}\n"


@st.composite
def area(draw, *, requires: bool = True) -> str:
    needed = draw(st.sampled_from(["", "explicit.score"])) if requires else ""
    queue = draw(st.sampled_from(["explicit", "words", "minor_safety"]))
    rules = [draw(rule(number)) for number in range(draw(st.integers(1, 3)))]
    return HEAD.format(queue=queue, requires=needed) + "".join(rules)


def signal(draw) -> SignalFact:
    state = draw(st.sampled_from(State))
    values = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9]), max_size=4))
    kept = values if state is State.MEASURED else []
    return SignalFact(state=state, samples=tuple(Sample(250 * at, value, None) for at, value in enumerate(kept)))


@st.composite
def facts(draw) -> FactRecord:
    named = draw(st.sets(st.sampled_from(SIGNALS)))
    return FactRecord(
        org="default",
        clip="clip_1",
        judged_at="2026-01-01T00:00:00+00:00",
        duration_ms=2000,
        phase="public",
        submission=SubmissionFacts(creator="ana"),
        signals={name: signal(draw) for name in sorted(named)},
    )


answers = st.lists(
    st.builds(
        lambda outcome, codes: Decision(
            outcome=outcome,
            facts_hash="",
            reasons=(Reason(code="no_violation"),),
            lesser=tuple(Reason(code=code) for code in codes),
            decided_by="ana",
        ),
        st.sampled_from([Outcome.ALLOW, Outcome.RESTRICT, Outcome.BLOCK]),
        st.sets(st.sampled_from(CODES)).map(sorted),
    ),
    max_size=2,
)


def compiled(text: str) -> Ruleset:
    ruleset, findings = compile_folder(Folder(root="", texts={FILE: render(), "area/policy.yaml": text}))
    assert ruleset is not None, findings
    return ruleset


def over(base: Ruleset, text: str) -> Ruleset:
    demand_only_rules(text)
    return lay_over(
        base,
        [Emergency(emergency_id="emg_1", area="emergency_1", text=text, expires_at=datetime(2027, 1, 1, tzinfo=UTC))],
    )


@settings(max_examples=60, deadline=None)
@given(area(), area(requires=False), facts(), answers)
def test_never_looser_whatever_the_facts_and_whoever_decided(base_text, emergency_text, record, answered):
    base = compiled(base_text)
    laid = over(base, emergency_text)
    before, after = decide(record, base), decide(record, laid)
    assert after.outcome.strictness >= before.outcome.strictness
    assert after.audience == after.audience.narrowed(before.audience)
    assert all(reason in (*after.reasons, *after.lesser) for reason in (*before.reasons, *before.lesser))
    assert set(required_failures(record, base)) <= set(required_failures(record, laid))
    if before.queue is not None:
        assert laid.vocabulary.rank(after.queue) <= laid.vocabulary.rank(before.queue)
    settled_before, settled_after = settle(before, answered), settle(after, answered)
    assert settled_after.outcome.strictness >= settled_before.outcome.strictness
    assert settled_after.audience == settled_after.audience.narrowed(settled_before.audience)


def test_it_is_a_version_of_its_own_and_replays_from_its_bundle():
    base = compiled(HEAD.format(queue="explicit", requires="") + RULE)
    laid = over(base, HEAD.format(queue="explicit", requires="") + RULE)
    assert laid.version != base.version
    assert load_bundle(laid.bundle).version == laid.version
    assert [policy.area for policy in laid.policies] == ["area", "emergency_1"]


RULE = (
    "  - rule: seen\n    when: {signal: explicit.score, at_least: 0.5}\n    then: {outcome: review, reasons: [hate]}\n"
)


def test_it_never_takes_the_place_of_an_area():
    base = compiled(HEAD.format(queue="explicit", requires="") + RULE)
    laid = over(base, HEAD.format(queue="explicit", requires="") + RULE)
    with pytest.raises(UnusablePolicies, match="duplicate-area"):
        over(laid, HEAD.format(queue="explicit", requires="") + RULE)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("exceptions: []\n", 1),
        ("overlays: []\n", 1),
        ("lists: {}\n", 1),
        ("requires: [explicit.score]\n", 1),
        ("requires: {list: shared}\n", 1),
        ("rules:\n  - rule: a\n    unless: {fact: known_illegal, equals: true}\n", 3),
        ("rules:\n  - rule: a\n    then: {outcome: review, sample: 0.5}\n", 3),
        ("rules:\n  - rule: a\n    shadow: true\n", 3),
    ],
)
def test_what_is_more_than_added_rules_is_refused_with_its_place(text, line):
    with pytest.raises(UnusablePolicies) as refused:
        demand_only_rules(text)
    assert [(each.code, each.line) for each in refused.value.findings] == [("not-stricter", line)]
