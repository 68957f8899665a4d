"""Look for flagged vocabulary in a clip's texts (prompt, title). Reads words, not meaning, and decides nothing."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import pydantic
import yaml

from detectors.base import DetectorUnavailable, Findings, Frame, Model, Sample, Signal, State, Subject
from detectors.folding import fold, readings, stems, words

MODEL_ID: Final = "lexicon"
#: A term's word that stands for any whole number below its own: "<18 ans".
_BELOW: Final = "<"
#: A term's word that stands for every word beginning so.
_OPEN_END: Final = "*"


class _File(pydantic.BaseModel):
    """The lexicon as written: categories, then languages, then terms."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    version: Literal[1]
    categories: dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One entry: `text` as written in the lexicon, `pattern` its folded words with their marks."""

    category: str
    text: str
    pattern: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The terms by first word, for look-up; `loose` holds those whose first word is a mark."""

    version: str
    categories: tuple[str, ...]
    by_first: Mapping[str, tuple[Term, ...]]
    loose: tuple[Term, ...]

    @property
    def model(self) -> Model:
        """The lexicon as the model of its signals: its version is the hash of the file."""
        return Model(id=MODEL_ID, version=self.version)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hit:
    """A term found in one of the texts; `source` is the text's name ("prompt", "title")."""

    category: str
    source: str
    term: str


def load_lexicon(path: Path) -> Lexicon:
    """Read a lexicon. Raises DetectorUnavailable when it is missing, malformed, or a term has no word in it."""
    try:
        raw = path.read_bytes()
        file = _File.model_validate(yaml.safe_load(raw))
    except (OSError, yaml.YAMLError, pydantic.ValidationError) as problem:
        raise DetectorUnavailable(f"the lexicon {path} cannot be used: {problem}") from problem
    terms = [
        _term(category, text)
        for category, languages in file.categories.items()
        for text in dict.fromkeys(chain.from_iterable(languages.values()))
    ]
    by_first: dict[str, list[Term]] = {}
    for term in terms:
        by_first.setdefault("" if _marked(term.pattern[0]) else term.pattern[0], []).append(term)
    loose = by_first.pop("", [])
    return Lexicon(
        version=f"sha256:{hashlib.sha256(raw).hexdigest()[:16]}",
        categories=tuple(file.categories),
        by_first={first: tuple(group) for first, group in by_first.items()},
        loose=tuple(loose),
    )


def _marked(word: str) -> bool:
    return word.startswith(_BELOW) or word.endswith(_OPEN_END)


def _term(category: str, text: str) -> Term:
    pattern = tuple(chain.from_iterable(_pattern(word) for word in text.split()))
    if not pattern:
        raise DetectorUnavailable(f"the lexicon's category {category} has a term without a word: {text!r}")
    return Term(category=category, text=text, pattern=pattern)


def _pattern(word: str) -> tuple[str, ...]:
    folded = words(fold(word))
    if not folded:
        return ()
    if word.startswith(_BELOW):
        return (_BELOW + folded[0], *folded[1:])
    if word.endswith(_OPEN_END):
        return (*folded[:-1], folded[-1] + _OPEN_END)
    return folded


def find_words(texts: Mapping[str, str], lexicon: Lexicon) -> tuple[Hit, ...]:
    """Return every term of the lexicon found in `texts` (source to text), sorted, each once per source."""
    hits = {
        Hit(category=term.category, source=source, term=term.text)
        for source, text in texts.items()
        for reading in readings(text)
        for term in _terms_in(reading, lexicon)
    }
    return tuple(sorted(hits))


def _terms_in(reading: tuple[str, ...], lexicon: Lexicon) -> list[Term]:
    stemmed = [stems(word) for word in reading]
    return [
        term
        for start, first in enumerate(stemmed)
        for term in chain(lexicon.loose, *(lexicon.by_first.get(stem, ()) for stem in first))
        if _fits(term.pattern, stemmed[start : start + len(term.pattern)])
    ]


def _fits(pattern: tuple[str, ...], stemmed: Sequence[frozenset[str]]) -> bool:
    return len(pattern) == len(stemmed) and all(map(_is, pattern, stemmed))


def _is(wanted: str, stemmed: frozenset[str]) -> bool:
    if wanted.startswith(_BELOW):
        # Longer numbers are no ages, and Python refuses to read very long ones.
        return any(stem.isdecimal() and len(stem) <= 3 and int(stem) < int(wanted[1:]) for stem in stemmed)
    if wanted.endswith(_OPEN_END):
        return any(stem.startswith(wanted[:-1]) for stem in stemmed)
    return wanted in stemmed


def read_words(texts: Mapping[str, str], lexicon: Lexicon) -> tuple[Signal, ...]:
    """Return one signal per category, `words.<category>`: 1.0 at time 0 when any text holds a term of it, else 0.0.

    A clip without texts was not measured: nothing was said, which is not the same as nothing flagged.
    """
    given = {source: text for source, text in texts.items() if text.strip()}
    if not given:
        return tuple(
            Signal(name=f"words.{category}", state=State.NOT_MEASURED, model=lexicon.model, note="no text was given")
            for category in lexicon.categories
        )
    found = {hit.category for hit in find_words(given, lexicon)}
    return tuple(
        Signal(
            name=f"words.{category}",
            state=State.MEASURED,
            model=lexicon.model,
            samples=(Sample(time_ms=0, value=1.0 if category in found else 0.0),),
        )
        for category in lexicon.categories
    )


class Words:
    """The lexicon as a detector: it reads the subject's texts and looks at no frame."""

    name = "words"

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self.signals = tuple(f"words.{category}" for category in lexicon.categories)

    def open(self, subject: Subject) -> "_Reading":
        return _Reading(subject, self.lexicon)

    def self_check(self) -> None:
        """Look for the lexicon's own terms. Raises DetectorUnavailable when one is not found again."""
        for term in chain(self.lexicon.loose, *self.lexicon.by_first.values()):
            example = re.sub(rf"{_BELOW}\d+", "0", term.text).replace(_OPEN_END, "")
            if not any(hit.term == term.text for hit in find_words({"probe": example}, self.lexicon)):
                raise DetectorUnavailable(f"the lexicon does not find its own term {term.text!r}")


@dataclass(frozen=True, slots=True)
class _Reading:
    subject: Subject
    lexicon: Lexicon

    def see(self, frames: Sequence[Frame]) -> None:
        """Frames hold no text for this detector."""

    def finish(self) -> Findings:
        return Findings(signals=read_words(self.subject.texts, self.lexicon))
