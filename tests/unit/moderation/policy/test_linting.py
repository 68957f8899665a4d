"""What lint says beyond what makes a folder unusable."""

import time
from pathlib import Path

import pytest

from moderation.policy.cases import run_folder
from moderation.policy.lint import lint


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


def test_many_rules_are_checked_quickly(folder):
    path = folder / "area" / "policy.yaml"
    head, mark, rule = path.read_text().partition("rules:\n")
    rules = (rule.replace("any_frame", f"rule_{n}").replace("0.3", f"0.{n:03d}1") for n in range(500))
    path.write_text(head + mark + "".join(rules))
    started = time.process_time()
    assert len(lint(folder)) >= 1000
    assert time.process_time() - started < 3
