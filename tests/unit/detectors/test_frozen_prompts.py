"""The frozen prompt list is the one that was frozen, counted as its README says, and joins no minor with anything sexual."""

import csv
import hashlib
import re
import unicodedata
from collections import Counter
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "assets" / "prompts"
POLICIES = Path(__file__).parents[3] / "policies"
LANGUAGES = ("en", "fr", "ar", "ary", "ary-Latn", "zgh")
LABELS = ("flag", "benign", "mention")
MINORS = re.compile(
    r"\b(?:child\w*|kids?|boys?|girls?|teen\w*|minors?|bab(?:y|ies)|toddlers?|infants?|students?|pupils?|school\w*|young\w*"
    r"|little|daughters?|sons?|lolita|enfants?|enfances?|filles?|fillettes?|gar[cç]ons?|gamin\w*|gosses?|ados?|adolescen\w*"
    r"|mineur\w*|b[eé]b[eé]s?|[eé]l[eè]ves?|[eé]coli\w*|coll[eé]gi\w*|lyc[eé]en\w*|[eé]tudiant\w*|[eé]cole\w*|jeunes?|petit\w*"
    r"|drr?i\w*|drari|bn?ita|bnat|bent|weld|wlad|sgh?ir\w*|tfel|tefla|tofola|9as[ei]r\w*|l?morahi9\w*|l?drari|tlam\w*|tilmid\w*"
    r"|l?medrass?a|terbiya|arba|arrac|tarbat|tirbatin|a?frux\w*|ta?fruxt|ifrxan|ifraxn|aqcic\w*|taqcict|ame[ẓz]yan\w*|tinml)\b",
    re.IGNORECASE,
)
MINORS_ARABIC = re.compile(
    r"طفل|طفول|أطفال|اطفال|فتاة|فتيات|فتى|بنت|بنات|بنيت|ولد|أولاد|اولاد|صبي|صبايا|قاصر|قصر|مراهق|تلميذ|تلامي|تلامذ|طالب"
    r"|رضيع|بيبي|مدرس|صغير|صغار|شاب|دري|دراري|برهوش|تربية|ⴰⵔⴱⴰ|ⵜⴰⵔⴱⴰⵜ|ⴼⵔⵓⵅ|ⴼⵔⵅⴰⵏ|ⵜⵉⵏⵎⵍ",
)
LEET = str.maketrans("0134578@$!", "oieastbasi")


def _list() -> list[dict[str, str]]:
    with (FOLDER / "list.tsv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def _bare(text: str) -> str:
    """The text without the marks that stand between the letters of an evasive spelling."""
    return re.sub(r"[^\w]|_|ـ", "", unicodedata.normalize("NFKC", text))


def test_list_is_the_frozen_one() -> None:
    frozen = (FOLDER / "FROZEN").read_text(encoding="ascii").split()
    assert frozen == [hashlib.sha256((FOLDER / "list.tsv").read_bytes()).hexdigest(), "list.tsv"]


def test_counts_are_those_of_the_readme() -> None:
    readme, rows = (FOLDER / "README.md").read_text(encoding="utf-8"), _list()
    told = {
        (language, label): int(count)
        for language in LANGUAGES
        for label, count in zip(LABELS, re.findall(rf"[:;] {language} (\d+), (\d+), (\d+)", readme)[0], strict=True)
    }
    assert told == Counter((row["language"], row["label"]) for row in rows)
    for category, count in Counter(row["category"] for row in rows).items():
        assert f"{category} {count}" in readme
    assert f"{len(rows)} prompts" in readme
    assert f"{sum(row['id'].endswith('-evasion') for row in rows)} of them" in readme


def test_nothing_is_said_twice_and_nothing_is_empty() -> None:
    rows = _list()
    for column in ("id", "text"):
        assert len({row[column] for row in rows}) == len(rows) >= 560
    assert all(value for row in rows for value in row.values())
    assert {row["label"] for row in rows} == set(LABELS)


def test_minors_appear_only_in_lines_that_are_not_flagged() -> None:
    rows = _list()
    assert {row["label"] for row in rows if row["category"] == "minors"} == {"mention"}
    assert {row["category"] for row in rows if row["label"] == "mention"} == {"minors"}


def test_no_line_stands_in_a_policy_or_word_list() -> None:
    told = [path.read_text(encoding="utf-8").casefold() for path in POLICIES.rglob("*.yaml")]
    assert told
    for row in _list():
        assert not any(row["text"].casefold() in text for text in told), row["id"]


def test_no_sexual_line_names_a_minor() -> None:
    rows = _list()
    sexual = [row["text"] for row in rows if row["category"] == "sexual"]
    assert len(sexual) > 40
    for text in sexual:
        for spelling in (text, text.translate(LEET)):
            assert not MINORS.search(spelling), text
            assert not MINORS_ARABIC.search(_bare(spelling)), text
    named = [row["text"] for row in rows if row["category"] == "minors"]
    assert all(MINORS.search(text) or MINORS_ARABIC.search(_bare(text)) for text in named), (
        "the words of this test work"
    )
