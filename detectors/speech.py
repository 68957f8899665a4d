"""What is said: the form in which a transcript reaches the word lists. No network here writes one down.

Where nobody installed a detector that does, `speech.text` says `not_measured`: nothing said is not nothing meant.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.base import (
    Detector,
    Findings,
    Frame,
    Model,
    Sample,
    Signal,
    State,
    Subject,
    Text,
    quantise,
)

SIGNAL: Final = "speech.text"
SOURCE: Final = "speech"
NOBODY: Final = "no detector that writes down speech is installed; what is said was not read"
NO_SOUND: Final = "the clip has no sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of speech as it was written down; `confidence` is 0 to 1, `start_ms` counts from the first frame."""

    start_ms: int
    text: str
    confidence: float


def transcribed(utterances: Iterable[Utterance], model: Model, *, heard: bool) -> Findings:
    """Return what a detector of speech says of a clip: one sample and one text for each utterance, at its own time.

    `heard` tells whether there was sound at all; without it the clip was not measured. A utterance that begins before
    the first frame counts from there.
    """
    if not heard:
        signal = Signal(name=SIGNAL, state=State.NOT_MEASURED, model=model, note=NO_SOUND)
        return Findings(signals=(signal,))
    said = sorted((each for each in utterances if each.text.strip()), key=lambda each: each.start_ms)
    texts = tuple(
        Text(
            source=SOURCE,
            time_ms=max(0, utterance.start_ms),
            text=utterance.text.strip(),
            confidence=quantise(utterance.confidence),
        )
        for utterance in said
    )
    samples = tuple(Sample(time_ms=text.time_ms, value=text.confidence) for text in texts)
    return Findings(signals=(Signal(name=SIGNAL, state=State.MEASURED, model=model, samples=samples),), texts=texts)


def give_way(detectors: Sequence[Detector]) -> tuple[Detector, ...]:
    """Leave out the detector that says that nobody writes down speech, where another one does."""
    others = tuple(detector for detector in detectors if not isinstance(detector, Unwritten))
    return others if any(SIGNAL in detector.signals for detector in others) else tuple(detectors)


class Unwritten:
    """Stands where no detector writes down speech, and says so of every clip."""

    name = "speech_text"
    signals: tuple[str, ...] = (SIGNAL,)

    def open(self, subject: Subject) -> "Unwritten":  # noqa: ARG002 (the protocol's; there is nothing to ask)
        return self

    def see(self, frames: Sequence[Frame]) -> None:
        """Look at nothing."""

    def finish(self) -> Findings:
        return Findings(signals=(Signal(name=SIGNAL, state=State.NOT_MEASURED, note=NOBODY),))

    def self_check(self) -> None:
        """There is nothing that could fail."""
