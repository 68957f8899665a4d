"""Sentences from message keys and parameters, in every language of the product. Sentences are made here, never stored.

Texts are plain: a parameter is replaced by its value and by nothing else, so a value can carry no instruction.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

import yaml

from moderation.decisions import Note, Reason

LANGUAGES = ("en", "fr", "ar")
_PARAM = re.compile(r"\{([a-z_]+)\}")


def language_of(tag: str | None) -> str:
    """Return the language of the product nearest to a tag such as `fr-CA`; English when there is none."""
    primary = (tag or "").replace("_", "-").partition("-")[0].lower()
    return primary if primary in LANGUAGES else "en"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return every text of a language by key. Raises KeyError for a language the product does not speak."""
    if language not in LANGUAGES:
        raise KeyError(language)
    text = resources.files("moderation").joinpath(f"texts/{language}.yaml").read_text(encoding="utf-8")
    texts: dict[str, str] = yaml.safe_load(text)
    return texts


def say(key: str, params: Mapping[str, object], language: str) -> str:
    """Return the sentence of a key. Raises KeyError for an unknown key; a missing parameter is said to be unknown."""
    texts = catalogue(language)

    def value(match: re.Match[str]) -> str:
        given = params.get(match[1])
        if given is None:
            return texts["missing.param"]
        return texts.get(f"{match[1]}.{given}", str(given))

    return _PARAM.sub(value, texts[key])


def say_reason(reason: Reason, language: str) -> str:
    """Return a reason or note as a sentence, with its seconds when it has them."""
    kind = "note" if isinstance(reason, Note) else "reason"
    sentence = say(f"{kind}.{reason.code}", reason.params, language)
    if reason.start_ms is None or reason.end_ms is None:
        return sentence
    seconds = {"start": clock_text(reason.start_ms), "end": clock_text(reason.end_ms)}
    return f"{sentence} {say('when.span', seconds, language)}"


def clock_text(ms: int) -> str:
    """Write a moment of a clip as minutes, seconds and tenths: 0:07.3."""
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes}:{rest // 1000:02d}.{rest % 1000 // 100}"
