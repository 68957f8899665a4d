"""A case may say what a prompt must bring about: its texts are read by the folder's own word lists."""

import shutil
from pathlib import Path

import pytest

from detectors.manifests import Manifest
from moderation.policy.cases import run_folder
from moderation.policy.lint import lint

POLICIES = Path(__file__).parents[4] / "policies"
CASES = """
cases:
  - case: a glue gun is no weapon
    given: {texts: {prompt: a crafter with a hot glue gun}}
    must_not_fire: [weapons]
  - case: a title counts like a prompt
    given: {texts: {prompt: a crafter, title: how to build a pipe bomb}}
    must_fire: [weapons]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(POLICIES / "words", tmp_path / "words")
    shutil.copy(POLICIES / "vocabulary.yaml", tmp_path)
    (tmp_path / "words" / "cases.yaml").write_text(CASES)
    return tmp_path


def test_the_lists_read_the_texts_of_a_case(folder, embedded_pack: Manifest):
    report = run_folder(folder, embedded_pack.folder.parent)
    assert (report.cases, report.failed, report.findings) == (2, 0, ())


def test_a_harmless_phrase_taken_out_is_noticed_by_the_case(folder, embedded_pack: Manifest):
    lexicon = folder / "words" / "lexicon.yaml"
    text = lexicon.read_text(encoding="utf-8")
    lexicon.write_text(
        text.replace("  weapons:\n    en: [", "  weapons:\n    en: [hot glue gun, ", 1), encoding="utf-8"
    )
    without = lexicon.read_text(encoding="utf-8").replace("glue gun, glue guns, hot glue gun, ", "")
    lexicon.write_text(without, encoding="utf-8")
    messages = [finding.message for finding in run_folder(folder, embedded_pack.folder.parent).findings]
    assert messages == ["a glue gun is no weapon: `weapons` must not fire and did"]


def test_without_weights_a_case_with_texts_fails_and_says_why(folder):
    report = run_folder(folder)
    assert report.failed == 2
    assert all("no weights were given" in finding.message for finding in report.findings)


def test_lint_tells_a_mistake_of_the_word_lists_and_of_the_texts(folder):
    (folder / "words" / "cases.yaml").write_text(CASES.replace("title:", "caption:"))
    lexicon = folder / "words" / "lexicon.yaml"
    lexicon.write_text(lexicon.read_text(encoding="utf-8") + "  nonsense:\n    en: [thing]\n", encoding="utf-8")
    found = {(finding.path.rpartition("/")[2], finding.code) for finding in lint(folder)}
    assert {("lexicon.yaml", "unknown-category"), ("cases.yaml", "unknown-key")} <= found
