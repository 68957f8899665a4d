"""What must hold for every rule and every clip: never looser, never out of silence, never two answers."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import FaceState, State
from moderation.decisions import Audience, Outcome
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    PersonFact,
    PersonKind,
    Sample,
    SignalFact,
    SubmissionFacts,
)
from moderation.policy.conditions import compile_condition
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import (
    ABSENT,
    COMPARATORS,
    Action,
    All,
    AnyOf,
    Anywhere,
    FactLeaf,
    Not,
    OftenIn,
    PersonLeaf,
    Policy,
    Rule,
    Said,
    ShareOfClip,
    SignalLeaf,
    Sustained,
)
from moderation.policy.registry import VOCABULARY
from moderation.policy.truth import both, either, opposite

SIGNALS = ("explicit.score", "face.age", "face.detection", "face.match_distance", "words.hate")
PEOPLE = ("per_a", "per_b")

values = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5001, 0.9, 1.0, 20.0, 25.0, 40.0])
samples = st.lists(
    st.builds(Sample, st.integers(0, 8).map(lambda n: n * 250), values, st.sampled_from([None, 0, 1])),
    max_size=8,
)
signals = st.builds(SignalFact, state=st.sampled_from(State), samples=samples.map(tuple))
candidates = st.builds(
    Candidate,
    person=st.sampled_from(PEOPLE),
    distance=st.sampled_from([0.3, 0.5, 0.55]),
    state=st.sampled_from([FaceState.MATCHED, FaceState.POSSIBLE]),
)


@st.composite
def faces(draw: st.DrawFn) -> tuple[FaceFact, ...]:
    found = draw(st.lists(st.tuples(st.sampled_from(FaceState), st.lists(candidates, max_size=2)), max_size=3))
    return tuple(
        FaceFact(track=track, start_ms=0, end_ms=2000, state=state, candidates=tuple(near))
        for track, (state, near) in enumerate(found)
    )


records = st.builds(
    FactRecord,
    org=st.just("default"),
    clip=st.just("clip_1"),
    judged_at=st.just("2026-01-01T00:00:00+00:00"),
    duration_ms=st.sampled_from([0, 1, 2000]),
    phase=st.sampled_from(["public", "draft"]),
    submission=st.builds(SubmissionFacts, creator=st.just("c"), market=st.sampled_from([None, "FR"])),
    signals=st.dictionaries(st.sampled_from(SIGNALS), signals),
    faces=faces(),
    people=st.dictionaries(
        st.sampled_from(PEOPLE),
        st.builds(
            PersonFact,
            kind=st.sampled_from(PersonKind),
            consent=st.sampled_from(Consent),
            declared=st.booleans(),
        ),
    ),
)

quantifiers = st.one_of(
    st.just(Anywhere()),
    st.builds(Sustained, st.sampled_from([1, 250, 500])),
    st.sampled_from([OftenIn(1, 2), OftenIn(3, 5), OftenIn(2, 2)]),
    st.builds(ShareOfClip, st.sampled_from([0.1, 0.5, 1.0])),
)
leaves = st.one_of(
    st.builds(
        SignalLeaf,
        signal=st.sampled_from(SIGNALS),
        comparator=st.sampled_from(COMPARATORS),
        threshold=values,
        quantifier=quantifiers,
    ),
    st.builds(
        PersonLeaf,
        faces=st.lists(st.sampled_from([*FaceState, ABSENT]), max_size=2, unique=True).map(tuple),
        kinds=st.lists(st.sampled_from(PersonKind), max_size=2, unique=True).map(tuple),
        consents=st.lists(st.sampled_from([Consent.NOT_CONSENTED, Consent.REVOKED]), max_size=2).map(tuple),
        declared=st.sampled_from([None, True, False]),
    ),
    st.just(FactLeaf(fact="submission.market", comparator="equals", operands=("FR",))),
    st.just(FactLeaf(fact="known_illegal", comparator="equals", operands=(False,))),
)
conditions = st.recursive(
    leaves,
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=3).map(lambda found: All(tuple(found))),
        st.lists(parts, min_size=1, max_size=3).map(lambda found: AnyOf(tuple(found))),
        st.builds(Not, parts),
    ),
    max_leaves=6,
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    outcome = draw(st.sampled_from(Outcome))
    return Rule(
        name=draw(st.sampled_from([f"r{n}" for n in range(9)])),
        when=draw(conditions),
        then=Action(
            outcome=outcome,
            reasons=() if outcome is Outcome.ALLOW else (Said(code=draw(st.sampled_from(["hate", "violence"]))),),
            notes=(Said(code="young_looking"),) if outcome is Outcome.ALLOW else (),
            queue=draw(st.sampled_from(list(VOCABULARY.queues))),
            priority=draw(st.integers(0, 100)),
            audience=draw(st.sampled_from([Audience(), Audience(teens=False), Audience(no_remix=True)])),
        ),
        on_undetermined=draw(st.sampled_from([Outcome.REVIEW, Outcome.BLOCK])),
    )


@st.composite
def policies(draw: st.DrawFn) -> list[Policy]:
    areas = draw(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True))
    return [
        Policy(
            area=area,
            owner="o",
            description="d",
            requires=tuple(draw(st.lists(st.sampled_from(SIGNALS), max_size=2, unique=True))),
            rules=tuple(draw(st.lists(rules(), min_size=1, max_size=3, unique_by=lambda rule: rule.name))),
            queue="explicit",
        )
        for area in areas
    ]


def stays_strict(looser: Audience, stricter: Audience) -> bool:
    return stricter == looser.narrowed(stricter)


@settings(max_examples=40, deadline=None)
@given(records, policies(), rules())
def test_another_rule_never_loosens(facts, found, extra):
    before = decide(facts, Ruleset.of(found))
    first = found[0]
    widened = replace(first, rules=(*first.rules, replace(extra, name="extra")))
    after = decide(facts, Ruleset.of([widened, *found[1:]]))
    assert after.outcome.strictness >= before.outcome.strictness
    assert stays_strict(before.audience, after.audience)
    kept = {(reason.code, reason.person, reason.track) for reason in (*after.reasons, *after.lesser)}
    assert {(reason.code, reason.person, reason.track) for reason in before.reasons} <= kept


@settings(max_examples=40, deadline=None)
@given(records, policies())
def test_a_required_signal_that_is_not_there_never_allows(facts, found):
    required = {signal for policy in found for signal in policy.requires}
    missing = {
        signal
        for signal in required
        if signal not in facts.signals or facts.signals[signal].state is not State.MEASURED
    }
    if missing:
        decision = decide(facts, Ruleset.of(found))
        assert decision.outcome.strictness >= Outcome.REVIEW.strictness
    unmeasured = {s for s in missing if s in facts.signals and facts.signals[s].state is State.NOT_MEASURED}
    assert missing - unmeasured <= set(required_failures(facts, Ruleset.of(found)))


@settings(max_examples=40, deadline=None)
@given(records, policies(), st.randoms(use_true_random=False))
def test_the_same_facts_and_rules_give_the_same_bytes(facts, found, random):
    first = decide(facts, Ruleset.of(found)).to_bytes()
    shuffled = [replace(policy, rules=tuple(random.sample(policy.rules, len(policy.rules)))) for policy in found]
    random.shuffle(shuffled)
    stored = FactRecord.from_json(facts.to_bytes())
    assert decide(facts, Ruleset.of(found)).to_bytes() == first
    assert decide(stored, Ruleset.of(shuffled)).to_bytes() == first


@settings(max_examples=40, deadline=None)
@given(records, conditions, conditions)
def test_conditions_follow_kleene(facts, one, other):
    exhibits = Exhibits(facts, VOCABULARY)

    def ask(condition):
        return compile_condition(condition).ask(exhibits)

    assert ask(All((one, other))) is both((ask(one), ask(other)))
    assert ask(AnyOf((one, other))) is either((ask(one), ask(other)))
    assert ask(Not(one)) is opposite(ask(one))
    assert ask(Not(All((one, other)))) is ask(AnyOf((Not(one), Not(other))))


@settings(max_examples=40, deadline=None)
@given(records, conditions, st.sampled_from(SIGNALS), signals)
def test_learning_a_signal_never_turns_a_settled_answer(facts, condition, signal, measured):
    """What was true or false while a signal was not measured stays so once it is: not known is not a guess."""
    looked = replace(facts, signals=facts.signals | {signal: replace(measured, state=State.MEASURED)})
    blind = replace(facts, signals=facts.signals | {signal: SignalFact(state=State.NOT_MEASURED)})
    compiled = compile_condition(condition)
    before = compiled.ask(Exhibits(blind, VOCABULARY))
    after = compiled.ask(Exhibits(looked, VOCABULARY))
    assert before.word == "undetermined" or after is before


@settings(max_examples=40, deadline=None)
@given(records, conditions)
def test_every_open_condition_says_what_was_not_known(facts, condition):
    compiled = compile_condition(condition)
    exhibits = Exhibits(facts, VOCABULARY)
    if compiled.ask(exhibits).word == "undetermined":
        open_leaves = [leaf for leaf in compiled.explain(exhibits) if leaf.truth == "undetermined"]
        assert open_leaves
        assert all(leaf.causes for leaf in open_leaves)
