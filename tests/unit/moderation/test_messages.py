"""Every code has a sentence in every language, and a parameter can put nothing into it but itself."""

import pytest

from moderation.decisions import Note, Outcome, Reason
from moderation.messages import LANGUAGES, catalogue, clock_text, language_of, say, say_reason
from moderation.policy.registry import NOTES, QUEUES, REASONS, REASONS_OF_PEOPLE, SIGNALS

KEYS = [
    *(f"reason.{code}" for code in {**REASONS, **REASONS_OF_PEOPLE}),
    *(f"note.{code}" for code in NOTES),
    *(f"queue.{name}" for name in QUEUES),
    *(f"signal.{name}" for name in SIGNALS),
    *(f"outcome.{outcome}" for outcome in Outcome),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", KEYS)
def test_every_code_has_a_sentence(key, language):
    assert catalogue(language)[key].strip()


def test_the_languages_have_the_same_keys_and_parameters():
    english = catalogue("en")
    for language in LANGUAGES:
        texts = catalogue(language)
        assert set(texts) == set(english)
        for key, text in texts.items():
            assert text.count("{") == english[key].count("{"), key


def test_seconds_and_known_words_are_said_in_the_language():
    reason = Reason(code="prompt_text", params={"category": "hate"}, start_ms=7350, end_ms=65_000)
    assert say_reason(reason, "fr") == (
        "La consigne ou le titre contient des mots à examiner (haine). De 0:07.3 à 1:05.0."
    )
    assert (
        say_reason(Note(code="not_measured", params={"signal": "face.age"}), "en") == "Not measured here: apparent age."
    )


def test_a_parameter_is_only_itself():
    note = Note(code="reviewer_note", params={"text": "{signal} {text.__class__} <b>"})
    assert say_reason(note, "en") == "Note of the reviewer: {signal} {text.__class__} <b>"


def test_a_missing_parameter_is_said_to_be_unknown():
    assert say("note.not_measured", {}, "en") == "Not measured here: not known."


def test_an_unknown_code_or_language_is_an_error():
    with pytest.raises(KeyError):
        say_reason(Reason(code="no_such_code"), "en")
    with pytest.raises(KeyError):
        say("reason.hate", {}, "../en")


@pytest.mark.parametrize(
    ("tag", "language"),
    [("fr-CA", "fr"), ("ar_EG", "ar"), ("AR", "ar"), ("de", "en"), (None, "en"), ("", "en"), ("fra", "en")],
)
def test_a_tag_finds_its_language(tag, language):
    assert language_of(tag) == language


def test_moments_are_written_in_minutes_and_tenths():
    assert [clock_text(ms) for ms in (0, 999, 60_000, 61_250)] == ["0:00.0", "0:00.9", "1:00.0", "1:01.2"]
