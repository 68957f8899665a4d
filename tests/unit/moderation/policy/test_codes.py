"""Every code of a finding is planted and found: by its example, whose good side has it not, or else by a plant."""

import re
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import detectors
from moderation import policy, rulebook
from moderation.policy import duties, expressions
from moderation.policy.catalogue import catalogue, example_folder
from moderation.policy.examination import examine_folder
from moderation.policy.lint import lint
from moderation.policy.loader import UnusablePolicies, load_ruleset
from moderation.policy.model import Finding
from moderation.policy.reference import render as render_page
from moderation.policy.vocabulary import render
from moderation.rulebook.emergencies import demand_only_rules
from moderation.rulebook.in_force import Emergency, lay_over

TODAY = date(2026, 6, 15)
CODES = catalogue()
#: Words with a hyphen in the source that are no code.
NO_CODES = {"ary-latn", "utf-8"}


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


#: More cases, such that the example's rule is known well enough to act.
PROOF = """\
  - case: on the line
    given: {signals: {explicit.score: "0x7 0.3"}}
    must_fire: [any_frame]
    expect: {outcome: review, reasons: [explicit_content], queue: explicit}
  - case: above the line
    given: {signals: {explicit.score: "0.34x8"}}
    must_fire: [any_frame]
"""
EXCEPTION = """\
    exceptions:
      - {exception: art, owner: a-team, why: w, expires: 2026-12-31, when: {fact: submission.market, equals: FR}}
"""
OVERLAY = """\
overlays:
  - {overlay: there, owner: a-team, why: w, markets: [FR], change: [{rule: any_frame, off: true}]}
"""
GAP = """\
  - case: admitted
    known_gap: later
    given: {signals: {explicit.score: "0.2"}}
    SAYS: [any_frame]
"""
LEXICON = """\
version: 2
categories: {one: {en: [quince]}}
harmless: {}
contexts: {}
"""


class Plant:
    """A folder without a fault, and one fault put into it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = write(folder, "unparsable", CODES["unparsable"].at)
        self.patch = monkeypatch

    def edit(self, path: str, old: str, new: str) -> "Plant":
        text = (self.folder / path).read_text(encoding="utf-8")
        assert old in text
        (self.folder / path).write_text(text.replace(old, new, 1), encoding="utf-8")
        return self

    def more(self, path: str, text: str) -> "Plant":
        with (self.folder / path).open("a", encoding="utf-8") as file:
            file.write(text)
        return self

    def linted(self, **given: Path) -> list[Finding]:
        return lint(self.folder, today=TODAY, **given)

    def proven(self) -> list[Finding]:
        found = examine_folder(self.folder)
        seen = [finding for proof in found.proofs for finding in proof.coverage.findings(proof.path)]
        survivors = [finding for proof in found.proofs if proof.score for finding in proof.score.findings(proof.path)]
        return [*found.faults(), *found.report.gaps, *seen, *survivors]

    def worded(self, old: str = "", new: str = "", *, file: str = "lexicon.yaml") -> list[Finding]:
        for name, text in WORD_FILES.items():
            (self.folder / "area" / name).write_text(text.replace(old, new, 1) if name == file and old else text)
        return self.linted()

    def laid(self, text: str) -> list[Finding]:
        base = load_ruleset(self.folder)
        try:
            demand_only_rules(text)
            ends = datetime(2027, 1, 1, tzinfo=UTC)
            lay_over(base, [Emergency(emergency_id="emg_1", area="area", text=text, expires_at=ends)])
        except UnusablePolicies as refused:
            return refused.findings
        return []

    def without(self, path: str) -> "Plant":
        (self.folder / path).unlink()
        return self


def _without_cel(plant: Plant) -> list[Finding]:
    for cached in (expressions._compiled, expressions._environment):
        cached.cache_clear()
    plant.patch.setitem(sys.modules, "cel_expr_python", None)
    leaf = "{signal: explicit.score, at_least: 0.3}"
    return plant.edit("area/policy.yaml", leaf, "{expr: highest.explicit.score > 0.3}").linted()


def _without_a_sentence(plant: Plant) -> list[Finding]:
    known = {language: dict(texts) for language, texts in duties.texts().items()}
    del known["ar"]["reason.explicit_content"]
    plant.patch.setattr(duties, "texts", lambda: known)
    return plant.linted()


def _moved(plant: Plant) -> list[Finding]:
    before = plant.folder.with_name("before")
    shutil.copytree(plant.folder, before)
    return plant.edit("area/policy.yaml", "at_least: 0.3", "at_least: 0.6").linted(against=before)


def _reordered(plant: Plant) -> list[Finding]:
    lines = (plant.folder / "vocabulary.yaml").read_text().split("\n")
    at = lines.index("queues:") + 1
    first, second = lines[at : at + 2]
    return plant.edit("vocabulary.yaml", f"{first}\n{second}", f"{second}\n{first}").linted()


RULES = "area/policy.yaml"
TRIED = "area/cases.yaml"
EMERGENCY = """\
language: 1
owner: a
description: d
queue: explicit
requires: []
rules:
  - {rule: r, when: {signal: explicit.score, at_least: 0.1}, then: {outcome: block, reasons: [hate]}}
"""
SENTENCES = "\n".join(f"      - a plain sentence of the number {number}" for number in range(40))
WORD_FILES = {
    "lexicon.yaml": LEXICON,
    "prototypes.yaml": f"version: 1\ncategories:\n  one:\n    en:\n{SENTENCES}\nharmless:\n  en:\n"
    + SENTENCES.replace("      -", "    -").replace("plain", "harmless"),
}
#: How the codes are given that no change of one text gives.
PLANTS: dict[str, Callable[[Plant], list[Finding]]] = {
    "too-large": lambda plant: plant.edit(RULES, "Pictures that", "x" * 4_001).linted(),
    "missing-file": lambda plant: plant.without(RULES).linted(),
    "no-policies": lambda plant: lint(plant.folder / "area"),
    "no-cel": _without_cel,
    "no-text": _without_a_sentence,
    "moved-without-backtest": _moved,
    "no-base": lambda plant: plant.linted(against=plant.folder / "nothing"),
    "queue-order": _reordered,
    "case-failed": lambda plant: plant.edit(RULES, "at_least: 0.3", "at_least: 0.4").proven(),
    "known-gap": lambda plant: plant.more(TRIED, GAP.replace("SAYS", "must_fire")).proven(),
    "gap-closed": lambda plant: plant.more(TRIED, GAP.replace("SAYS", "must_not_fire")).proven(),
    "not-covered": lambda plant: plant.edit(TRIED, "0.2999x8", "0.3x8").proven(),
    "mutant-survives": lambda plant: plant.proven(),
    "weak-cases": lambda plant: plant.proven(),
    "untried-exception": lambda plant: plant.more(TRIED, PROOF).more(RULES, EXCEPTION).proven(),
    "untried-overlay": lambda plant: plant.more(TRIED, PROOF).more(RULES, OVERLAY).proven(),
    "wrong-version": lambda plant: plant.worded("version: 2", "version: 1"),
    "unknown-category": lambda plant: plant.worded("harmless: {}", "harmless: {six: {en: [plum]}}"),
    "duplicate-term": lambda plant: plant.worded("quince", "quince, Quince"),
    "wrong-mark": lambda plant: plant.worded("harmless: {}", "harmless: {one: {en: [~plum]}}"),
    "no-word": lambda plant: plant.worded("quince", "'!!'"),
    "too-short": lambda plant: plant.worded("en: [quince]", "ary-latn: [ebe]"),
    "duplicate-sentence": lambda plant: plant.worded("number 1\n", "number 0\n", file="prototypes.yaml"),
    "too-few": lambda plant: plant.worded(SENTENCES, "      - one sentence", file="prototypes.yaml"),
    "not-stricter": lambda plant: plant.laid("exceptions: []\n" + EMERGENCY),
    "duplicate-area": lambda plant: plant.laid(EMERGENCY),
}


@pytest.mark.parametrize("code", PLANTS)
def test_what_no_change_of_one_text_shows_is_planted_and_found_too(tmp_path, monkeypatch, code):
    (tmp_path / "planted").mkdir()
    found = PLANTS[code](Plant(tmp_path / "planted", monkeypatch))
    assert code in {finding.code for finding in found}, found
    assert all(finding.line >= 1 and finding.column >= 1 for finding in found)


def test_the_folder_into_which_faults_are_planted_has_none_of_them(tmp_path, monkeypatch):
    plant = Plant(tmp_path, monkeypatch).more(TRIED, PROOF)
    assert plant.linted() == []
    assert plant.proven() == []
    assert plant.worded() == []
    assert plant.laid(EMERGENCY)[0].code == "duplicate-area"


@pytest.mark.parametrize("code", [code for code in CODES if code not in PLANTS])
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
    folders = (Path(policy.__file__).parent, Path(rulebook.__file__).parent, Path(detectors.__file__).parent)
    names = ("*.py", "*.py", "[lpw]*[nes].py")
    read = [path for folder, name in zip(folders, names, strict=True) for path in folder.glob(name)]
    text = "".join(path.read_text(encoding="utf-8") for path in read)
    given = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', text)) | {
        "alias",
        "tag",
        "several",
        "unparsable",
        "cycle",
        "overlap",
    }
    assert given - NO_CODES - set(CODES) == set()
    assert {code for code in CODES if f'"{code}"' not in text and f"-{code}" not in text} <= {
        code for code in CODES if code.startswith(("unknown-", "untried-"))
    }


def test_a_code_has_an_example_or_is_planted_otherwise():
    assert {code for code, entry in CODES.items() if not entry.at and entry.bad == ""} == set(PLANTS)


def test_the_page_of_codes_is_current():
    page = Path(__file__).parents[4] / "docs" / "reference" / "policy-lint.md"
    assert page.read_text(encoding="utf-8") == render_page(), "moderation policy codes > docs/reference/policy-lint.md"
