"""What lint says beyond what makes a folder unusable."""

import json
import shutil
import time
from datetime import date
from pathlib import Path

import pytest

from moderation.policy import duties
from moderation.policy.cases import run_folder
from moderation.policy.lint import lint
from moderation.policy.loader import load_ruleset
from moderation.policy.registry import VOCABULARY


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def codes(folder: Path) -> list[str]:
    return [finding.code for finding in lint(folder)]


def test_a_good_folder_has_no_findings(folder):
    assert lint(folder) == []


def test_a_rule_without_cases_is_found_at_its_place(folder):
    (folder / "area" / "cases.yaml").unlink()
    found = lint(folder)
    assert [finding.code for finding in found] == ["no-must-fire", "no-must-not-fire"]
    assert (found[0].line, found[0].column) == (7, 5)


def test_missing_guidance_is_found(folder):
    (folder / "area" / "guidance.ar.md").unlink()
    (folder / "area" / "guidance.fr.md").write_text("")
    assert codes(folder) == ["no-guidance", "no-guidance"]


def test_two_rules_that_ask_the_same_are_found(folder):
    path = folder / "area" / "policy.yaml"
    rule = path.read_text().partition("rules:\n")[2]
    path.write_text(path.read_text() + rule.replace("any_frame", "again"))
    assert "duplicate-condition" in codes(folder)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("must_fire: [any_frame]", "must_fire: [every_frame]", "unknown-rule"),
        ("0x7 0.3", "0x7 0.3y2", "wrong-value"),
        ("0x7 0.3", "0x9999 0x9999", "wrong-value"),
        ("    must_fire: [any_frame]\n", "", "no-expectation"),
        ('explicit.score: "0x7', 'explicit.scores: "0x7', "unknown-signal"),
        ("outcome: allow", "outcome: alow", "wrong-value"),
        ("given: {signals", "given: {faces: [{state: matched, person: nobody}], signals", "unknown-person"),
        ("given: {signals", "given: {every: often, signals", "wrong-value"),
        ("given: {signals", "given: {people: {a: {kind: cameo}}, signals", "missing-key"),
        ("cases:", "examples:", "unknown-key"),
        ("- case: one frame", "- case: &a one frame", "alias"),
    ],
)
def test_faults_of_cases_are_found(folder, old, new, code):
    edit(folder / "area" / "cases.yaml", old, new)
    assert code in codes(folder)


def test_a_case_that_fails_says_which_and_why(folder):
    edit(folder / "area" / "policy.yaml", "0.3}", "0.31}")
    report = run_folder(folder)
    assert (report.cases, report.failed, report.fired, report.rules) == (2, 1, 0, 1)
    (finding,) = report.findings
    assert (finding.line, finding.code) == (2, "case-failed")
    assert finding.message == "one frame: `any_frame` must fire and did not"


def test_what_is_only_undetermined_does_not_pass_as_not_firing(folder):
    edit(folder / "area" / "cases.yaml", '"0.2999x8"', "failed")
    messages = [finding.message for finding in run_folder(folder).findings]
    assert messages == [
        "no frame: `any_frame` must not fire, but is undetermined",
        "no frame: outcome must be allow and is review",
    ]


def test_cases_of_the_whole_folder_name_area_and_rule(folder):
    cases = (folder / "area" / "cases.yaml").read_text()
    (folder / "cases.yaml").write_text(cases.replace("[any_frame]", "[area.any_frame]"))
    assert lint(folder) == []
    report = run_folder(folder)
    assert (report.cases, report.failed) == (4, 0)


def test_a_folder_without_areas_and_an_area_without_its_policy_are_found(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    assert "no-policies" in codes(tmp_path / "empty")
    (folder / "area" / "policy.yaml").unlink()
    assert "missing-file" in codes(folder)


def test_a_file_beyond_its_limit_is_found(folder):
    edit(folder / "area" / "policy.yaml", "for a test", "x" * 5_000)
    assert codes(folder) == ["too-large"]


def test_queues_in_another_order_are_found(folder):
    path = folder / "vocabulary.yaml"
    lines = path.read_text().split("\n")
    at = lines.index("queues:")
    lines[at + 1], lines[at + 2] = lines[at + 2], lines[at + 1]
    path.write_text("\n".join(lines))
    assert codes(folder) == ["queue-order"]


def test_a_reason_without_a_sentence_in_every_language_is_found(folder, monkeypatch):
    known = {language: dict(texts) for language, texts in duties.texts().items()}
    del known["ar"]["reason.explicit_content"], known["fr"]["reason.explicit_content"]
    monkeypatch.setattr(duties, "texts", lambda: known)
    (finding,) = lint(folder)
    assert (finding.code, finding.suggestion) == ("no-text", "add `reason.explicit_content` to the texts")
    assert "fr, ar" in finding.message


def test_every_reason_has_a_ground():
    assert set(VOCABULARY.grounds) == set(VOCABULARY.reasons)


@pytest.fixture
def before(folder, tmp_path_factory) -> Path:
    copy = tmp_path_factory.mktemp("before") / "policies"
    shutil.copytree(folder, copy)
    return copy


def test_a_line_that_moved_far_wants_a_backtest(folder, before, tmp_path):
    path = folder / "area" / "policy.yaml"
    edit(path, "at_least: 0.3}", "at_least: 0.34}")
    assert lint(folder, against=before) == []
    edit(path, "at_least: 0.34}", "at_least: 0.36}")
    (finding,) = lint(folder, against=before)
    assert (finding.code, finding.line) == ("moved-without-backtest", 7)
    assert "from 0.3 to 0.36" in finding.message
    assert lint(folder) == []
    backtest = tmp_path / "backtest.json"
    backtest.write_text(json.dumps({"from": "x", "tables": [{"to": load_ruleset(folder).version}]}))
    assert lint(folder, against=before, backtest=backtest) == []
    backtest.write_text(json.dumps({"to": load_ruleset(before).version}))
    assert [found.code for found in lint(folder, against=before, backtest=backtest)] == ["moved-without-backtest"]
    backtest.write_text("[" * 100_000)
    assert [found.code for found in lint(folder, against=before, backtest=backtest)] == ["moved-without-backtest"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "outcome: review",
            "outcome: restrict, audience: [adults_only]",
            "asked for `review` and asks for `restrict` now",
        ),
        ("  - rule: any_frame\n", "  - rule: any_frame\n    mode: shadow\n    since: 2026-06-01\n", "is in shadow now"),
        ("rule: any_frame", "rule: other_name", "`area.any_frame` acted in the other folder and is gone"),
    ],
)
def test_a_rule_that_does_less_wants_a_backtest_too(folder, before, old, new, says):
    edit(folder / "area" / "policy.yaml", old, new)
    found = [each for each in lint(folder, against=before) if each.code == "moved-without-backtest"]
    assert [says in each.message for each in found] == [True]
    edit(folder / "area" / "policy.yaml", new, old)
    edit(folder / "area" / "policy.yaml", "outcome: review", "outcome: block")
    assert lint(folder, against=before) == []


def test_a_base_that_cannot_be_read_is_said(folder, tmp_path):
    (finding,) = lint(folder, against=tmp_path / "nothing")
    assert finding.code == "no-base"


def test_dates_are_judged_by_the_day_that_is_given(folder):
    edit(
        folder / "area" / "policy.yaml",
        "  - rule: any_frame\n",
        "  - rule: any_frame\n    mode: shadow\n    since: 2026-05-01\n",
    )
    assert lint(folder) == []
    assert lint(folder, today=date(2026, 5, 31)) == []
    assert [found.code for found in lint(folder, today=date(2026, 6, 1))] == ["stale-shadow"]


def test_rules_that_never_matter_are_named_with_the_one_that_outdoes_them(folder):
    text = """  - rule: long
    when: {signal: explicit.score, at_least: 0.9, for: 1s}
    then: {outcome: review, reasons: [explicit_content]}
  - rule: other_reason
    when: {signal: explicit.score, at_least: 0.9, for: 2s}
    then: {outcome: review, reasons: [violence]}
  - rule: urgent
    when: {signal: explicit.score, at_least: 0.9, for: 3s}
    then: {outcome: review, reasons: [explicit_content], priority: 90}
  - rule: not_for_teens
    when: {signal: explicit.score, at_least: 0.9, for: 4s}
    then: {outcome: review, reasons: [explicit_content], audience: [not_for_teens]}
  - rule: other_when_open
    when: {signal: explicit.score, at_least: 0.9, for: 5s}
    then: {outcome: review, reasons: [explicit_content]}
    on_undetermined: block
  - rule: draft_only
    when: {all: [{fact: phase, equals: draft}, {signal: explicit.score, at_least: 0.4}]}
    then: {outcome: review, reasons: [explicit_content]}
"""
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text() + text)
    found = [finding.message for finding in lint(folder) if finding.code == "shadowed-rule"]
    assert found == [
        f"whenever `{name}` fires, `any_frame` fires too and asks for as much: `{name}` changes nothing"
        for name in ("long", "draft_only")
    ]


def test_a_shadow_rule_outdoes_nobody(folder):
    path = folder / "area" / "policy.yaml"
    edit(path, "  - rule: any_frame\n", "  - rule: any_frame\n    mode: shadow\n    since: 2026-05-01\n")
    text = "  - rule: long\n    when: {signal: explicit.score, at_least: 0.9, for: 1s}\n"
    path.write_text(path.read_text() + text + "    then: {outcome: review, reasons: [explicit_content]}\n")
    assert "shadowed-rule" not in codes(folder)


@pytest.mark.parametrize("shape", ["{when}", "{{all: [{when}, {{fact: lineage.depth, above: {n}}}]}}"])
def test_a_thousand_rules_of_one_area_take_no_time_squared(folder, shape):
    path = folder / "area" / "policy.yaml"
    head = path.read_text().partition("rules:\n")[0] + "rules:\n"
    leaf = "{{signal: explicit.score, at_least: 0.{n:04d}, for: {ms}ms}}"
    then = "    then: {outcome: review, reasons: [explicit_content]}\n"

    def seconds(count: int) -> float:
        rules = []
        for n in range(1, count + 1):
            when = shape.format(when=leaf.format(n=n, ms=n + 1), n=n)
            rules.append(f"  - rule: rule_{n}\n    when: {when}\n{then}")
        path.write_text(head + "".join(rules))
        started = time.process_time()
        lint(folder)
        return time.process_time() - started

    few, many = seconds(250), seconds(1000)
    assert many < max(12 * few, 1)


def test_many_rules_are_checked_quickly(folder):
    path = folder / "area" / "policy.yaml"
    head, mark, rule = path.read_text().partition("rules:\n")
    rules = (rule.replace("any_frame", f"rule_{n}").replace("0.3", f"0.{n:03d}1") for n in range(500))
    path.write_text(head + mark + "".join(rules))
    started = time.process_time()
    assert len(lint(folder)) >= 1000
    assert time.process_time() - started < 3


EXCEPTION = """\
    exceptions:
      - {exception: art, owner: OWNER, why: w, expires: ENDS, when: {fact: phase, equals: draft}}
"""


@pytest.mark.parametrize("owner", ["todo", "'TODO: find'", "'- tbd -'", "'???'", "N/A", "No-one"])
def test_nobody_owns_an_exception_either(folder, owner):
    path = folder / "area" / "policy.yaml"
    head = path.read_text()
    path.write_text(head + EXCEPTION.replace("OWNER", owner).replace("ENDS", "2026-12-31"))
    found = lint(folder, today=date(2026, 6, 15))
    expected = [] if owner == "'TODO: find'" else [("no-owner", 11, 9)]
    assert [(finding.code, finding.line, finding.column) for finding in found] == expected
    path.write_text(head + EXCEPTION.replace("OWNER", "policy-arts").replace("ENDS", "2026-12-31"))
    assert lint(folder, today=date(2026, 6, 15)) == []


def test_an_exception_without_an_end_that_anybody_lives_to_see_is_found(folder):
    path = folder / "area" / "policy.yaml"
    path.write_text(path.read_text() + EXCEPTION.replace("OWNER", "policy-arts").replace("ENDS", "2027-06-16"))
    assert [found.code for found in lint(folder, today=date(2026, 6, 14))] == ["far-expiry"]
    assert lint(folder, today=date(2026, 6, 15)) == []


def test_a_shadow_since_a_day_to_come_never_grows_stale_and_is_found(folder):
    edit(
        folder / "area" / "policy.yaml",
        "  - rule: any_frame\n",
        "  - rule: any_frame\n    mode: shadow\n    since: 2099-05-01\n",
    )
    assert [found.code for found in lint(folder, today=date(2026, 6, 15))] == ["stale-shadow"]


def test_a_case_that_admits_a_gap_proves_nothing(folder):
    path = folder / "area" / "cases.yaml"
    path.write_text(path.read_text().replace("    given", "    known_gap: later\n    given"))
    assert codes(folder) == ["no-must-fire", "no-must-not-fire"]


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path):
    (finding,) = lint(tmp_path / "nosuch")
    assert (finding.code, finding.message) == ("no-policies", "there is no such folder")
