"""What must hold for every rule and every clip: never looser, never out of silence, never two answers."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
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
    ShotStart,
    SignalFact,
    SubmissionFacts,
)
from moderation.policy.conditions import compile_condition
from moderation.policy.engine import Ruleset, decide, required_failures
from moderation.policy.exhibits import Exhibits
from moderation.policy.model import (
    ABSENT,
    COMPARATORS,
    WITHIN,
    Action,
    All,
    AnyOf,
    Anywhere,
    Condition,
    FactLeaf,
    Not,
    OftenIn,
    Overlay,
    PersonLeaf,
    Policy,
    Rule,
    RuleException,
    Said,
    ShareOfClip,
    SignalLeaf,
    Sustained,
)
from moderation.policy.registry import VOCABULARY
from moderation.policy.truth import UNDETERMINED, both, either, opposite
from moderation.policy.views import views_of

SIGNALS = ("explicit.score", "face.age", "face.detection", "face.match_distance", "words.hate")
PEOPLE = ("per_a", "per_b")


def examples(count: int) -> settings:
    """So many, however slow the machine is at the moment."""
    return settings(max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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
    submission=st.builds(
        SubmissionFacts,
        creator=st.just("c"),
        market=st.sampled_from([None, "FR", "SA"]),
        locale=st.sampled_from([None, "fr", "ar-EG"]),
        visibility=st.sampled_from(["public", "draft"]),
    ),
    shots=st.sampled_from([(), (ShotStart(0, 0),), (ShotStart(0, 0), ShotStart(600, 1), ShotStart(1200, 0))]),
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
    st.just(FactLeaf(fact="known_illegal", comparator="equals", operands=(False,))),
)
of_market = st.just(FactLeaf(fact="submission.market", comparator="equals", operands=("FR",)))


def several(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[tuple[Condition, ...]]:
    return st.lists(parts, min_size=1, max_size=3).map(tuple)


def grown(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    return st.recursive(
        parts,
        lambda parts: st.one_of(
            st.builds(All, several(parts), st.sampled_from([None, None, "same_shot", "same_person"])),
            several(parts).map(AnyOf),
            st.builds(Not, parts),
        ),
        max_leaves=5,
    )


conditions = grown(leaves | of_market)
#: Those that say nothing of markets themselves.
unplaced = grown(leaves)


@st.composite
def rules(draw: st.DrawFn, conditions: st.SearchStrategy[Condition] = conditions) -> Rule:
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
            deadline_s=draw(st.sampled_from([None, 3600])),
            markets=draw(st.sampled_from([(), (), ("FR",), ("SA", "US")])),
            visibility=draw(st.sampled_from([(), (), ("public",)])),
            sample_rate=draw(st.sampled_from([0.0, 1.0])),
        ),
        on_undetermined=draw(st.sampled_from([Outcome.REVIEW, Outcome.BLOCK])),
        exceptions=tuple(draw(st.lists(exceptions, max_size=1, unique_by=lambda exception: exception.name))),
        mode=draw(st.sampled_from(["enforce", "enforce", "shadow"])),
    )


exceptions = st.builds(
    RuleException,
    name=st.just("one"),
    owner=st.just("o"),
    why=st.just("w"),
    expires=st.sampled_from(["2025-12-31", "2026-12-31"]),
    when=leaves,
)


@st.composite
def overlays(draw: st.DrawFn, own: tuple[Rule, ...], conditions: st.SearchStrategy[Condition]) -> Overlay:
    touched = draw(st.lists(st.sampled_from(own), max_size=2, unique_by=lambda rule: rule.name))
    changed = tuple(replace(draw(rules(conditions)), name=rule.name) for rule in touched[:1])
    return Overlay(
        name=draw(st.sampled_from(["x", "y", "z"])),
        owner="o",
        why="w",
        markets=draw(st.sampled_from([(), ("FR",), ("SA", "US")])),
        locales=draw(st.sampled_from([(), ("ar",), ("fr",)])),
        changed=changed,
        off=tuple(rule.name for rule in touched[1:]),
        added=tuple(replace(draw(rules(conditions)), name="more") for _ in range(draw(st.integers(0, 1)))),
    )


def named(entry: Policy | Rule | Overlay) -> str:
    return entry.area if isinstance(entry, Policy) else entry.name


@st.composite
def policies(draw: st.DrawFn, conditions: st.SearchStrategy[Condition] = conditions) -> list[Policy]:
    areas = draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True))
    found = []
    for area in areas:
        own = tuple(draw(st.lists(rules(conditions), min_size=1, max_size=3, unique_by=named)))
        required = tuple(draw(st.lists(st.sampled_from(SIGNALS), max_size=2, unique=True)))
        laid = tuple(draw(st.lists(overlays(own, conditions), max_size=2, unique_by=named)))
        found.append(
            Policy(area=area, owner="o", description="d", requires=required, rules=own, queue="explicit", overlays=laid)
        )
    return found


def stays_strict(looser: Audience, stricter: Audience) -> bool:
    return stricter == looser.narrowed(stricter)


@examples(40)
@given(records, policies(), rules())
def test_another_rule_never_loosens(facts, found, extra):
    before = decide(facts, Ruleset.of(found))
    first = found[0]
    widened = replace(first, rules=(*first.rules, replace(extra, name="extra")))
    after = decide(facts, Ruleset.of([widened, *found[1:]]))
    assert after.outcome.strictness >= before.outcome.strictness
    assert stays_strict(before.audience, after.audience)
    assert set(before.markets_withheld) <= set(after.markets_withheld)
    assert set(before.sampled) <= set(after.sampled)
    assert before.deadline_s is None or (after.deadline_s or 0) <= before.deadline_s
    kept = {(reason.code, reason.person, reason.track) for reason in (*after.reasons, *after.lesser)}
    assert {(reason.code, reason.person, reason.track) for reason in before.reasons} <= kept


@examples(40)
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


@examples(40)
@given(records, policies(), st.randoms(use_true_random=False))
def test_the_same_facts_and_rules_give_the_same_bytes(facts, found, random):
    first = decide(facts, Ruleset.of(found)).to_bytes()

    def mixed(things):
        return tuple(random.sample(things, len(things)))

    def mixed_rule(rule):
        return replace(rule, exceptions=mixed(rule.exceptions))

    shuffled = [
        replace(policy, rules=mixed(tuple(map(mixed_rule, policy.rules))), overlays=mixed(policy.overlays))
        for policy in found
    ]
    random.shuffle(shuffled)
    stored = FactRecord.from_json(facts.to_bytes())
    assert decide(facts, Ruleset.of(found)).to_bytes() == first
    assert decide(stored, Ruleset.of(shuffled)).to_bytes() == first


@examples(40)
@given(records, conditions, conditions)
def test_conditions_follow_kleene(facts, one, other):
    exhibits = Exhibits(facts, VOCABULARY)

    def ask(condition):
        return compile_condition(condition).ask(exhibits)

    assert ask(All((one, other))) is both((ask(one), ask(other)))
    assert ask(AnyOf((one, other))) is either((ask(one), ask(other)))
    assert ask(Not(one)) is opposite(ask(one))
    assert ask(Not(All((one, other)))) is ask(AnyOf((Not(one), Not(other))))


@examples(60)
@given(records, st.lists(leaves, min_size=1, max_size=3).map(tuple), st.sampled_from(WITHIN))
def test_within_is_true_where_some_part_of_the_clip_meets_all(facts, parts, within):
    """However much is told from the whole clip without a look at its parts."""
    views = views_of(Exhibits(facts, VOCABULARY), within)
    apart = [both(compile_condition(part).ask(view) for part in parts) for view in views or ()]
    asked = compile_condition(All(parts, within)).ask(Exhibits(facts, VOCABULARY))
    assert asked is (either(apart) if views is not None else UNDETERMINED)


@examples(40)
@given(records, conditions, st.sampled_from(SIGNALS), signals)
def test_learning_a_signal_never_turns_a_settled_answer(facts, condition, signal, measured):
    """What was true or false while a signal was not measured stays so once it is: not known is not a guess."""
    looked = replace(facts, signals=facts.signals | {signal: replace(measured, state=State.MEASURED)})
    blind = replace(facts, signals=facts.signals | {signal: SignalFact(state=State.NOT_MEASURED)})
    compiled = compile_condition(condition)
    before = compiled.ask(Exhibits(blind, VOCABULARY))
    after = compiled.ask(Exhibits(looked, VOCABULARY))
    assert before.word == "undetermined" or after is before


@examples(40)
@given(records, conditions)
def test_every_open_condition_says_what_was_not_known(facts, condition):
    compiled = compile_condition(condition)
    exhibits = Exhibits(facts, VOCABULARY)
    if compiled.ask(exhibits).word == "undetermined":
        open_leaves = [leaf for leaf in compiled.explain(exhibits) if leaf.truth == "undetermined"]
        assert open_leaves
        assert all(leaf.causes for leaf in open_leaves)


@examples(40)
@given(records, policies(unplaced))
def test_a_clip_of_unknown_place_is_judged_as_strictly_as_in_any(facts, found):
    """Overlays and limits of actions: where the market or locale is not said, every variant is asked."""
    ruleset = Ruleset.of(found)
    said = facts.submission
    unknown = decide(replace(facts, submission=replace(said, market=None, locale=None)), ruleset)
    for market in ("FR", "SA", "US", "DE", None):
        for locale in ("fr", "ar-EG", "en", None):
            known = decide(replace(facts, submission=replace(said, market=market, locale=locale)), ruleset)
            assert unknown.outcome.strictness >= known.outcome.strictness
            assert stays_strict(known.audience, unknown.audience)


@examples(40)
@given(records, policies(), conditions)
def test_an_exception_that_is_not_surely_met_or_is_over_changes_nothing(facts, found, condition):
    first = found[0].rules[0]
    day = "2026-12-31" if compile_condition(condition).ask(Exhibits(facts, VOCABULARY)).word != "true" else "2025-12-31"
    more = RuleException(name="more", owner="o", why="w", expires=day, when=condition)
    with_it = replace(found[0], rules=(replace(first, exceptions=(*first.exceptions, more)), *found[0].rules[1:]))
    assert decide(facts, Ruleset.of([with_it, *found[1:]])) == decide(facts, Ruleset.of(found))


@examples(40)
@given(records, policies(), rules())
def test_a_shadow_rule_changes_nothing_but_the_trace(facts, found, extra):
    before = decide(facts, Ruleset.of(found))
    first = found[0]
    widened = replace(first, rules=(*first.rules, replace(extra, name="extra", mode="shadow")))
    after = decide(facts, Ruleset.of([widened, *found[1:]]))
    assert replace(after, trace=()) == replace(before, trace=())
    assert set(before.trace) <= set(after.trace)


rising = st.recursive(
    st.builds(
        SignalLeaf,
        signal=st.sampled_from(SIGNALS),
        comparator=st.sampled_from(["at_least", "above"]),
        threshold=values,
        quantifier=quantifiers,
    ),
    lambda parts: st.one_of(
        st.builds(All, several(parts), st.sampled_from([None, "same_shot", "same_person"])),
        several(parts).map(AnyOf),
    ),
    max_leaves=4,
)


@examples(60)
@given(records, rising, st.sampled_from(SIGNALS), st.sampled_from([0.05, 0.4, 10.0]))
def test_a_higher_score_never_loosens_a_rule_that_asks_for_at_least(facts, condition, signal, more):
    rule = Rule(name="r", when=condition, then=Action(outcome=Outcome.BLOCK, reasons=(Said(code="hate"),)))
    policy = Policy(area="a", owner="o", description="d", requires=(), rules=(rule,), queue="explicit")
    before = decide(facts, Ruleset.of([policy]))
    if signal in facts.signals:
        measured = facts.signals[signal]
        raised = replace(measured, samples=tuple(Sample(t, value + more, k) for t, value, k in measured.samples))
        facts = replace(facts, signals=facts.signals | {signal: raised})
    assert decide(facts, Ruleset.of([policy])).outcome.strictness >= before.outcome.strictness


@examples(20)
@given(records)
def test_without_rules_there_is_only_the_default(facts):
    nothing = decide(facts, Ruleset.of([]))
    assert (nothing.outcome, nothing.trace, nothing.audience) == (Outcome.REVIEW, (), Audience())
    idle = Policy(area="a", owner="o", description="d", requires=(), rules=(), queue="explicit")
    decision = decide(facts, Ruleset.of([idle]))
    assert (decision.outcome, decision.reasons, decision.trace) == (Outcome.ALLOW, (), ())
