"""How near a text's sentences come to those that stand for a category. Gives numbers, no verdict and no probability."""

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.folding import unmix
from detectors.sentences import SentenceEncoder
from detectors.wordfiles import Entry, Fault, UnusableWords, WordFile

HARMLESS: Final = "harmless"
#: Likeness to a group is the mean over so many of its nearest prototypes (nearest neighbours, Cover and Hart 1967).
NEAREST: Final = 2
#: A text is compared in at most so many pieces; longer texts in longer pieces, so that nothing is left out.
MAX_WINDOWS: Final = 12
#: A category needs that many prototypes to be compared with at all.
MIN_PROTOTYPES: Final = 2
#: Without this much likeness to a category the difference to the harmless means nothing.
MIN_LIKENESS: Final = 0.35
#: Margins: how much nearer than to the harmless a sentence must be to count on its own, and beside a doubtful term.
MARGIN: Final = 0.08
DOUBTFUL_MARGIN: Final = -0.06

#: Mean letters of a piece, in a text with Latin or Tifinagh letters, below which the encoder never saw the language.
MIN_PIECE: Final = 2.2

_LATIN_OR_TIFINAGH: Final = re.compile(r"[a-z\u2d30-\u2d7f]")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?\u061f\u2026])\s+|[\n;\u061b]+")

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prototypes:
    """Sentences by category, and the harmless ones that look alike."""

    by_category: Mapping[str, tuple[str, ...]]
    harmless: tuple[str, ...]
    content: bytes

    def sentences(self) -> list[str]:
        """Return every sentence: the categories' in their order, then the harmless ones."""
        return [sentence for group in (*self.by_category.values(), self.harmless) for sentence in group]


def read_prototypes(path: Path) -> Prototypes:
    """Read a prototype file. Raises UnusableWords with every mistake in it."""
    prototypes, faults = _read(path)
    if faults:
        raise UnusableWords(faults)
    return prototypes


def find_faults(path: Path, categories: Sequence[str] | None = None) -> list[Fault]:
    """Return every mistake of a prototype file in the order of its lines; `categories` are those of the lexicon."""
    return sorted(_read(path, categories)[1])


def _read(path: Path, categories: Sequence[str] | None = None) -> tuple[Prototypes, list[Fault]]:
    file = WordFile(path, version=1, grouped=("categories",), plain=(HARMLESS,))
    entries = [*file.sections["categories"], *file.sections[HARMLESS]]
    first: dict[str, Entry] = {}
    for entry in entries:
        if first.setdefault(" ".join(entry.text.casefold().split()), entry) is not entry:
            file.fault(entry, "duplicate-sentence", "this sentence stands here twice")
        if categories is not None and entry.group and entry.group not in categories:
            file.fault(entry, "unknown-category", f"the lexicon has no category `{entry.group}`")
    by_category = {
        group: tuple(entry.text for entry in file.sections["categories"] if entry.group == group)
        for group in file.groups["categories"]
    }
    harmless = tuple(entry.text for entry in file.sections[HARMLESS])
    if not file.faults and min(map(len, (*by_category.values(), harmless))) < MIN_PROTOTYPES:
        message = f"every category and `{HARMLESS}` need at least {MIN_PROTOTYPES} sentences"
        file.faults.append(Fault(path=str(path), line=1, column=1, code="too-few", message=message))
    return Prototypes(by_category=by_category, harmless=harmless, content=file.content), file.faults


class Meaning:
    """Prototypes as vectors; they are encoded on first use, which takes about a second, once per process."""

    def __init__(self, prototypes: Prototypes, encoder: SentenceEncoder) -> None:
        self.prototypes = prototypes
        self.encoder = encoder
        self._lock = threading.Lock()
        self._vectors: Mapping[str, Array] | None = None

    def margins(self, texts: Iterable[str]) -> dict[str, float]:
        """Return for each category the largest margin of any sentence in `texts`: likeness minus that to the harmless.

        Likeness is a mean of cosines, so a margin lies from -2 to 2; a sentence far from all prototypes counts -2.
        """
        vectors = self._encoded()
        windows = [window for text in texts for window in windows_of(text) if self._understands(window)]
        if not windows:
            return dict.fromkeys(self.prototypes.by_category, -2.0)
        seen = self.encoder.encode(windows)
        harmless = _likeness(seen, vectors[HARMLESS])
        margins = {}
        for category in self.prototypes.by_category:
            likeness = _likeness(seen, vectors[category])
            margins[category] = float(np.max(np.where(likeness < MIN_LIKENESS, -2.0, likeness - harmless)))
        return margins

    def _understands(self, window: str) -> bool:
        """Whether the encoder's vocabulary fits: a language it never saw falls into scraps of one letter or two."""
        if not _LATIN_OR_TIFINAGH.search(window):
            return True
        return len(window.replace(" ", "")) >= MIN_PIECE * (len(self.encoder.pieces.cut(window)) - 2)

    def _encoded(self) -> Mapping[str, Array]:
        with self._lock:
            if self._vectors is None:
                groups = {**self.prototypes.by_category, HARMLESS: self.prototypes.harmless}
                together = self.encoder.encode([plain(sentence) for group in groups.values() for sentence in group])
                ends = np.cumsum([len(group) for group in groups.values()])[:-1]
                self._vectors = dict(zip(groups, np.split(together, ends), strict=True))
            return self._vectors


def _likeness(seen: Array, group: Array) -> Array:
    cosines = np.sort(seen @ group.T, axis=1)[:, -NEAREST:]
    return np.asarray(cosines.mean(axis=1), dtype=np.float32)


def plain(sentence: str) -> str:
    """Return a sentence as it is encoded: small letters, one script a word, nothing invisible, no end sign."""
    visible = (sign for sign in unicodedata.normalize("NFKC", sentence) if unicodedata.category(sign) != "Cf")
    return unmix("".join(visible)).casefold().strip(" .!\u2026")


def windows_of(text: str) -> list[str]:
    """Cut a text into sentences; neighbours are joined when there would be more than `MAX_WINDOWS`."""
    sentences = [part for part in map(plain, _SENTENCE_END.split(text)) if part]
    size = -(-len(sentences) // MAX_WINDOWS) or 1
    return [" ".join(sentences[at : at + size]) for at in range(0, len(sentences), size)]
