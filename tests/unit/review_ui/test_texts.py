"""Every message of the pages is said in every language, and templates hold neither code nor words of their own."""

import re
from collections import defaultdict
from pathlib import Path

import pytest
from messages import catalogues, messages, places

import review_ui
from moderation.messages import LANGUAGES, catalogue
from moderation.policy.registry import QUEUES, REASONS, REASONS_OF_PEOPLE
from moderation.timelines import LINES
from review_ui.rendering import environment
from review_ui.translating import OWN_NAMES, words

PACKAGE = Path(review_ui.__file__).parent
TEMPLATES = {
    str(path.relative_to(PACKAGE / "templates")): path.read_text() for path in (PACKAGE / "templates").rglob("*.html")
}
TRANSLATED = [language for language in LANGUAGES if language != "en"]


@pytest.fixture(scope="module")
def asked() -> set[tuple[object, str | None]]:
    return {message for _, message in messages()}


def entries(language: str):
    return [(file, entry) for file, every in catalogues(language).items() for entry in every if entry.id]


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_message_is_translated_whole_and_none_is_left_over(language, asked):
    found = {(entry.id, entry.context): entry for _, entry in entries(language)}
    assert sorted(map(str, asked - set(found))) == [], "python tests/assets/messages.py lists them as entries"
    assert sorted(map(str, set(found) - asked)) == [], "no page asks for these any more"
    assert [entry.id for entry in found.values() if entry.fuzzy or not all(told(entry))] == []


def told(entry) -> tuple[str, ...]:
    return entry.string if isinstance(entry.string, tuple) else (entry.string,)


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_take_the_same_values(language):
    for file, entry in entries(language):
        plural = isinstance(entry.id, tuple)
        wanted = places(entry.id[1] if plural else entry.id)
        for text in told(entry):
            # One, two or none of something may be said without the figure.
            assert places(text) - {"num"} == wanted - {"num"}, (file, entry.id)
            assert places(text) <= wanted, (file, entry.id)
            assert text.replace("%%", "") % dict.fromkeys(wanted, "1"), (file, entry.id)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_message_in_two_files_is_translated_once(language):
    found = defaultdict(set)
    for _, entry in entries(language):
        found[(entry.id, entry.context)].add(entry.string)
    assert {key: texts for key, texts in found.items() if len(texts) > 1} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogues_say_their_language_and_how_it_counts(language):
    assert language in OWN_NAMES
    forms = {"en": 0, "fr": 2, "ar": 6}[language]
    for file, every in catalogues(language).items():
        assert (str(every.locale), every.num_plurals) == (language, forms), file


def test_words_are_said_with_their_values():
    assert words("en").gettext("in %(span)s", span="3 h") == "in 3 h"
    assert words("fr").gettext("in %(span)s", span="3 h") == "dans 3 h"
    assert words("fr").gettext("Nothing waits in:") == "Rien n'attend dans\u00a0:", "no line begins with a colon"
    assert words("fr").gettext("100 %% of a sentence nobody translated") == "100 % of a sentence nobody translated"
    assert words("en").ngettext("%(num)s case", "%(num)s cases", 2) == "2 cases"
    assert words("ar").direction == "rtl"
    with pytest.raises(KeyError):
        words("de")


def test_what_is_said_by_the_service_is_said_in_every_language():
    for language in LANGUAGES:
        said = catalogue(language)
        wanted = [*(f"queue.{name}" for name in QUEUES), *(f"signal.{name}" for name in LINES)]
        wanted += [f"reason.{code}" for code in (*REASONS, *REASONS_OF_PEOPLE)]
        assert [key for key in wanted if key not in said] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_hold_no_inline_code_and_no_fixed_words(name):
    text = TEMPLATES[name]
    environment("en").get_template(name)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://(?!www\.w3)", text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    words_ = re.sub(
        r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}|<[^>]*>", " ", re.sub(r"<!doctype html>", "", text), flags=re.DOTALL
    )
    assert re.findall(r"[A-Za-z]{2,}", words_) == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_htmx_and_the_browser_run_carries_the_nonce(name):
    tags = re.findall(r"<[a-z][^>]*>", re.sub(r"\{%.*?%\}", "", TEMPLATES[name], flags=re.DOTALL), re.DOTALL)
    for tag in tags:
        if tag.startswith("<script"):
            assert 'nonce="{{ nonce }}"' in tag, tag
        elif re.search(r"\shx-(?!nonce|swap-oob|partial)", tag) and not tag.startswith("<hx-partial"):
            assert 'hx-nonce="{{ nonce }}"' in tag, tag
