"""Every code of a finding: its example gives it, and what stands beside it as good does not."""

import re
from datetime import date
from pathlib import Path

import pytest

from moderation import policy
from moderation.policy.catalogue import catalogue, example_folder
from moderation.policy.lint import lint
from moderation.policy.reference import render as render_page
from moderation.policy.vocabulary import render

TODAY = date(2026, 6, 15)
CODES = catalogue()
#: Codes that no change of one text shows; each has a test of its own in test_linting or test_expressions.
OTHERWISE = {
    "too-large", "missing-file", "no-policies", "no-cel", "no-text", "moved-without-backtest", "no-base", "queue-order",
}  # fmt: skip
#: What the word files and the cases' proof say; they have tables of their own.
ELSEWHERE = {
    "ary-latn", "duplicate-sentence", "too-few", "unknown-category", "wrong-version",
    "case-failed", "gap-closed", "known-gap", "mutant-survives", "not-covered", "weak-cases",
}  # fmt: skip


def write(folder: Path, code: str, text: str) -> Path:
    """Write the example folder with `text` in place of what the code's entry names."""
    entry = CODES[code]
    for relative, body in {**example_folder(), "vocabulary.yaml": render()}.items():
        path = folder / relative
        path.parent.mkdir(exist_ok=True)
        path.write_text(body, encoding="utf-8")
    path = folder / entry.file
    body = path.read_text(encoding="utf-8") if path.exists() else ""
    assert body.count(entry.at) >= 1, f"{entry.file} has no {entry.at!r}"
    path.write_text(body.replace(entry.at, text, 1), encoding="utf-8")
    return folder


def test_the_example_folder_has_no_fault(tmp_path):
    assert lint(write(tmp_path, "unparsable", CODES["unparsable"].at), today=TODAY) == []


@pytest.mark.parametrize("code", [code for code in CODES if code not in OTHERWISE])
def test_the_bad_example_has_the_fault_and_the_good_one_does_not(tmp_path, code):
    entry = CODES[code]
    assert entry.bad != entry.good
    bad = lint(
        write(tmp_path / "bad", code, entry.bad) if (tmp_path / "bad").mkdir() is None else tmp_path, today=TODAY
    )
    assert code in {finding.code for finding in bad}, bad
    found = next(finding for finding in bad if finding.code == code)
    lines = Path(found.path).read_text(encoding="utf-8").split("\n")
    assert found.line <= len(lines)
    assert 1 <= found.column <= len(lines[found.line - 1]) + 1
    if code == "unknown-file":
        return
    (tmp_path / "good").mkdir()
    good = lint(write(tmp_path / "good", code, entry.good), today=TODAY)
    assert code not in {finding.code for finding in good}, good


def test_every_code_that_the_source_gives_is_in_the_table_and_no_other():
    text = "".join(path.read_text(encoding="utf-8") for path in Path(policy.__file__).parent.glob("*.py"))
    given = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)) | {
        "alias",
        "tag",
        "several",
        "unparsable",
        "cycle",
        "overlap",
    }
    assert given - ELSEWHERE - set(CODES) == set()
    assert {code for code in CODES if f'"{code}"' not in text and f"-{code}" not in text} <= {
        code for code in CODES if code.startswith("unknown-")
    }


def test_a_code_without_an_example_is_shown_by_a_test_of_its_own():
    assert {code for code, entry in CODES.items() if not entry.at and entry.bad == ""} == OTHERWISE


def test_the_page_of_codes_is_current():
    page = Path(__file__).parents[4] / "docs" / "reference" / "policy-lint.md"
    assert page.read_text(encoding="utf-8") == render_page(), "moderation policy codes > docs/reference/policy-lint.md"
