"""The lexicon: terms by category, what makes them harmless, and where they stand in a text. Judges no meaning."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final

from detectors import maghrebi
from detectors.base import Model
from detectors.folding import close_up, fold, readings, stems, words
from detectors.wordfiles import Entry, Fault, UnusableWords, WordFile

MODEL_ID: Final = "words"
#: The group of `contexts` that counts for every category.
ANY: Final = "any"
#: Most words between the first part of "vote + sms" and each other, and between a ~ term and what quiets it.
GAP: Final = 6
REACH: Final = 12
#: Least letters of a term in the one spelling of `maghrebi`, which lets short words of other languages look alike.
SHORTEST: Final = 3

#: Languages read in the one spelling of `maghrebi`; the others are read as folded.
_SPELT: Final = frozenset(("ary-latn", "zgh"))
#: Languages the sentence encoder knows: there the meaning of the sentence has a say about ~ terms.
_UNDERSTOOD: Final = frozenset(("en", "fr", "ar"))
_WEAK: Final = "~"
_BOTH: Final = "+"
#: A term's word that stands for any whole number below its own: "<18 ans".
_BELOW: Final = "<"
#: A term's word that stands for every word beginning so, and the letters of it that the index goes by.
_OPEN_END: Final = "*"
_HEAD: Final = 3

#: A text read as words; each word with its stems.
Reading = tuple[frozenset[str], ...]
Pattern = tuple[str, ...]


class Role(StrEnum):
    """What an entry is for: it flags, it excuses the words inside it, or it quiets ~ terms around it."""

    FLAG = "categories"
    HARMLESS = "harmless"
    CONTEXT = "contexts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One entry: `text` as written, `parts` its folded words with their marks ("a + b" has two parts)."""

    role: Role
    category: str
    language: str
    text: str
    parts: tuple[Pattern, ...]
    weak: bool

    @property
    def spelt(self) -> bool:
        """Whether it is compared in the spelling of `maghrebi`."""
        return self.language in _SPELT

    @property
    def understood(self) -> bool:
        """Whether the meaning of the sentence has a say about it."""
        return self.weak and self.language in _UNDERSTOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A term in a reading: the words of each part, from the first up to but not with the second number."""

    term: Term
    spans: tuple[tuple[int, int], ...]

    def inside(self, other: "Found") -> bool:
        """Whether a part of it lies within `other`."""
        return any(start >= a and stop <= b for start, stop in self.spans for a, b in other.spans)

    def near(self, other: "Found") -> bool:
        """Whether `other` stands within `REACH` words of it."""
        first, last = self.spans[0][0], self.spans[-1][1]
        return any(a - last < REACH and first - b < REACH for a, b in other.spans)


@dataclass(slots=True)
class _Index:
    """Terms by the first word of their first part: whole, by its head when open, and those that need a look each."""

    whole: dict[str, list[Term]] = field(default_factory=dict)
    open: dict[str, list[Term]] = field(default_factory=dict)
    loose: list[Term] = field(default_factory=list)

    def add(self, term: Term) -> None:
        first = term.parts[0][0]
        if first.startswith(_BELOW) or (first.endswith(_OPEN_END) and len(first) <= _HEAD):
            self.loose.append(term)
        elif first.endswith(_OPEN_END):
            self.open.setdefault(first[:_HEAD], []).append(term)
        else:
            self.whole.setdefault(first, []).append(term)

    def candidates(self, stemmed: frozenset[str]) -> Iterable[Term]:
        """Return the terms that a word with these stems may begin, some twice."""
        whole = (self.whole.get(stem, ()) for stem in stemmed)
        opened = (self.open.get(head, ()) for head in {stem[:_HEAD] for stem in stemmed})
        return chain(self.loose, *whole, *opened)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Hit:
    """A term found in one of the texts; `source` is the text's name ("prompt", "title")."""

    category: str
    source: str
    term: str
    #: Whether the meaning of the sentence may still excuse it.
    doubtful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """The terms, indexed. `version` changes with every edit of the word files."""

    version: str
    categories: tuple[str, ...]
    terms: tuple[Term, ...]
    _folded: _Index
    _spelt: _Index

    @classmethod
    def of(cls, version: str, categories: Sequence[str], terms: Sequence[Term]) -> "Lexicon":
        """Index `terms`."""
        folded, spelt = _Index(), _Index()
        for term in terms:
            (spelt if term.spelt else folded).add(term)
        return cls(version=version, categories=tuple(categories), terms=tuple(terms), _folded=folded, _spelt=spelt)

    @property
    def model(self) -> Model:
        """The word lists as the model of their signals."""
        return Model(id=MODEL_ID, version=self.version)

    def find(self, texts: Mapping[str, str]) -> tuple[Hit, ...]:
        """Return every term found in `texts` (source to text) and not excused by the words around it, sorted."""
        hits = {
            Hit(category=term.category, source=source, term=term.text, doubtful=term.understood)
            for source, text in texts.items()
            for term in self._terms_in(text)
        }
        return tuple(sorted(hits))

    def holds(self, term: Term, text: str) -> bool:
        """Whether `term` stands in `text`, excused or not."""
        reading, index = (_rooted(text), self._spelt) if term.spelt else (_as_written(text), self._folded)
        return any(found.term == term for found in _occurrences(reading, index))

    def _terms_in(self, text: str) -> Iterator[Term]:
        yield from _flagged(_as_written(text), _undisguised(text), self._folded)
        spelt = [_rooted(shape) for shape in dict.fromkeys((text, close_up(text)))]
        yield from _flagged(spelt[0], spelt[1:], self._spelt)


def _as_written(text: str) -> Reading:
    return tuple(map(stems, words(fold(text))))


def _undisguised(text: str) -> list[Reading]:
    plain = words(fold(text))
    return [tuple(map(stems, reading)) for reading in sorted(readings(text)) if reading != plain]


def _rooted(text: str) -> Reading:
    return tuple(map(maghrebi.roots, maghrebi.spell(text)))


def _flagged(written: Reading, others: Sequence[Reading], index: _Index) -> Iterator[Term]:
    """Give the terms that flag. What stands in the text as written is judged there, not where words are joined."""
    found = list(_occurrences(written, index))
    there = {occurrence.term for occurrence in found}
    yield from _not_excused(found)
    for reading in others:
        found = list(_occurrences(reading, index))
        yield from (term for term in _not_excused(found) if term not in there)


def _not_excused(found: Sequence[Found]) -> Iterator[Term]:
    harmless = [occurrence for occurrence in found if occurrence.term.role is Role.HARMLESS]
    contexts = [occurrence for occurrence in found if occurrence.term.role is Role.CONTEXT]
    for occurrence in found:
        term = occurrence.term
        if term.role is not Role.FLAG:
            continue
        excused = any(other.term.category == term.category and occurrence.inside(other) for other in harmless)
        quiet = term.weak and any(
            other.term.category in (term.category, ANY) and occurrence.near(other) for other in contexts
        )
        if not excused and not quiet:
            yield term


def _occurrences(reading: Reading, index: _Index) -> Iterator[Found]:
    for start, stemmed in enumerate(reading):
        for term in index.candidates(stemmed):
            first, *rest = term.parts
            if not _fits(first, reading, start):
                continue
            span = (start, start + len(first))
            others = [_beside(part, reading, span) for part in rest]
            if None not in others:
                yield Found(term=term, spans=tuple(sorted((span, *filter(None, others)))))


def _beside(pattern: Pattern, reading: Reading, span: tuple[int, int]) -> tuple[int, int] | None:
    """Return where `pattern` stands within `GAP` words before or after `span`."""
    start, stop = span
    before = range(max(0, start - GAP - len(pattern)), start - len(pattern) + 1)
    for at in chain(range(stop, stop + GAP + 1), before):
        if _fits(pattern, reading, at):
            return at, at + len(pattern)
    return None


def _fits(pattern: Pattern, reading: Reading, start: int) -> bool:
    stop = start + len(pattern)
    return stop <= len(reading) and all(map(_is, pattern, reading[start:stop]))


def _is(wanted: str, stemmed: frozenset[str]) -> bool:
    if wanted.startswith(_BELOW):
        # Longer numbers are no ages, and Python refuses to read very long ones.
        return any(stem.isdecimal() and len(stem) <= 3 and int(stem) < int(wanted[1:]) for stem in stemmed)
    if wanted.endswith(_OPEN_END):
        return any(stem.startswith(wanted[:-1]) for stem in stemmed)
    return wanted in stemmed


def read_lexicon(path: Path, *, beside: bytes = b"") -> Lexicon:
    """Read a lexicon file; `beside` is what else decides with it and counts for the version.

    Raises UnusableWords with every mistake in it.
    """
    terms, categories, file = _read(path)
    if file.faults:
        raise UnusableWords(file.faults)
    digest = hashlib.sha256(file.content + b"\0" + beside if beside else file.content).hexdigest()
    return Lexicon.of(f"sha256:{digest[:16]}", categories, terms)


def find_faults(path: Path) -> list[Fault]:
    """Return every mistake of a lexicon file, in the order of its lines."""
    return sorted(_read(path)[2].faults)


def _read(path: Path) -> tuple[list[Term], list[str], WordFile]:
    file = WordFile(path, version=2, grouped=tuple(Role))
    categories = file.groups[Role.FLAG]
    terms: list[Term] = []
    for role in Role:
        known = {*categories, ANY} if role is Role.CONTEXT else set(categories)
        seen: set[tuple[str, bool, tuple[Pattern, ...]]] = set()
        for entry in file.sections[role]:
            term = _term(file, role, entry)
            if entry.group not in known:
                file.fault(entry, "unknown-category", f"there is no category `{entry.group}`")
            elif term is not None and (key := (term.category, term.spelt, term.parts)) in seen:
                file.fault(entry, "duplicate-term", f"`{entry.text}` is read like an entry before it")
            elif term is not None:
                seen.add(key)
                terms.append(term)
    return terms, categories, file


def _term(file: WordFile, role: Role, entry: Entry) -> Term | None:
    weak = entry.text.startswith(_WEAK)
    if weak and role is not Role.FLAG:
        file.fault(entry, "wrong-mark", f"`{_WEAK}` has a meaning in `{Role.FLAG}` only")
    halves = entry.text.removeprefix(_WEAK).split(f" {_BOTH} ")
    parts = tuple(_pattern(half, spelt=entry.language in _SPELT) for half in halves)
    if not all(parts):
        file.fault(entry, "no-word", f"`{entry.text}` has no word in it")
        return None
    if entry.language in _SPELT and sum(map(len, chain.from_iterable(parts))) < SHORTEST:
        file.fault(entry, "too-short", f"`{entry.text}` is read as `{parts[0][0]}`, too little to tell words apart")
        return None
    return Term(role=role, category=entry.group, language=entry.language, text=entry.text, parts=parts, weak=weak)


def _pattern(text: str, *, spelt: bool) -> Pattern:
    return tuple(chain.from_iterable(_word(word, spelt=spelt) for word in text.split()))


# Half the words of the lists stand in other terms too, mostly in the same list.
@lru_cache(maxsize=2048)
def _word(word: str, *, spelt: bool) -> Pattern:
    folded = maghrebi.spell(word) if spelt else words(fold(word))
    if not folded:
        return ()
    if word.startswith(_BELOW):
        return (_BELOW + folded[0], *folded[1:])
    if word.endswith(_OPEN_END):
        return (*folded[:-1], folded[-1] + _OPEN_END)
    return folded


def example_of(term: Term) -> str:
    """Return a text that holds `term`: its own words, with a number where it takes any."""
    plain = re.sub(rf"{_BELOW}\d+", "0", term.text.removeprefix(_WEAK))
    return plain.replace(_OPEN_END, "").replace(f" {_BOTH} ", " ")
