"""Look for what a clip's texts (prompt, title, writing in the picture) speak of. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detectors import lexicon as lexicons
from detectors import prototypes
from detectors.base import DetectorUnavailable, Findings, Frame, Model, Sample, Signal, State, Subject, Text, quantise
from detectors.lexicon import Hit, Lexicon, Role, example_of, read_lexicon
from detectors.manifests import Manifest
from detectors.prototypes import DOUBTFUL_MARGIN, MARGIN, Meaning, Prototypes, read_prototypes
from detectors.sentences import SentenceEncoder
from detectors.wordfiles import LEXICON_FILE, PROTOTYPES_FILE, Fault

#: The value at which a category counts as found; a margin of `MARGIN` lies there, one of `MARGIN + 0.5` at the top.
LINE: Final = 0.5
#: What meaning alone may reach: only words reach 1.
MOST_BY_MEANING: Final = 0.99
#: The constants that a number of these signals depends on, for the hash of all that decides signals.
STEPS: Final = (
    lexicons.GAP,
    lexicons.REACH,
    prototypes.NEAREST,
    prototypes.MAX_WINDOWS,
    prototypes.MIN_LIKENESS,
    prototypes.MIN_PIECE,
    MARGIN,
    DOUBTFUL_MARGIN,
    LINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLists:
    """What a folder of word lists holds. `version` changes with every edit of either file."""

    lexicon: Lexicon
    prototypes: Prototypes

    @property
    def version(self) -> str:
        return self.lexicon.version

    @property
    def categories(self) -> tuple[str, ...]:
        return self.lexicon.categories

    @property
    def model(self) -> Model:
        return self.lexicon.model


def load_word_lists(folder: Path) -> WordLists:
    """Read `lexicon.yaml` and `prototypes.yaml` of a folder. Raises DetectorUnavailable with every mistake in them."""
    read = read_prototypes(folder / PROTOTYPES_FILE)
    lexicon = read_lexicon(folder / LEXICON_FILE, beside=read.content)
    if unknown := [category for category in read.by_category if category not in lexicon.categories]:
        raise DetectorUnavailable(f"{folder / PROTOTYPES_FILE}: the lexicon has no category {', '.join(unknown)}")
    return WordLists(lexicon=lexicon, prototypes=read)


def find_faults(folder: Path) -> list[Fault]:
    """Return every mistake of the word files in `folder`, in the order of files and lines; both must be there."""
    faults = lexicons.find_faults(folder / LEXICON_FILE)
    categories = None if faults else read_lexicon(folder / LEXICON_FILE).categories
    return faults + prototypes.find_faults(folder / PROTOTYPES_FILE, categories)


def read_words(
    texts: Mapping[str, str], lists: WordLists, meaning: Meaning, read_off: Sequence[Text] = ()
) -> tuple[Signal, ...]:
    """Return one signal per category, `words.<category>`: how strongly the texts speak of it, 0 to 1.

    The given texts at time 0, what was read off the clip at its own times. 1 is a word of the lexicon; from 0.5 up to
    0.99 the meaning of a sentence; below 0.5 nothing worth a look. The numbers are no probabilities. A clip without
    texts was not measured: nothing was said, which is not the same as nothing flagged.
    """
    said = _by_time(texts, read_off)
    if not said:
        return tuple(
            Signal(name=f"words.{category}", state=State.NOT_MEASURED, model=lists.model, note="no text was given")
            for category in lists.categories
        )
    looked_up = {
        time_ms: (lists.lexicon.find(given), meaning.margins(given.values())) for time_ms, given in sorted(said.items())
    }
    return tuple(
        Signal(
            name=f"words.{category}",
            state=State.MEASURED,
            model=lists.model,
            samples=tuple(
                Sample(time_ms=time_ms, value=quantise(_value(category, hits, margins)))
                for time_ms, (hits, margins) in looked_up.items()
            ),
        )
        for category in lists.categories
    )


def _by_time(texts: Mapping[str, str], read_off: Sequence[Text]) -> dict[int, dict[str, str]]:
    """Return what was said when: lines of one source at one instant belong together, as a caption's do."""
    given = {source: text for source, text in texts.items() if text.strip()}
    said: dict[int, dict[str, str]] = {0: given} if given else {}
    for text in read_off:
        at = said.setdefault(text.time_ms, {})
        at[text.source] = f"{at[text.source]}\n{text.text}" if text.source in at else text.text
    return said


def _value(category: str, hits: Sequence[Hit], margins: Mapping[str, float]) -> float:
    own = [hit for hit in hits if hit.category == category]
    margin = margins.get(category)
    if any(not hit.doubtful for hit in own) or (own and (margin is None or margin >= DOUBTFUL_MARGIN)):
        return 1.0
    return 0.0 if margin is None else min(max(LINE + margin - MARGIN, 0.0), MOST_BY_MEANING)


class Words:
    """The word lists as a detector: it reads the subject's texts and looks at no frame."""

    name = "words"

    def __init__(self, lists: WordLists, encoder: SentenceEncoder) -> None:
        self.lists = lists
        self.meaning = Meaning(lists.prototypes, encoder)
        self.signals = tuple(f"words.{category}" for category in lists.categories)

    @classmethod
    def load(cls, manifest: Manifest, lists: WordLists) -> "Words":
        """Take the sentence encoder of a pack. Raises DetectorUnavailable when it is absent or damaged."""
        return cls(lists, SentenceEncoder.open(manifest))

    def open(self, subject: Subject) -> "_Reading":
        return _Reading(subject, self)

    def self_check(self) -> None:
        """Look for the lexicon's own terms and encode a probe. Raises DetectorUnavailable when one is not right."""
        for term in self.lists.lexicon.terms:
            if term.role is Role.FLAG and not self.lists.lexicon.holds(term, example_of(term)):
                raise DetectorUnavailable(f"the lexicon does not find its own term {term.text!r}")
        self.meaning.encoder.check()


@dataclass(slots=True)
class _Reading:
    subject: Subject
    words: Words
    _read_off: tuple[Text, ...] = ()

    def see(self, frames: Sequence[Frame]) -> None:
        """Frames hold no text for this detector; what others read off them comes by `take`."""

    def take(self, texts: Sequence[Text]) -> None:
        self._read_off = tuple(texts)

    def finish(self) -> Findings:
        words = self.words
        return Findings(signals=read_words(self.subject.texts, words.lists, words.meaning, self._read_off))
