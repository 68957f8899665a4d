"""Look for what a clip's texts (prompt, title) speak of: flagged words, and flagged meaning. Decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from detectors import lexicon as lexicons
from detectors import prototypes
from detectors.base import DetectorUnavailable, Findings, Frame, Model, Sample, Signal, State, Subject, quantise
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


def read_words(texts: Mapping[str, str], lists: WordLists, meaning: Meaning) -> tuple[Signal, ...]:
    """Return one signal per category, `words.<category>`, at time 0: how strongly the texts speak of it, 0 to 1.

    1 is a word of the lexicon; from 0.5 up to 0.99 the meaning of a sentence; below 0.5 nothing worth a look. The
    numbers are no probabilities. A clip without texts was not measured: nothing was said, which is not the same as
    nothing flagged.
    """
    given = {source: text for source, text in texts.items() if text.strip()}
    if not given:
        return tuple(
            Signal(name=f"words.{category}", state=State.NOT_MEASURED, model=lists.model, note="no text was given")
            for category in lists.categories
        )
    hits = lists.lexicon.find(given)
    margins = meaning.margins(given.values())
    return tuple(
        Signal(
            name=f"words.{category}",
            state=State.MEASURED,
            model=lists.model,
            samples=(Sample(time_ms=0, value=quantise(_value(category, hits, margins))),),
        )
        for category in lists.categories
    )


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


@dataclass(frozen=True, slots=True)
class _Reading:
    subject: Subject
    words: Words

    def see(self, frames: Sequence[Frame]) -> None:
        """Frames hold no text for this detector."""

    def finish(self) -> Findings:
        return Findings(signals=read_words(self.subject.texts, self.words.lists, self.words.meaning))
