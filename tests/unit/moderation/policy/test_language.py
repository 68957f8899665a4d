"""What the language says beyond single questions: names, exceptions, overlays, limits, shadow rules, and `within`."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from moderation.decisions import Decision, Outcome
from moderation.facts import SubmissionFacts
from moderation.policy.engine import Ruleset, decide
from moderation.policy.loader import Folder, compile_folder
from moderation.policy.verdicts import falls_into
from moderation.policy.vocabulary import FILE, render

HEAD = "language: 1\nowner: o\ndescription: d\nqueue: explicit\nrequires: []\n"
RULE = """\
rules:
  - rule: nude
    when: {signal: explicit.score, at_least: 0.5}
    then: {outcome: review, reasons: [explicit_content], priority: 60}
"""
OVERLAID = (
    RULE
    + """\
overlays:
  - {overlay: strict, owner: o, why: law, markets: [SA], change: [{rule: nude, signals: {explicit.score: {at_least: 0.2}}, then: {outcome: block}}]}
  - {overlay: lax, owner: o, why: law, markets: [FR, BE], change: [{rule: nude, off: true}]}
  - {overlay: arabic, owner: o, why: asked for, locales: [ar], rules: [{rule: hate, when: {signal: words.hate, at_least: 0.5}, then: {outcome: review, reasons: [hate]}}]}
"""
)


def ruleset_of(body: str, shared: str | None = None, head: str = HEAD, area: str = "area") -> Ruleset:
    ruleset, findings = compiled(body, shared, head, area)
    assert ruleset is not None, findings
    return ruleset


def compiled(
    body: str, shared: str | None = None, head: str = HEAD, area: str = "area"
) -> tuple[Ruleset | None, list[str]]:
    texts = {FILE: render(), f"{area}/policy.yaml": head + body} | ({} if shared is None else {"shared.yaml": shared})
    ruleset, findings = compile_folder(Folder(root="", texts=texts))
    return ruleset, [str(finding) for finding in findings]


def codes(body: str, shared: str | None = None, head: str = HEAD) -> set[str]:
    return {finding.split()[1] for finding in compiled(body, shared, head)[1]}


@pytest.fixture(scope="module")
def judged(stage) -> Callable[..., Decision]:
    def judge(ruleset: Ruleset, given: str, judged_at: str | None = None) -> Decision:
        facts = stage(given)
        return decide(facts if judged_at is None else replace(facts, judged_at=judged_at), ruleset)

    return judge


NUDE = "signals: {explicit.score: '0.9x8'}"


def in_market(market: str | None, score: float = 0.9, locale: str = "en") -> str:
    said = f"market: {market}, " if market else ""
    return f"signals: {{explicit.score: '{score}x8', words.hate: '1'}}\nsubmission: {{{said}locale: {locale}}}"


# Names


def test_lists_and_macros_say_what_they_stand_for(judged):
    body = """\
lists: {here: [FR, BE]}
macros:
  nude: {signal: explicit.score, at_least: 0.5}
  nude_here: {all: [{macro: nude}, {fact: submission.market, one_of: {list: here}}]}
rules:
  - {rule: r, when: {macro: nude_here}, then: {outcome: review, reasons: [explicit_content]}}
"""
    assert judged(ruleset_of(body), in_market("FR")).outcome is Outcome.REVIEW
    assert judged(ruleset_of(body), in_market("US")).outcome is Outcome.ALLOW


def test_shared_names_serve_every_area_and_are_part_of_the_version(judged):
    shared = "language: 1\nlists: {{here: [{}]}}\nmacros: {{nude: {{signal: explicit.score, at_least: 0.5}}}}\n"
    body = """\
rules:
  - rule: r
    when: {all: [{macro: nude}, {fact: submission.market, one_of: {list: here}}]}
    then: {outcome: review, reasons: [explicit_content]}
"""
    one, other = ruleset_of(body, shared.format("FR")), ruleset_of(body, shared.format("US"))
    assert one.version != other.version
    assert judged(one, in_market("FR")).outcome is Outcome.REVIEW
    assert judged(other, in_market("FR")).outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    ("body", "shared", "place"),
    [
        ("lists: {a: [x]}\n" + RULE, None, "area/policy.yaml:6:9 unused-name"),
        ("macros: {a: {signal: explicit.score, at_least: 1}}\n" + RULE, None, "area/policy.yaml:6:10 unused-name"),
        (RULE, "language: 1\nlists:\n  a: [x]\n", "shared.yaml:3:3 unused-name"),
        ("macros: {a: {macro: b}, b: {macro: a}}\n" + RULE.replace("{signal: explicit.score, at_least: 0.5}", "{macro: a}"),
         None, "area/policy.yaml:6:28 cycle"),
        ("lists: {a: [x, x]}\n" + RULE, None, "area/policy.yaml:6:16 duplicate-value"),
        ("lists: {a: [[x]]}\n" + RULE, None, "area/policy.yaml:6:13 wrong-type"),
        ("macros: {A: {macro: b}}\n" + RULE, None, "area/policy.yaml:6:10 wrong-value"),
        ("macros: {a: {signal: explicit.scor, at_least: 1}}\n" + RULE.replace("{signal: explicit.score, at_least: 0.5}",
         "{macro: a}"), None, "area/policy.yaml:6:22 unknown-signal"),
        (RULE.replace("{signal: explicit.score, at_least: 0.5}", "{macro: nude}"),
         "language: 1\nmacros: {nud: {signal: explicit.score, at_least: 1}}\n",
         "area/policy.yaml:8:19 unknown-macro macro `nude` is not known - did you mean `nud`?"),
        ("lists: {a: [x]}\n" + RULE, "language: 1\nlists: {a: [y]}\n", "area/policy.yaml:6:9 duplicate-name"),
        (RULE.replace("reasons: [explicit_content]", "reasons: {list: a}"), "language: 1\nlists: {a: [explicit]}\n",
         "area/policy.yaml:9:38 unknown-reason"),
    ],
)  # fmt: skip
def test_a_fault_of_a_name_has_its_place(body, shared, place):
    ruleset, findings = compiled(body, shared)
    assert ruleset is None
    assert any(finding.startswith(place) for finding in findings), findings


def test_names_are_no_bombs():
    rungs = "".join(f"  m{n}: {{all: [{', '.join(['{macro: m' + str(n - 1) + '}'] * 40)}]}}\n" for n in range(1, 5))
    bomb = f"macros:\n  m0: {{signal: explicit.score, at_least: 0.5}}\n{rungs}" + RULE.replace(
        "{signal: explicit.score, at_least: 0.5}", "{macro: m4}"
    )
    assert "too-large" in codes(bomb)
    ladder = "".join(f"  m{n}: {{macro: m{n + 1}}}\n" for n in range(150))
    tall = f"macros:\n{ladder}  m150: {{signal: explicit.score, at_least: 0.5}}\n" + RULE.replace(
        "{signal: explicit.score, at_least: 0.5}", "{macro: m0}"
    )
    assert "too-deep" in codes(tall)
    wide = f"lists: {{a: [{', '.join(map(str, range(1999)))}]}}\nrules:\n" + "".join(
        f"  - {{rule: r{n}, when: {{fact: duration_ms, one_of: {{list: a}}}}, then: {{outcome: review, reasons: [hate]}}}}\n"
        for n in range(60)
    )
    assert "too-large" in codes(wide)
    many = RULE.replace(
        "{signal: explicit.score, at_least: 0.5}",
        "{any: [" + ", ".join(["{signal: explicit.score, at_least: 0.5}"] * 501) + "]}",
    )
    assert "too-large" in codes(many)


# Exceptions

EXCEPTION = (
    RULE
    + """\
    exceptions:
      - {exception: museum, owner: o, why: art, expires: 2026-06-30, when: {fact: submission.generator, equals: atelier}}
"""
)


def test_an_exception_sets_its_rule_aside_and_says_so(judged):
    decision = judged(ruleset_of(EXCEPTION), NUDE + "\nsubmission: {generator: atelier}")
    assert decision.outcome is Outcome.ALLOW
    assert [(t.truth, t.exception, t.acts) for t in decision.trace] == [("excepted", "museum", False)]
    assert Decision.from_json(decision.to_json()) == decision


@pytest.mark.parametrize(
    ("given", "judged_at"),
    [
        ("submission: {generator: other}", None),
        ("submission: {}", None),  # nobody knows the generator
        ("submission: {generator: atelier}", "2026-07-01T00:00:00+00:00"),
        ("submission: {generator: atelier}", "2026-06-30T23:30:00-05:00"),  # the first of July in UTC
        ("submission: {generator: atelier}", "long ago"),
        ("submission: {generator: atelier}", "2026-01-01T00:00:00"),  # no one knows where
    ],
)
def test_an_exception_that_is_over_or_not_known_excepts_nothing(judged, given, judged_at):
    assert judged(ruleset_of(EXCEPTION), f"{NUDE}\n{given}", judged_at).outcome is Outcome.REVIEW


def test_an_exception_holds_through_its_last_day(judged):
    given = f"{NUDE}\nsubmission: {{generator: atelier}}"
    assert judged(ruleset_of(EXCEPTION), given, "2026-06-30T23:59:59+00:00").outcome is Outcome.ALLOW


@pytest.mark.parametrize(
    "then",
    ["reasons: [minor_sexualised]", "reasons: [known_illegal]", "reasons: [explicit_content], queue: minor_safety"],
)
def test_what_protects_minors_has_no_exceptions_limits_or_changes(then):
    assert "protected-rule" in codes(EXCEPTION.replace("reasons: [explicit_content]", then))
    assert "protected-rule" in codes(OVERLAID.replace("reasons: [explicit_content]", then))
    assert "protected-rule" in codes(RULE.replace("reasons: [explicit_content]", f"{then}, markets: [FR]"))
    assert "protected-rule" in codes(RULE.replace("reasons: [explicit_content]", f"{then}, visibility: public"))
    assert "protected-rule" in codes(EXCEPTION, head=HEAD.replace("explicit", "known_illegal"))


# Overlays


@pytest.mark.parametrize(
    ("given", "outcome", "trace"),
    [
        (in_market("US"), "review", {("nude", None)}),
        (in_market("SA"), "block", {("nude", "strict")}),
        (in_market("SA", 0.3), "block", {("nude", "strict")}),
        (in_market("US", 0.3), "allow", set()),
        (in_market("FR"), "allow", set()),
        (in_market("FR", locale="ar-MA"), "review", {("hate", "arabic")}),
        (in_market("US", 0.1, locale="arn"), "allow", set()),
        # A clip that says no market that there is may be for any of them.
        (in_market(None), "block", {("nude", None), ("nude", "strict")}),
        (in_market(None, 0.3), "block", {("nude", "strict")}),
        (in_market("ZZ", 0.3), "block", {("nude", "strict")}),
    ],
)
def test_an_overlay_changes_its_places_and_unknown_places_get_the_strictest(judged, given, outcome, trace):
    decision = judged(ruleset_of(OVERLAID), given)
    assert str(decision.outcome) == outcome
    assert {(entry.rule, entry.overlay) for entry in decision.trace} == trace


def test_overlays_on_one_rule_do_not_pile_up(judged):
    body = (
        RULE
        + """\
overlays:
  - {overlay: a, owner: o, why: w, markets: [EU], change: [{rule: nude, off: true}]}
  - {overlay: b, owner: o, why: w, locales: [de], change: [{rule: nude, then: {outcome: block}}]}
"""
    )
    ruleset = ruleset_of(body)
    assert judged(ruleset, in_market("DE", locale="de")).outcome is Outcome.BLOCK
    assert judged(ruleset, in_market("DE", locale="fr")).outcome is Outcome.ALLOW
    assert judged(ruleset, in_market("CH", locale="fr")).outcome is Outcome.REVIEW


def test_unused_overlays_cost_a_clip_nothing():
    many = "".join(
        f"  - {{overlay: o{n}, owner: o, why: w, markets: [{market}], change: [{{rule: nude, then: {{priority: {n}}}}}]}}\n"
        for n, market in enumerate(("SA", "AE", "DE", "IT", "ES", "JP", "KR", "IN", "BR", "MX"))
    )
    standing = ruleset_of(RULE + "overlays:\n" + many).standing
    assert len(standing.variants()) == 11
    assert len(standing.judges(SubmissionFacts(creator="c", market="US", locale="en"))) == 1
    assert len(standing.judges(SubmissionFacts(creator="c", market="SA", locale="en"))) == 1
    assert len(standing.judges(SubmissionFacts(creator="c", locale="en"))) == 11


OVERLAY = RULE + "overlays:\n  - {overlay: a, owner: o, why: w, markets: [SA], LINE}\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("change: [{rule: nud, off: true}]", "unknown-rule"),
        ("change: [{rule: nude}]", "no-effect"),
        ("change: [{rule: nude, off: false}]", "wrong-value"),
        ("change: [{rule: nude, off: true, then: {outcome: block}}]", "several"),
        ("change: [{rule: nude, off: true}, {rule: nude, off: true}]", "duplicate-rule"),
        ("change: [{rule: nude, signals: {words.hate: {at_least: 0.5}}}]", "no-one-leaf"),
        ("change: [{rule: nude, signals: {explicit.score: {at_least: 5}}}]", "out-of-range"),
        ("change: [{rule: nude, signals: {explicit.score: {}}}]", "no-effect"),
        ("change: [{rule: nude, then: {outcome: allow}}]", "action-misfit"),
        ("change: [{rule: nude, on_undetermined: allow}]", "looser-than-default"),
        ("change: [{rule: nude, when: {signal: words.hate, at_least: 1}, then: {outcome: block}}]", "uncalibrated-block"),
        ("rules: [{rule: nude, when: {signal: words.hate, at_least: 1}, then: {outcome: allow, notes: [young_looking]}}]",
         "duplicate-rule"),
        ("locales: [Deutsch], change: [{rule: nude, off: true}]", "wrong-value"),
        ("locales: []", "empty-list"),
        ("markts: [FR]", "unknown-key"),
    ],
)  # fmt: skip
def test_a_fault_of_an_overlay_is_found(line, code):
    assert code in codes(OVERLAY.replace("LINE", line))


def test_a_market_that_is_none_is_found():
    findings = compiled(RULE.replace("priority: 60", "markets: [UK]"))[1]
    assert any("unknown-market" in finding and "`GB`" in finding for finding in findings), findings


# Actions


def test_what_holds_in_some_markets_only_is_withheld_there_and_nowhere_else(judged):
    ruleset = ruleset_of(RULE.replace("outcome: review", "outcome: block, markets: [DE, AT]"))
    elsewhere = judged(ruleset, in_market("US"))
    assert (elsewhere.outcome, elsewhere.markets_withheld, elsewhere.reasons) == (Outcome.ALLOW, ("AT", "DE"), ())
    assert elsewhere.to_json()["markets_withheld"] == ["AT", "DE"]
    for market in ("DE", None, "ZZ"):
        assert judged(ruleset, in_market(market)).outcome is Outcome.BLOCK
    assert "markets_withheld" not in judged(ruleset, in_market("US", 0.1)).to_json()


def test_an_action_may_hold_for_the_public_only(judged):
    ruleset = ruleset_of(RULE.replace("outcome: review", "outcome: review, visibility: public"))
    assert judged(ruleset, NUDE).outcome is Outcome.REVIEW
    assert judged(ruleset, f"{NUDE}\nsubmission: {{visibility: draft}}").outcome is Outcome.ALLOW


def test_the_shortest_deadline_asked_for_stands(judged):
    body = RULE.replace("priority: 60", "deadline: 2d") + RULE.replace("rules:\n", "").replace("nude", "again").replace(
        "priority: 60", "deadline: 90m"
    )
    assert judged(ruleset_of(body), NUDE).deadline_s == 90 * 60
    assert judged(ruleset_of(RULE), NUDE).deadline_s is None


def test_a_sample_is_drawn_by_the_clips_id_and_samples_nest():
    clips = [f"clip_{number}" for number in range(20_000)]
    small = {clip for clip in clips if falls_into(clip, 0.01)}
    assert 140 < len(small) < 260
    assert small < {clip for clip in clips if falls_into(clip, 0.05)}
    assert all(falls_into(clip, 1) for clip in clips[:100])


def test_a_sampled_clip_carries_its_rules(judged):
    body = """\
rules:
  - {rule: all_public, when: {fact: phase, equals: public}, then: {outcome: allow, sample_rate: 1}}
  - {rule: few, when: {fact: phase, equals: public}, then: {outcome: allow, sample_rate: 0.0001}}
"""
    decision = judged(ruleset_of(body), "{}")
    assert (decision.outcome, decision.sampled) == (Outcome.ALLOW, ("area.all_public",))


@pytest.mark.parametrize(
    ("part", "code"),
    [
        ("remedies: [mute]", "not-available"),
        ("remedies: [mutes]", "wrong-value"),
        ("deadline: 4", "wrong-type"),
        ("deadline: 0h", "wrong-value"),
        ("deadline: 31d", "wrong-value"),
        ("sample_rate: 0", "out-of-range"),
        ("sample_rate: 2", "out-of-range"),
        ("markets: []", "empty-list"),
        ("visibility: private", "wrong-value"),
    ],
)
def test_a_fault_of_an_action_is_found(part, code):
    assert code in codes(RULE.replace("priority: 60", part))


# Shadow rules


def test_a_shadow_rule_is_judged_and_never_acts(judged):
    shadow = RULE + "    mode: shadow\n    since: 2026-01-01\n"
    decision = judged(ruleset_of(shadow), NUDE)
    assert (decision.outcome, decision.queue, decision.reasons) == (Outcome.ALLOW, None, ())
    assert [(entry.rule, entry.shadow, str(entry.outcome)) for entry in decision.trace] == [("nude", True, "review")]
    assert Decision.from_json(decision.to_json()) == decision
    assert "missing-key" in codes(RULE + "    mode: shadow\n")
    assert "wrong-value" in codes(RULE + "    mode: shadow\n    since: soon\n")
    assert judged(ruleset_of(RULE + "    mode: enforce\n"), NUDE).to_json() == {
        **judged(ruleset_of(RULE), NUDE).to_json(),
        "policy_version": ruleset_of(RULE + "    mode: enforce\n").version,
    }


# Within

BOTH = "{{all: [{{signal: explicit.score, at_least: 0.5}}, {{signal: face.age, below: 25}}], within: {}}}"
SHOT, PERSON = BOTH.format("same_shot"), BOTH.format("same_person")
FACE = "faces: [{{state: unmatched, signals: {{face.age: '{}', minor.score: '{}'}}}}]"


@pytest.mark.parametrize(
    ("condition", "given", "truth"),
    [
        (SHOT, "shots: [1s]\nsignals: {explicit.score: '0.9x4 0.1x4'}\n" + FACE.format("40x4 20x4", "0x8"), "false"),
        (SHOT, "shots: [1s]\nsignals: {explicit.score: '0.9x4 0.1x4'}\n" + FACE.format("20x4 40x4", "0x8"), "true"),
        # Without a cut it is one shot.
        (SHOT, "signals: {explicit.score: '0.9x4 0.1x4'}\n" + FACE.format("40x4 20x4", "0x8"), "true"),
        # A shot in which nobody looked for one of the two.
        (SHOT, "shots: [1s]\nsignals: {explicit.score: '0.1x4 _x4'}\n" + FACE.format("40x4 20x4", "0x8"), "undetermined"),
        (SHOT, "signals: {explicit.score: failed}\n" + FACE.format("40x4 20x4", "0x8"), "undetermined"),
        # What lasts long enough does so inside one shot, and an instant speaks across no cut.
        ("{all: [{signal: explicit.score, at_least: 0.5, for: 1s}], within: same_shot}",
         "shots: [1s]\nsignals: {explicit.score: '0.1x2 0.9x4 0.1x2'}", "false"),
        ("{all: [{signal: explicit.score, at_least: 0.5, for: 1s}], within: same_shot}",
         "signals: {explicit.score: '0.1x2 0.9x4 0.1x2'}", "true"),
        # What was said beside the clip is of every shot, and so is a fact.
        ("{all: [{signal: explicit.score, at_least: 0.5}, {signal: words.hate, at_least: 0.5}], within: same_shot}",
         "shots: [1s]\nsignals: {explicit.score: '0.1x4 0.9x4', words.hate: '1'}", "true"),
        ("{all: [{signal: explicit.score, at_least: 0.5}, {fact: phase, equals: draft}], within: same_shot}",
         "shots: [1s]\nsignals: {explicit.score: '0.1x4 0.9x4'}", "false"),
    ],
)  # fmt: skip
def test_same_shot(truths, condition, given, truth):
    assert truths(condition, given) == truth


YOUNG_AND_MINOR = "{all: [{signal: face.age, below: 25}, {signal: minor.score, at_least: 0.5}], within: same_person}"
THEIRS = "{all: [{person: not_consented}, {signal: minor.score, at_least: 0.5}], within: same_person}"
TWO = """\
faces:
  - {{state: unmatched, signals: {{face.age: '20x8', minor.score: '{}x8'}}}}
  - {{state: unmatched, signals: {{face.age: '40x8', minor.score: '{}x8'}}}}
"""
LEA = """\
people: {{lea: {{kind: cameo, consent: not_consented}}}}
faces:
  - {{state: matched, person: lea, signals: {{minor.score: '{}x8'}}}}
  - {{state: {}, signals: {{minor.score: '{}x8'}}}}
"""
HEARD = """\
people: {{lea: {{kind: cameo, consent: not_consented}}, ben: {{kind: cameo, consent: not_consented}}}}
faces: [{{state: matched, person: lea}}]
voices: [{{state: matched, person: {}}}]
"""


@pytest.mark.parametrize(
    ("condition", "given", "truth"),
    [
        (YOUNG_AND_MINOR, TWO.format("0.9", "0.1"), "true"),
        (YOUNG_AND_MINOR, TWO.format("0.1", "0.9"), "false"),
        ("{all: [{signal: face.age, below: 25}, {signal: minor.score, at_least: 0.5}]}", TWO.format("0.1", "0.9"), "true"),
        (THEIRS, LEA.format("0.9", "unmatched", "0.1"), "true"),
        (THEIRS, LEA.format("0.1", "unmatched", "0.9"), "false"),
        # One person on two faces.
        (THEIRS, LEA.format("0.1", "possible, person: lea", "0.9"), "true"),
        (YOUNG_AND_MINOR, "signals: {face.detection: failed}", "undetermined"),
        (YOUNG_AND_MINOR, "{}", "false"),
        # What is not of faces settles it, whoever may be there unseen.
        ("{all: [{signal: face.age, below: 25}, {fact: phase, equals: draft}], within: same_person}",
         "signals: {face.detection: failed}", "false"),
        ("{all: [{person: not_consented}, {person: not_consented, voice: matched}], within: same_person}",
         HEARD.format("ben"), "false"),
        ("{all: [{person: not_consented}, {person: not_consented, voice: matched}], within: same_person}",
         HEARD.format("lea"), "true"),
        ("{all: [{person.declared: true, face: absent}, {signal: explicit.score, at_least: 0.5}], within: same_person}",
         "people: {lea: {kind: cameo, consent: consented, declared: true}}\nsignals: {explicit.score: '0.9x8'}", "false"),
    ],
)  # fmt: skip
def test_same_person(truths, condition, given, truth):
    assert truths(condition, given) == truth


def test_within_goes_with_all_only_and_is_a_word_of_the_list():
    assert "unknown-key" in codes(RULE.replace("{signal: explicit.score, at_least: 0.5}",
        "{any: [{signal: explicit.score, at_least: 0.5}], within: same_shot}"))  # fmt: skip
    assert "wrong-value" in codes(RULE.replace("{signal: explicit.score, at_least: 0.5}",
        "{all: [{signal: explicit.score, at_least: 0.5}], within: same_scene}"))  # fmt: skip


def test_an_expression_reads_the_whole_clip_and_so_stands_within_nothing():
    inside = "{all: [{not: {expr: 'duration_ms > 5.0'}}], within: same_shot}"
    assert "expression-within" in codes(RULE.replace("{signal: explicit.score, at_least: 0.5}", inside))


def test_a_record_that_knows_no_shots_leaves_the_question_open(rules, stage):
    ruleset = rules(f"when: {SHOT}\n    then: {{outcome: review, reasons: [explicit_content]}}")
    facts = replace(stage("signals: {explicit.score: '0.9x8'}\n" + FACE.format("20x8", "0x8")), shots=())
    decision = decide(facts, ruleset)
    assert decision.outcome is Outcome.REVIEW
    assert [leaf.causes[0].name for leaf in decision.trace[0].leaves] == ["shots"]


def test_the_trace_of_within_shows_the_shot_in_which_it_held(rules, stage):
    ruleset = rules(f"when: {SHOT}\n    then: {{outcome: review, reasons: [explicit_content]}}")
    given = "shots: [1s]\nsignals: {explicit.score: '0.9x8'}\n" + FACE.format("40x4 20x4", "0x8")
    leaves = decide(stage(given), ruleset).trace[0].leaves
    assert [(leaf.spans[0].start_ms, leaf.spans[0].end_ms) for leaf in leaves] == [(1000, 2000), (1000, 2000)]
