"""The frozen list of prompts measures the word lists and teaches them nothing: no line of it stands in them."""

import csv
import hashlib
import re
from pathlib import Path

import pytest

from detectors.folding import fold
from detectors.lexicon import Role
from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE, WordFile

ROOT = Path(__file__).parents[3]
LIST = ROOT / "tests" / "assets" / "prompts" / "list.tsv"
WORDS = ROOT / "policies" / "words"
#: A line and a sentence with more than this share of their words in common say the same thing.
SAME = 0.8


def read(text: str) -> str:
    return " ".join(["", *re.findall(r"[^\W_]+", fold(text)), ""])


@pytest.fixture(scope="module")
def lines() -> list[str]:
    rows = csv.DictReader(LIST.read_text(encoding="utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [read(row["text"]) for row in rows]


@pytest.fixture(scope="module")
def entries() -> list[str]:
    lexicon = WordFile(WORDS / LEXICON_FILE, version=2, grouped=tuple(Role))
    prototypes = WordFile(WORDS / PROTOTYPES_FILE, version=1, grouped=("categories",), plain=("harmless",))
    assert not lexicon.faults + prototypes.faults
    sections = [*lexicon.sections.values(), *prototypes.sections.values()]
    return [read(entry.text.replace("*", "")) for section in sections for entry in section]


def copies(lines: list[str], entries: list[str]) -> list[tuple[str, str]]:
    """Pairs of a line and an entry where either holds the other whole, entries under six words aside, or nearly does."""
    words = [(line, set(line.split())) for line in lines]
    found = []
    for entry in entries:
        own, long = set(entry.split()), len(entry.split()) > 5
        found += [
            (line, entry)
            for line, theirs in words
            if (len(line) <= len(entry) and line in entry)
            or (long and (entry in line or len(own & theirs) > SAME * len(own | theirs)))
        ]
    return found


def test_the_list_is_the_frozen_one_and_long_enough(lines):
    frozen = LIST.with_name("FROZEN").read_text(encoding="utf-8").split()[0]
    assert hashlib.sha256(LIST.read_bytes()).hexdigest() == frozen
    assert len(lines) >= 500


def test_no_line_stands_in_the_word_lists_nor_an_entry_in_a_line(lines, entries):
    assert len(entries) > 5000
    assert copies(lines, entries) == []


def test_a_copied_line_would_be_noticed(lines):
    assert copies(lines, [lines[7]])
    assert copies(lines, [f"{lines[7]}indeed "])
