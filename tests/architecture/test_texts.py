"""The project speaks only of itself: no host of a registry, no path of some machine, no word of who wrote it how."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from skips import allowed_patterns

#: Each pattern is written so that it does not match its own text.
STRANGE = re.compile(
    r"""pypi[.]org | pythonhosted[.] | registry[.]npmjs | hugging[f]ace[.]co
    | (?<![\w.])/(?:root|work|home|opt)/[\w.]
    | chat[g]pt | co[p]ilot | cl[a]ude | anthr[o]pic
    | \bissue\ [0-9]+\b""",
    re.IGNORECASE | re.VERBOSE,
)
LINK = re.compile(
    r"\]\((?!https?:|mailto:|\#)([^)\s]+)\)|`((?:moderation|detectors|watermark|review_ui|policies|docs|tests)/[\w./-]+)`"
)

#: Words that the catalogues do not use, as another stands for the same thing: of a prompt, of an appeal.
UNUSED = {"fr": re.compile(r"\binvite\b|faire appel"), "ar": re.compile("اعتراض|طعون")}


def test_tracked_files_name_no_host_no_machine_and_no_tool(tracked: list[Path], root: Path) -> None:
    found = []
    for path in tracked:
        if path.suffix in {".png", ".woff2"}:
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if match := STRANGE.search(line):
                found.append(f"{path.relative_to(root)}:{number} {match[0]}")
    assert found == []


@pytest.mark.parametrize("text", ["see https://pypi" + ".org/simple", "in /ro" + "ot/x", "is" + "sue 7"])
def test_a_strange_word_would_be_found(text: str) -> None:
    assert STRANGE.search(text)


@pytest.mark.parametrize("language", UNUSED)
def test_one_thing_has_one_word_in_a_language(root: Path, language: str) -> None:
    texts = [root / "moderation" / "texts" / f"{language}.yaml", *(root / "review_ui/locale" / language).glob("*.po")]
    assert len(texts) > 5
    found = [
        f"{path.relative_to(root)}:{number} {match[0]}"
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if not line.startswith("msgid") and (match := UNUSED[language].search(line))
    ]
    assert found == []


def test_links_in_the_documents_lead_somewhere(tracked: list[Path], root: Path) -> None:
    dead = []
    for path in (path for path in tracked if path.suffix == ".md"):
        for relative, from_root in LINK.findall(path.read_text()):
            target = path.parent / unquote(relative).partition("#")[0] if relative else root / from_root
            if not target.exists():
                dead.append(f"{path.relative_to(root)} -> {relative or from_root}")
    assert dead == []


def test_decisions_are_numbered_and_follow_one_template(root: Path) -> None:
    records = sorted((root / "docs" / "decisions").glob("[0-9]*.md"))
    assert len(records) > 10
    # A number may be given out before its record is written; none is given twice.
    numbers = [int(path.name[:4]) for path in records]
    assert (numbers[0], len(set(numbers))) == (1, len(numbers))
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives", "References"], path.name


def test_skips_are_listed_with_a_reason(root: Path) -> None:
    listed = allowed_patterns((root / "tests" / "allowed_skips.txt").read_text(), ci=False)
    for pattern in listed:
        file, _, name = pattern.partition("::")
        assert f"def {name.partition('[')[0]}(" in (root / file).read_text(), pattern


def test_a_skip_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="without a reason"):
        allowed_patterns("tests/a.py::test_a", ci=False)


def test_an_entry_for_workstations_does_not_count_in_ci() -> None:
    text = "tests/a.py::test_a : not-in-ci, needs a browser"
    assert allowed_patterns(text, ci=False)
    assert not allowed_patterns(text, ci=True)


def test_the_gate_fails_a_run_with_an_unlisted_skip(root: Path, tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\n\n\ndef test_one():\n    pytest.skip('no reason')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "skips", "--rootdir", str(tmp_path), str(tmp_path)]
    environment = {"PYTHONPATH": str(root / "tests" / "plugins"), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "NOT ALLOWED TO SKIP test_one.py::test_one" in ran.stdout
