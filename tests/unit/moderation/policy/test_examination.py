"""What cases prove: known gaps, coverage, the mutation score, and the gate that refuses rules with too little proof."""

from pathlib import Path

import pytest

from moderation.policy import mutation
from moderation.policy.cases import run_folder
from moderation.policy.examination import Examination, activation_faults, examine_folder
from moderation.policy.loader import read_folder

#: With these two more the rule of the folder is known well enough to act.
ENOUGH = """\
  - case: on the line
    given: {signals: {explicit.score: "0x7 0.3"}}
    must_fire: [any_frame]
    expect: {outcome: review, reasons: [explicit_content], queue: explicit}
  - case: above the line
    given: {signals: {explicit.score: "0.34x8"}}
    must_fire: [any_frame]
"""


def proof(examination: Examination, rule: str = "area.any_frame"):
    return next(found for found in examination.proofs if found.name == rule)


def tells(examination: Examination, rule: str = "area.any_frame") -> set[str]:
    score = proof(examination, rule).score
    assert score is not None
    return {change.tells for change in score.survivors}


def write(folder: Path, *, cases: str | None = None, rules: str | None = None) -> None:
    area = folder / "area"
    if cases is not None:
        (area / "cases.yaml").write_text(f"cases:\n{cases}")
    if rules is not None:
        head = (area / "policy.yaml").read_text().partition("rules:\n")[0]
        (area / "policy.yaml").write_text(f"{head}rules:\n{rules}")


def gate(folder: Path) -> list[str]:
    found = activation_faults(read_folder(folder), {"area": (folder / "area" / "cases.yaml").read_text()})
    return [finding.code for finding in found]


def test_a_mutant_no_case_notices_says_where_and_what_to_write(folder):
    examination = examine_folder(folder)
    assert {
        "`queue: explicit` from `queue: known_illegal`",
        "`reasons: [explicit_content]` from `reasons: [public_figure_likeness]`",
    } <= tells(examination)
    score = proof(examination).score
    assert score is not None
    (moved,) = [f for f in score.findings("policy.yaml") if "queue" in f.message]
    assert (moved.line, moved.code) == (9, "mutant-survives")
    assert moved.message.endswith("write `expect: {queue: explicit}` where this rule alone fires")


def test_a_case_on_the_line_and_one_below_hold_a_threshold(folder):
    assert not {told for told in tells(examine_folder(folder)) if "at_least" in told}
    write(folder, cases='  - case: high\n    given: {signals: {explicit.score: "0.9x8"}}\n    must_fire: [any_frame]\n')
    assert {told for told in tells(examine_folder(folder)) if "at_least" in told} == {
        "`at_least: 0.3` from `at_least: 0.35`",
        "`at_least: 0.3` from `at_least: 0.25`",
        "`at_least: 0.3` from `above: 0.3`",
    }


def test_what_a_survivor_asks_for_kills_it(folder):
    write(folder, cases='  - case: high\n    given: {signals: {explicit.score: "0.9x8"}}\n    must_fire: [any_frame]\n')
    score = proof(examine_folder(folder)).score
    assert score is not None
    (up,) = [change for change in score.survivors if "at_least: 0.35" in change.tells]
    value = up.advice.rpartition(" ")[2]
    more = f'  - case: more\n    given: {{signals: {{explicit.score: "{value}x8"}}}}\n    must_fire: [any_frame]\n'
    write(folder, cases=(folder / "area" / "cases.yaml").read_text().partition("cases:\n")[2] + more)
    assert up.tells not in tells(examine_folder(folder))


@pytest.mark.parametrize(
    ("when", "same"),
    [
        ("{signal: explicit.score, at_least: 0.3, in: 1 of 4}", "quantifier"),
        ("{signal: explicit.score, at_least: 0.3, anywhere: true}", "quantifier"),
        ("{not: {not: {signal: explicit.score, at_least: 0.3}}}", "none"),
    ],
)
def test_what_provably_means_the_same_is_not_counted(folder, when, same):
    write(folder, rules=f"  - rule: any_frame\n    when: {when}\n    then: {{outcome: review, reasons: [violence]}}\n")
    kinds = {told for told in tells(examine_folder(folder)) if "from none" in told or "1 of" in told}
    assert not {told for told in kinds if "2 of" not in told}, same


def test_what_the_language_refuses_is_not_counted(folder):
    rule = "  - rule: any_frame\n    when: {signal: words.hate, at_least: 1}\n    then: {outcome: review, reasons: [hate]}\n"
    write(folder, rules=rule, cases="  - case: none\n    given: {}\n    must_not_fire: [any_frame]\n")
    score = proof(examine_folder(folder)).score
    assert score is not None
    told = {change.tells for change in score.survivors}
    # Words may not block, and no value is above the end of its scale.
    assert "`outcome: review` from `outcome: block`" not in told
    assert "`at_least: 1` from `at_least: 1.05`" not in told
    assert "`at_least: 1` from `at_least: 0.95`" in told


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("{all: [{signal: words.hate, at_least: 0.5}, {signal: words.scam, at_least: 0.5}]}", "`all` from `any`"),
        ("{any: [{signal: words.hate, at_least: 0.5}, {signal: words.scam, at_least: 0.5}]}", "`any` from `all`"),
        ("{not: {signal: words.hate, below: 0.5}}", "from the same without `not`"),
        ("{signal: explicit.score, at_least: 0.3, for: 500ms}", "`for: 500ms` from none"),
        ("{signal: explicit.score, at_least: 0.3, for: 500ms}", "`for: 500ms` from `for: 750ms`"),
        ("{signal: explicit.score, at_least: 0.3, for: 200ms}", "`for: 200ms` from `for: 100ms`"),
        ("{signal: explicit.score, at_least: 0.3, in: 3 of 5}", "`in: 3 of 5` from `in: 3 of 6`"),
        ("{signal: explicit.score, at_least: 0.3, share_of_clip: 0.5}", "`share_of_clip: 0.5` from `0.45`"),
        ("{person: [revoked, not_consented], face: matched}", "`person` with `revoked` from `person` without it"),
        ("{person: revoked, face: matched}", "`face: matched` from none"),
        ("{fact: submission.market, one_of: [FR, BE]}", "`one_of` with `BE` from `one_of` without it"),
        ("{fact: known_illegal, equals: true}", "`equals: true` from `equals: false`"),
        ("{signal: face.age, below: 25}", "`below: 25` from `below: 24`"),
        ("{signal: face.age, below: 25}", "`below: 25` from `at_most: 25`"),
        ("{signal: face.age, below: 25}", "`below: 25` from `above: 25`"),
    ],
)
def test_every_kind_of_wrong_turn_is_tried(folder, when, told):
    write(
        folder,
        rules=f"  - rule: any_frame\n    when: {when}\n    then: {{outcome: review, reasons: [violence]}}\n",
        cases="  - case: nothing\n    given: {submission: {market: US}}\n    expect: {notes: []}\n",
    )
    assert any(told in found for found in tells(examine_folder(folder)))


def test_coverage_says_what_no_case_shows(folder):
    when = "{all: [{signal: explicit.score, at_least: 0.3}, {signal: words.hate, at_least: 0.5}]}"
    write(folder, rules=f"  - rule: any_frame\n    when: {when}\n    then: {{outcome: review, reasons: [hate]}}\n")
    examination = examine_folder(folder, mutants=False)
    coverage = proof(examination).coverage
    assert (coverage.covered, len(coverage.seen)) == (1, 3)
    assert [(f.line, f.column, f.message) for f in coverage.findings("p")] == [
        (8, 11, "`any_frame`: in no case it holds: all"),
        (8, 59, "`any_frame`: in no case it holds: {signal: words.hate, at_least: 0.5}"),
    ]
    assert proof(examination).score is None


def test_a_known_gap_fails_nothing_until_it_holds(folder):
    gap = '  - case: a hidden picture\n    given: {signals: {explicit.score: "0.2x8"}}\n    must_fire: [any_frame]\n'
    write(folder, cases=gap + "    known_gap: the net does not see drawings\n")
    report = run_folder(folder)
    assert (report.cases, report.failed, report.findings) == (1, 0, ())
    assert [finding.message for finding in report.gaps] == [
        "a hidden picture: `any_frame` must fire and did not (the net does not see drawings)"
    ]
    write(folder, cases=gap.replace("0.2x8", "0.3x8") + "    known_gap: true\n")
    report = run_folder(folder)
    assert [finding.code for finding in report.findings] == ["gap-closed"]
    assert report.gaps == ()


def test_a_known_gap_proves_nothing(folder):
    cases = (folder / "area" / "cases.yaml").read_text().partition("cases:\n")[2]
    write(folder, cases=cases + ENOUGH)
    assert gate(folder) == []
    wrong = ENOUGH.replace("on the line", "wrong").replace("0x7 0.3", "0x8")
    write(folder, cases=cases + wrong + "    known_gap: true\n")
    assert "weak-cases" in gate(folder)


def test_the_gate_wants_cases_of_both_kinds_and_mutants_killed(folder):
    cases = (folder / "area" / "cases.yaml").read_text().partition("cases:\n")[2]
    write(folder, cases="  - case: nothing\n    given: {}\n    expect: {outcome: allow}\n")
    assert gate(folder) == ["no-must-fire", "no-must-not-fire", "weak-cases"]
    write(folder, cases=cases)
    assert gate(folder) == ["weak-cases"]
    write(folder, cases=cases + ENOUGH)
    assert gate(folder) == []


def test_the_gate_refuses_a_failing_case_and_unusable_text(folder):
    cases = (folder / "area" / "cases.yaml").read_text().partition("cases:\n")[2]
    write(folder, cases=cases.replace("0.2999x8", "0.3x8") + ENOUGH)
    assert "case-failed" in gate(folder)
    write(folder, rules="  - rule: any_frame\n")
    assert gate(folder) == ["missing-key", "missing-key"]


def test_a_failure_shows_what_the_conditions_came_to(folder):
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text().replace("0.3}", "0.31}"))
    (failure,) = examine_folder(folder, mutants=False).failures
    assert failure.traces == {
        "any_frame": ["false: {signal: explicit.score, at_least: 0.31} - highest 0.3 at 1750 ms"],
    }


def test_an_area_without_cases_is_examined_all_the_same(folder):
    (folder / "area" / "cases.yaml").unlink()
    examination = examine_folder(folder)
    assert [finding.code for finding in examination.faults()] == ["no-must-fire", "no-must-not-fire", "weak-cases"]
    assert examination.killed == 0


OVERLAID = """\
  - rule: any_frame
    when: {signal: explicit.score, at_least: 0.3}
    then: {outcome: review, reasons: [explicit_content]}
overlays:
  - overlay: strict
    owner: legal
    why: a law
    markets: [SA]
    change: [{rule: any_frame, signals: {explicit.score: {at_least: 0.2}}, then: {outcome: block}}]
    rules: [{rule: hateful, when: {signal: words.hate, at_least: 0.5}, then: {outcome: review, reasons: [hate]}}]
"""
ELSEWHERE = """\
  - case: elsewhere
    given: {submission: {market: US}, signals: {explicit.score: "0x7 0.3"}}
    must_fire: [any_frame]
  - case: elsewhere, less
    given: {submission: {market: US}, signals: {explicit.score: "0.2999x8"}}
    must_not_fire: [any_frame]
"""
HERE = """\
  - case: here
    given: {submission: {market: SA}, signals: {explicit.score: "0x7 0.2"}}
    must_fire: [any_frame]
    expect: {outcome: block, queue: explicit}
  - case: here, less
    given: {submission: {market: SA}, signals: {explicit.score: "0.1999x8"}}
    must_not_fire: [any_frame, hateful]
"""


def test_an_overlay_no_case_stands_in_proves_nothing(folder):
    write(folder, rules=OVERLAID, cases=ELSEWHERE)
    examination = examine_folder(folder)
    assert [found.name for found in examination.proofs] == [
        "area.any_frame",
        "area.any_frame@strict",
        "area.hateful@strict",
    ]
    codes = [fault.code for fault in proof(examination, "area.any_frame@strict").faults()]
    assert codes == ["untried-overlay", "no-must-fire", "no-must-not-fire", "weak-cases"]
    assert not proof(examination, "area.any_frame@strict").coverage.covered


def test_what_an_overlay_changes_is_told_by_cases_of_its_markets(folder):
    write(folder, rules=OVERLAID, cases=ELSEWHERE + HERE)
    examination = examine_folder(folder)
    changed = proof(examination, "area.any_frame@strict")
    assert (changed.must_fire, changed.must_not_fire, changed.coverage.covered) == (1, 1, 1)
    assert changed.faults() == []
    assert not {told for told in tells(examination, "area.any_frame@strict") if "at_least" in told}
    assert [fault.code for fault in proof(examination, "area.hateful@strict").faults()] == [
        "no-must-fire",
        "weak-cases",
    ]


def test_a_failing_case_of_an_overlays_own_rule_is_a_failure_and_no_crash(folder):
    wrong = "  - case: wrong\n    given: {submission: {market: SA}}\n    must_fire: [hateful]\n"
    write(folder, rules=OVERLAID, cases=wrong)
    (failure,) = examine_folder(folder, mutants=False).failures
    assert failure.traces == {}


def test_macros_and_lists_are_tried_where_they_are_used(folder):
    (folder / "shared.yaml").write_text(
        "language: 1\nlists: {here: [FR, BE]}\n"
        "macros: {nude_here: {all: [{signal: explicit.score, at_least: 0.3}, {fact: submission.market, one_of: {list: here}}]}}\n"
    )
    write(
        folder,
        rules="  - rule: any_frame\n    when: {macro: nude_here}\n    then: {outcome: review, reasons: [hate]}\n",
        cases=ELSEWHERE.replace("US", "FR"),
    )
    examination = examine_folder(folder)
    assert [seen.branch.says for seen in proof(examination).coverage.seen] == [
        "all",
        "{signal: explicit.score, at_least: 0.3}",
        "{fact: submission.market, one_of: {list: here}}",
    ]
    assert "`one_of` with `BE` from `one_of` without it" in tells(examination)
    assert not {told for told in tells(examination) if "at_least: 0.35" in told}


EXCEPTED = """\
  - rule: any_frame
    when: {signal: explicit.score, at_least: 0.3}
    then: {outcome: review, reasons: [explicit_content]}
    exceptions:
      - {exception: museum, owner: o, why: art, expires: 2099-12-31, when: {fact: submission.market, equals: FR}}
"""


def test_an_exception_nothing_needs_is_not_noticed(folder):
    write(folder, rules=EXCEPTED, cases=ELSEWHERE)
    examination = examine_folder(folder)
    assert "the exception `museum` from none" in tells(examination)
    assert [f.message for f in proof(examination).coverage.findings("p")] == [
        "`any_frame`: in no case it holds: {fact: submission.market, equals: FR}"
    ]
    excepted = "  - case: art\n    given: {submission: {market: FR}, signals: {explicit.score: '0.9x8'}}\n"
    write(folder, rules=EXCEPTED, cases=ELSEWHERE + excepted + "    must_not_fire: [any_frame]\n")
    examination = examine_folder(folder)
    assert "the exception `museum` from none" not in tells(examination)
    assert proof(examination).coverage.findings("p") == []


def test_a_shadow_rule_needs_no_proof(folder):
    shadow = "  - rule: any_frame\n    mode: shadow\n    since: 2026-01-01\n    when: {signal: explicit.score, at_least: 0.3}\n"
    write(folder, rules=shadow + "    then: {outcome: review, reasons: [hate]}\n", cases=ELSEWHERE)
    assert gate(folder) == []
    write(folder, rules=shadow.replace("shadow", "enforce") + "    then: {outcome: review, reasons: [hate]}\n")
    assert gate(folder) == ["weak-cases"]


def test_an_expression_is_turned_too(folder):
    rule = (
        "  - rule: any_frame\n    when: {expr: 'duration_ms > 1500.0'}\n    then: {outcome: review, reasons: [hate]}\n"
    )
    write(folder, rules=rule, cases="  - case: usual\n    given: {}\n    must_fire: [any_frame]\n")
    found = tells(examine_folder(folder))
    assert "`>` from `>=` in `duration_ms > 1500.0`" in found
    assert "`1500.0` from `1500.05` in `duration_ms > 1500.0`" in found
    assert not any("`>` from `<`" in told for told in found)


PADDED = """\
  - rule: any_frame
    when: {any: [{signal: explicit.score, at_least: 0.3}, {signal: words.hate, at_least: 0.5}, {signal: words.violence, at_least: 0.5}]}
    then: {outcome: review, reasons: [explicit_content]}
"""
WORDS = "".join(
    f"  - {{case: {name} {value}, given: {{signals: {{words.{name}: '{value}'}}}}, {says}: [any_frame]}}\n"
    for name in ("hate", "violence")
    for value, says in (("0.5", "must_fire"), ("0.52", "must_fire"), ("0.47", "must_not_fire"))
)


@pytest.mark.parametrize(
    ("loosened", "code", "shown"),
    [
        (
            "    exceptions: [{exception: art, owner: o, why: w, expires: 2026-12-31, when: {fact: submission.market, equals: FR}}]\n",
            ("untried-exception", 10, 18),
            "  - {case: art, given: {submission: {market: FR}, signals: {explicit.score: '0.9x8'}}, must_not_fire: [any_frame]}\n",
        ),
        (
            "overlays:\n  - {overlay: there, owner: o, why: w, markets: [FR], change: [{rule: any_frame, off: true}]}\n",
            ("untried-overlay", 11, 5),
            "  - {case: there, given: {submission: {market: FR}, signals: {explicit.score: '0.9x8'}}, expect: {outcome: allow}}\n",
        ),
    ],
)
def test_what_lets_clips_through_is_shown_to_do_so_however_many_other_mutants_are_noticed(
    folder, loosened, code, shown
):
    below = "  - {case: below, given: {signals: {explicit.score: '0.27'}}, must_not_fire: [any_frame]}\n"
    known = ENOUGH + WORDS + below
    write(folder, rules=PADDED, cases=known)
    assert gate(folder) == []
    write(folder, rules=PADDED + loosened, cases=known)
    found = [fault for proof in examine_folder(folder).proofs for fault in proof.faults()]
    assert [(fault.code, fault.line, fault.column) for fault in found] == [code]
    write(folder, rules=PADDED + loosened, cases=known + shown)
    assert gate(folder) == []


def test_a_deadline_and_markets_withheld_are_told_by_cases(folder):
    rule = (
        "  - rule: any_frame\n    when: {signal: explicit.score, at_least: 0.3}\n"
        "    then: {outcome: review, reasons: [explicit_content], deadline: 4h, markets: [FR, DE]}\n"
    )
    write(folder, rules=rule, cases=ENOUGH)
    assert "`deadline: 4h` from none" in tells(examine_folder(folder))
    timely = "  - case: soon\n    given: {signals: {explicit.score: '0.3'}, submission: {market: FR}}\n    expect: {deadline: 240m}\n"
    elsewhere = "  - case: elsewhere\n    given: {signals: {explicit.score: '0.3'}, submission: {market: US}}\n"
    write(
        folder,
        rules=rule,
        cases=ENOUGH + timely + elsewhere + "    expect: {markets_withheld: [DE, FR], outcome: allow}\n",
    )
    examination = examine_folder(folder)
    assert examination.report.failed == 0
    assert not {"`deadline: 4h` from none", "`markets: [FR, DE]` from none"} & tells(examination)
    write(folder, rules=rule, cases=timely.replace("240m", "2h") + elsewhere + "    expect: {markets_withheld: []}\n")
    assert [finding.message for finding in examine_folder(folder).report.findings] == [
        "soon: deadline must be 2h and is 4h",
        "elsewhere: markets_withheld must be [] and is [DE, FR]",
    ]


def test_a_rule_too_large_to_try_is_not_held(folder, monkeypatch):
    monkeypatch.setattr(mutation, "MAX_MUTANTS", 5)
    write(folder, cases=ENOUGH)
    assert gate(folder) == ["no-must-not-fire", "weak-cases"]


@pytest.mark.parametrize("asked", ["equals: FR", "one_of: [FR]"])
def test_a_value_is_told_from_any_other_by_a_case_of_another(folder, asked):
    rule = f"  - rule: any_frame\n    when: {{fact: submission.market, {asked}}}\n"
    here = "  - {case: here, given: {submission: {market: FR}}, must_fire: [any_frame], expect: {outcome: review, reasons: [hate], queue: explicit}}\n"
    nowhere = "  - {case: nowhere, given: {submission: {creator: ana}}, must_not_fire: [any_frame]}\n"
    elsewhere = "  - {case: elsewhere, given: {submission: {market: DE}}, must_not_fire: [any_frame]}\n"
    write(folder, rules=rule + "    then: {outcome: review, reasons: [hate]}\n", cases=here + nowhere)
    assert [told.split(" from ")[1] for told in tells(examine_folder(folder))] == ["any value"]
    write(folder, cases=here + elsewhere)
    assert tells(examine_folder(folder)) == set()
