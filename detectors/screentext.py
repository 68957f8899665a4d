"""What is written in the picture: a small look at a few frames, then at most two of them are read. Judges no word.

Each word list reads what is found here; this detector hands it on and keeps no frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    Box,
    DetectorUnavailable,
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
from detectors.manifests import Manifest
from detectors.probes import drawn_letters
from detectors.runtime import Device, Session
from detectors.textlines import Line, LineFinder
from detectors.textreading import LineReader, Reading

FINDER_MODEL: Final = "ppocr_lines"
READER_MODEL: Final = "ppocr_letters"
SIGNAL: Final = "text.detection"
SOURCE: Final = "screen"

#: Stretches a clip is cut into, one frame of each looked at, and so many frames more at the beginnings of shots.
_STRETCHES: Final = 5
_MOST_LOOKS: Final = 8
_MOST_READ: Final = 2
#: Writing lower than a thirtieth of the frame is not seen at the first of these long sides.
_LOOK_SIDE: Final = 320
_READ_SIDE: Final = 640
_MOST_LINES: Final = 12
#: A reading less sure than this is noise of textures.
_LEAST_CONFIDENCE: Final = 0.6

#: The constants that what is read depends on, for the hash of all that decides signals.
STEPS: Final = (_STRETCHES, _MOST_LOOKS, _MOST_READ, _LOOK_SIDE, _READ_SIDE, _MOST_LINES, _LEAST_CONFIDENCE)

_PROBE_TEXT: Final = "PROBE 2718"

Pixels = NDArray[np.uint8]


class Candidate(NamedTuple):
    """A frame with lines on it: the area they cover in pixels, when, and a copy of its pixels."""

    area: float
    time_ms: int
    pixels: Pixels


class ScreenText:
    """The detector `screen_text`: `text.detection` on the frames that were read, and the texts themselves."""

    name = "screen_text"
    signals: tuple[str, ...] = (SIGNAL,)

    def __init__(self, finder: LineFinder, reader: LineReader, model: Model) -> None:
        self.finder = finder
        self.reader = reader
        self.model = model

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load both networks. Raises DetectorUnavailable when one cannot be had."""
        finder = Session.open(manifest, FINDER_MODEL, device=device)
        reader = Session.open(manifest, READER_MODEL, device=device)
        letters = reader.metadata.get("character", "").split("\n")
        if len(letters) < 2:
            raise DetectorUnavailable(f"{READER_MODEL} does not say which letters it knows")
        model = Model(
            id=f"{finder.model.id}+{reader.model.id}", version=f"{finder.model.version}+{reader.model.version}"
        )
        return cls(LineFinder(finder), LineReader(reader, letters), model)

    def open(self, subject: Subject) -> "ScreenTextInspection":
        return ScreenTextInspection(self, subject.duration_ms)

    def read(self, pixels_bgr: Pixels) -> list[tuple[Line, Reading]]:
        """Return the lines of a picture (uint8 [height, width, 3] BGR) that could be read, with what they say."""
        lines = self.finder.find(pixels_bgr, _READ_SIDE)[:_MOST_LINES]
        read = zip(lines, self.reader.read(pixels_bgr, lines), strict=True)
        return [(line, reading) for line, reading in read if reading.text and reading.confidence >= _LEAST_CONFIDENCE]

    def self_check(self) -> None:
        """Read drawn letters. Raises DetectorUnavailable when they come out otherwise."""
        said = [reading.text for _, reading in self.read(drawn_letters(_PROBE_TEXT))]
        if said != [_PROBE_TEXT]:
            raise DetectorUnavailable(f"{READER_MODEL} reads its probe as {said}: it cannot be relied on")


@dataclass(slots=True)
class ScreenTextInspection:
    """The writing of one clip; holds two frames at most."""

    detector: ScreenText
    duration_ms: int
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _looked_ms: list[int] = field(default_factory=list)
    _written: list[Candidate] = field(default_factory=list)

    def see(self, frames: Sequence[Frame]) -> None:
        """Look at the first frame of each stretch and of each shot. Raises DetectorError when the network fails."""
        for frame in frames:
            stretch = min(_STRETCHES - 1, _STRETCHES * frame.time_ms // max(1, self.duration_ms))
            fresh = {("stretch", stretch), ("shot", frame.shot)} - self._seen
            if fresh and (len(self._looked_ms) < _MOST_LOOKS or ("stretch", stretch) in fresh):
                self._look(frame)
            self._seen |= fresh

    def _look(self, frame: Frame) -> None:
        self._looked_ms.append(frame.time_ms)
        area = sum(line.width * line.height for line in self.detector.finder.find(frame.pixels, _LOOK_SIDE))
        if area > 0:
            kept = [*self._written, Candidate(area, frame.time_ms, frame.pixels.copy())]
            self._written = sorted(kept, key=lambda each: (-each.area, each.time_ms))[:_MOST_READ]

    def finish(self) -> Findings:
        """Read the most written of what was looked at; with no frame it failed. Raises DetectorError."""
        model = self.detector.model
        if not self._looked_ms:
            failed = Signal(name=SIGNAL, state=State.FAILED, model=model, note="no frame was shown")
            return Findings(signals=(failed,))
        surest = dict.fromkeys(self._looked_ms, 0.0)
        texts: list[Text] = []
        for kept in sorted(self._written, key=lambda kept: kept.time_ms):
            found = [_text(kept, line, reading) for line, reading in self.detector.read(kept.pixels)]
            surest[kept.time_ms] = max((text.confidence for text in found), default=0.0)
            texts += found
        samples = tuple(Sample(time_ms=time_ms, value=value) for time_ms, value in surest.items())
        signal = Signal(name=SIGNAL, state=State.MEASURED, model=model, samples=samples)
        return Findings(signals=(signal,), texts=tuple(texts))


def _text(kept: Candidate, line: Line, reading: Reading) -> Text:
    height, width = kept.pixels.shape[:2]
    low = np.clip(line.corners.min(axis=0) / [width, height], 0, 1)
    high = np.clip(line.corners.max(axis=0) / [width, height], 0, 1)
    box = Box(
        x=quantise(low[0]), y=quantise(low[1]), width=quantise(high[0] - low[0]), height=quantise(high[1] - low[1])
    )
    return Text(source=SOURCE, time_ms=kept.time_ms, text=reading.text, confidence=reading.confidence, box=box)
