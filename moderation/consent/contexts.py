"""In which contexts a clip shows people: sexual, violent, political, commercial, by `contexts.yaml` beside this file.

What was not measured is not known, and never taken for absent.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, Literal, cast

import yaml

from detectors.base import State
from moderation.facts import SignalFact
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, either

Context = Literal["sexual", "violent", "political", "commercial"]
CONTEXTS: Final[tuple[Context, ...]] = ("sexual", "violent", "political", "commercial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """From which value on, and on how many samples, a signal tells of a context."""

    at_least: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """How one context is told; the keys are those of the file."""

    needs: Mapping[str, Line]
    also: Mapping[str, Line]
    words: tuple[re.Pattern[str], ...]
    purposes: frozenset[str]
    purpose_told: bool


def read_contexts(signals: Mapping[str, SignalFact], texts: Iterable[str], purpose: str | None) -> dict[str, Truth]:
    """Whether each context is there, from a clip's signals, its prompt and title, and what the platform calls it.

    Undetermined where what it takes to tell was not measured, failed, or was not said.
    """
    said = tuple(texts)
    return {context: _told(definition, signals, said, purpose) for context, definition in definitions().items()}


def _told(
    definition: Definition, signals: Mapping[str, SignalFact], texts: tuple[str, ...], purpose: str | None
) -> Truth:
    if purpose in definition.purposes or any(word.search(text) for word in definition.words for text in texts):
        return TRUE
    unsaid = UNDETERMINED if definition.purpose_told and purpose is None else FALSE
    needed = (_shows(signals.get(name), line, needed=True) for name, line in definition.needs.items())
    more = (_shows(signals.get(name), line, needed=False) for name, line in definition.also.items())
    return either((unsaid, *needed, *more))


def _shows(signal: SignalFact | None, line: Line, *, needed: bool) -> Truth:
    if signal is not None and sum(sample.value >= line.at_least for sample in signal.samples) >= line.frames:
        return TRUE
    if signal is None or signal.state is State.NOT_MEASURED:
        return UNDETERMINED if needed else FALSE
    return FALSE if signal.state is State.MEASURED else UNDETERMINED


@cache
def definitions() -> dict[Context, Definition]:
    """The contexts as the file defines them, in its order."""
    text = resources.files("moderation.consent").joinpath("contexts.yaml").read_text(encoding="utf-8")
    loaded = cast("dict[Context, dict[str, object]]", yaml.safe_load(text))
    return {context: _defined(body) for context, body in loaded.items()}


def _defined(body: Mapping[str, object]) -> Definition:
    def lines(key: str) -> dict[str, Line]:
        found = cast("dict[str, dict[str, float]]", body.get(key, {}))
        return {name: Line(at_least=line["at_least"], frames=int(line["frames"])) for name, line in found.items()}

    words = cast("list[str]", body.get("words", []))
    return Definition(
        needs=lines("needs"),
        also=lines("also"),
        words=tuple(re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in words),
        purposes=frozenset(cast("list[str]", body.get("purposes", []))),
        purpose_told=bool(body.get("purpose_told", False)),
    )
