"""Terms are found in every spelling, and what makes them harmless is honoured; mistakes are told with their place."""

from pathlib import Path

import pytest

from detectors import maghrebi
from detectors.lexicon import Lexicon, find_faults, read_lexicon
from detectors.words import find_faults as find_all_faults

LISTS = """
version: 2
categories:
  one:
    en: [plum, ~pear, wind + blow*, <18 apples]
    ar: [برقوق]
    ary-latn: [ber9ou9, "~7amed"]
    zgh: [taẓart]
  two:
    en: [quince]
harmless:
  one:
    en: [plum pudding, pear tree]
contexts:
  any:
    en: [museum]
  one:
    ary-latn: [souq]
"""


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    path = tmp_path / "lexicon.yaml"
    path.write_text(LISTS, encoding="utf-8")
    return read_lexicon(path)


def terms(lexicon: Lexicon, text: str) -> set[str]:
    return {hit.term for hit in lexicon.find({"prompt": text})}


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("a plum", "plum"),
        ("P L U M", "plum"),
        ("p-l.u*m", "plum"),
        ("pluuuum", "plum"),
        ("p1um", "plum"),
        ("\u0440lum", "plum"),
        ("\uff50\uff4c\uff55\uff4d", "plum"),
        ("pl\u200bum", "plum"),
        ("the wind that blows", "wind + blow*"),
        ("blowing with the wind", "wind + blow*"),
        ("17 apples", "<18 apples"),
        ("والبرقوق", "برقوق"),
        ("بَرْقُوق", "برقوق"),
        ("بـــرقوق", "برقوق"),
        ("برقو ق", "برقوق"),
        ("ber9ou9", "ber9ou9"),
        ("lbrqouq", "ber9ou9"),
        ("b.r.9.o.u.9", "ber9ou9"),
        ("b3r9ou9 brrr9u9", "ber9ou9"),
        ("tazart", "taẓart"),
        ("ⵜⴰⵥⴰⵔⵜ", "taẓart"),
    ],
)
def test_a_term_is_found_in_every_spelling(text, term, lexicon):
    assert term in terms(lexicon, text)


@pytest.mark.parametrize(
    "text",
    [
        "plumber",
        "plum pudding",
        "p l u m pudding",
        "a pear tree",
        "wind and one two three four five six seven blow",
        "18 apples",
    ],
)
def test_what_is_no_term_is_not_found(text, lexicon):
    assert terms(lexicon, text) == set()


def test_a_phrase_excuses_only_the_words_inside_it(lexicon):
    assert terms(lexicon, "plum pudding and a plum") == {"plum"}


def test_a_context_quiets_weak_terms_near_it_and_no_others(lexicon):
    assert terms(lexicon, "a pear") == {"~pear"}
    assert terms(lexicon, "a pear in the museum") == set()
    assert terms(lexicon, "a plum in the museum") == {"plum"}
    assert terms(lexicon, "museum " + "and " * 14 + "pear") == {"~pear"}
    assert terms(lexicon, "7amed f souq") == set()


def test_only_weak_terms_of_understood_languages_are_doubtful(lexicon):
    doubtful = {hit.term: hit.doubtful for hit in lexicon.find({"prompt": "pear 7amed plum"})}
    assert doubtful == {"~pear": True, "~7amed": False, "plum": False}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("version: 2", "version: 1"), "2:10 wrong-version"),
        (("quince", "12"), "10:10 wrong-type"),
        (("quince", "'!!'"), "10:10 no-word"),
        (("quince", "quince, Quince"), "10:18 duplicate-term"),
        (("  two:", "  one:"), "9:3 duplicate-key"),
        (("    en: [quince]", "    english: [quince]"), "10:5 unknown-key"),
        (("plum pudding", "~plum pudding"), "13:10 wrong-mark"),
        (("harmless:\n  one:", "harmless:\n  six:"), "13:10 unknown-category"),
        (("ber9ou9", "ebe"), "too-short `ebe`"),
        (("harmless:", "armless:"), "11:1 unknown-key"),
        (("contexts:", "contexts: ["), "unparsable"),
    ],
)
def test_a_mistake_is_told_with_its_place(change, fault, tmp_path):
    path = tmp_path / "lexicon.yaml"
    path.write_text(LISTS.replace(*change), encoding="utf-8")
    assert any(f"{path}:{fault}" in str(found) or fault in str(found) for found in find_faults(path))


def test_both_files_must_be_there_and_agree(tmp_path):
    (tmp_path / "lexicon.yaml").write_text(LISTS, encoding="utf-8")
    assert [fault.code for fault in find_all_faults(tmp_path)] == ["missing-file"]
    three = "version: 1\ncategories: {three: {en: [a b, c d]}}\nharmless: {en: [e f, g h]}\n"
    (tmp_path / "prototypes.yaml").write_text(three)
    assert {fault.code for fault in find_all_faults(tmp_path)} == {"unknown-category"}


def test_hands_differ_and_the_spelling_is_one():
    assert maghrebi.spell("9tel") == maghrebi.spell("qtell") == maghrebi.spell("QT\u00cbL") == ("qtl",)
    assert maghrebi.spell("ⵉⴷⴰⵎⵎⵏ") == maghrebi.spell("idammen") == ("idamn",)
    assert maghrebi.spell("aɣrum") == maghrebi.spell("aghrum") == maghrebi.spell("ⴰⵖⵔⵓⵎ")
    assert maghrebi.spell("12 3eryan") == ("12", "3rian")
