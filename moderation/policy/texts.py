"""Reads the texts of a case with the word lists of its folder, as a clip's would be. Judges nothing."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from detectors.base import DetectorUnavailable
from detectors.packs import load_manifest
from detectors.words import Words, load_word_lists, read_words
from moderation.facts import FactRecord, Sample, SignalFact


class TextReader:
    """The word lists of a policy folder with the weights under `models`, loaded when a case first needs them."""

    def __init__(self, folder: Path, models: Path | None) -> None:
        self.folder = folder
        self.models = models

    @cached_property
    def _words(self) -> Words:
        if self.models is None:
            raise DetectorUnavailable("no weights were given")
        return Words.load(load_manifest(self.models), load_word_lists(self.folder / "words"))

    def read(self, facts: FactRecord, texts: Mapping[str, str]) -> FactRecord:
        """Return `facts` with the signals that the word check gives for `texts`. Raises DetectorUnavailable."""
        words = self._words
        found = {
            signal.name: SignalFact(
                state=signal.state,
                model=words.lists.model.id,
                version=words.lists.version,
                samples=tuple(Sample(sample.time_ms, sample.value, None) for sample in signal.samples),
            )
            for signal in read_words(texts, words.lists, words.meaning)
        }
        return replace(facts, signals={**facts.signals, **found})
