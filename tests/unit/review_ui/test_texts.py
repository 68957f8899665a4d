"""The pages speak every language of the product, with the same values in each sentence, and ask for nothing unsaid."""

import re
from pathlib import Path

import pytest

import review_ui
from moderation.decisions import Outcome
from moderation.messages import LANGUAGES, catalogue
from moderation.policy.registry import QUEUES, REASONS, REASONS_OF_PEOPLE
from moderation.timelines import LINES
from review_ui.rendering import environment, texts, word

PACKAGE = Path(review_ui.__file__).parent
TEMPLATES = {path.name: path.read_text() for path in (PACKAGE / "templates").glob("*.html")}
FIELDS = re.compile(r"\{(\w+)\}")
#: Words whose keys are put together in templates or in Python.
MADE = {
    *(f"language.{language}" for language in LANGUAGES),
    *(f"moment.{line.label}" for line in LINES.values()),
    *(f"case.{outcome}" for outcome in (Outcome.ALLOW, Outcome.RESTRICT, Outcome.BLOCK)),
    *(f"case.{outcome}.means" for outcome in (Outcome.ALLOW, Outcome.RESTRICT, Outcome.BLOCK)),
    *(f"case.{state}" for state in ("failed", "not_measured", "held", "closed")),
    *(f"case.peak.{side}" for side in ("above", "below")),
    *(f"case.visibility.{visibility}" for visibility in ("public", "draft")),
    *(f"case.no_rendition.{cause}" for cause in ("known_illegal", "unmarked", "held")),
    *(f"problem.{key}" for key in ("lost", "refused", "403", "404", "409", "422", "503", "other")),
    *(f"queues.{said}" for said in ("recorded", "none_free")),
    *(f"time.{key}" for key in ("minutes", "hours", "days", "in", "ago", "overdue")),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_values(language):
    english, other = texts("en"), texts(language)
    assert list(other) == list(english)
    assert {key: set(FIELDS.findall(text)) for key, text in other.items()} == {
        key: set(FIELDS.findall(text)) for key, text in english.items()
    }
    assert all(text.strip() for text in other.values())


def test_templates_ask_for_no_words_but_these_and_leave_none_unused():
    asked = {key for text in TEMPLATES.values() for key in re.findall(r'_\("([a-z_.]+)"(?! ~)', text)}
    assert asked | MADE == set(texts("en"))


def test_what_is_said_by_the_service_is_said_in_every_language():
    for language in LANGUAGES:
        said = catalogue(language)
        wanted = [*(f"queue.{name}" for name in QUEUES), *(f"signal.{name}" for name in LINES)]
        wanted += [f"reason.{code}" for code in (*REASONS, *REASONS_OF_PEOPLE)]
        assert [key for key in wanted if key not in said] == []


def test_a_word_that_is_none_is_an_error():
    with pytest.raises(KeyError):
        word("en", "no.such.word")


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_hold_no_inline_code_and_no_fixed_words(name):
    text = TEMPLATES[name]
    environment().get_template(name)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|https?://(?!www\.w3)", text)
    assert re.findall(r"<script(?![^>]*\ssrc=)", text) == []
    words = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", re.sub(r"<!doctype html>", "", text), flags=re.DOTALL)
    assert re.findall(r"[A-Za-z]{2,}", words) == []


def test_no_two_things_of_a_page_have_one_key():
    page = TEMPLATES["what.html"] + TEMPLATES["decide.html"]
    fixed = re.findall(r'data-key="([^{"]+)"', page)
    assert sorted(set(fixed)) == sorted(fixed)
    assert {"a", "l", "b"}.isdisjoint(fixed)
