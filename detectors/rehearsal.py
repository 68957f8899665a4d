"""Stand-ins without weights, for tests of what happens around a detector. Their every signal says `rehearsal`."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from detectors.base import (
    DetectorError,
    DetectorUnavailable,
    FaceTrack,
    Findings,
    Frame,
    Model,
    Sample,
    Signal,
    Sound,
    State,
    Subject,
)
from detectors.speech import SIGNAL as SPEECH_TEXT
from detectors.speech import Utterance, transcribed

REHEARSAL: Final = Model(id="rehearsal", version="1")


@dataclass(slots=True, kw_only=True)
class RehearsalDetector:
    """Says what it was told to say: one sample per frame and signal, the same for every clip.

    `values` maps a signal to its value, or to the state it is silent in. `broken` fails every clip and the
    self-check, as a lost model does; `choking` fails clips alone, as one hostile clip does; `drifted` fails the
    self-check alone, as a model whose numbers have gone wrong in silence does; `slow` keeps all of them waiting.
    """

    name: str
    values: Mapping[str, float | State]
    faces: tuple[FaceTrack, ...] = ()
    #: May be switched while the detector is in use, to play an outage and its end.
    broken: bool = False
    choking: bool = False
    drifted: bool = False
    #: Seconds that every act and the self-check take; they end early when `hurried` is set, as a hang that passes does.
    slow: float = 0.0
    hurried: threading.Event = field(default_factory=threading.Event)

    def dawdle(self) -> None:
        """Take the time that it was told to take."""
        if self.slow:
            self.hurried.wait(self.slow)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals it was told to emit."""
        return tuple(self.values)

    def open(self, subject: Subject) -> "Rehearsal":  # noqa: ARG002 (the protocol's; the script decides)
        self.dawdle()
        if self.broken:
            raise DetectorUnavailable(f"{self.name} was told to be broken")
        return Rehearsal(self)

    def self_check(self) -> None:
        self.dawdle()
        if self.broken or self.drifted:
            raise DetectorUnavailable(f"{self.name} was told to be {'broken' if self.broken else 'drifted'}")


@dataclass(slots=True, kw_only=True)
class RehearsalSpeech:
    """Writes down the same utterances for every clip that has sound, as a detector of speech would."""

    utterances: tuple[Utterance, ...]
    name: str = "rehearsal_speech"
    signals: tuple[str, ...] = (SPEECH_TEXT,)

    def open(self, subject: Subject) -> "Hearing":  # noqa: ARG002 (the protocol's; the script decides)
        return Hearing(self)

    def self_check(self) -> None:
        """There is nothing that could fail."""


@dataclass(slots=True)
class Hearing:
    """One clip's worth of the script."""

    detector: RehearsalSpeech
    heard: bool = False

    def see(self, frames: Sequence[Frame]) -> None:
        """Frames say nothing."""

    def hear(self, sound: Sound) -> None:
        self.heard |= bool(len(sound.samples))

    def finish(self) -> Findings:
        return transcribed(self.detector.utterances, REHEARSAL, heard=self.heard)


@dataclass(slots=True)
class Rehearsal:
    """One clip's worth of the script."""

    detector: RehearsalDetector
    times: list[int] = field(default_factory=list)

    def see(self, frames: Sequence[Frame]) -> None:
        self.detector.dawdle()
        if self.detector.broken or self.detector.choking:
            raise DetectorError(f"{self.detector.name} was told to fail")
        self.times += [frame.time_ms for frame in frames]

    def finish(self) -> Findings:
        self.detector.dawdle()
        signals = tuple(self._signal(name, value) for name, value in self.detector.values.items())
        return Findings(signals=signals, faces=self.detector.faces)

    def _signal(self, name: str, value: float | State) -> Signal:
        if isinstance(value, State):
            return Signal(name=name, state=value, model=REHEARSAL, note="as rehearsed")
        samples = tuple(Sample(time_ms=time_ms, value=value) for time_ms in self.times)
        return Signal(name=name, state=State.MEASURED, model=REHEARSAL, samples=samples)
