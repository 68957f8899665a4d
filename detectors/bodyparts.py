"""Which exposed body part is where, by NudeNet: an optional pack behind its licence notice. Decides nothing.

Of the network's 18 classes only those of exposed private parts are read; its classes of faces and of clothed parts are
never looked at.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    Box,
    DetectorError,
    DetectorUnavailable,
    Findings,
    Frame,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.manifests import Manifest
from detectors.probes import drawn_rings
from detectors.runtime import Device, Session

PACK: Final = "bodyparts"
MODEL: Final = "nudenet_320n"
SIGNAL: Final = "explicit.parts"

_SIDE: Final = 320
_CLASSES: Final = 18
#: Rows of the answer after the four of the box: buttocks, breast, the two genitalia, anus, each exposed.
_EXPOSED: Final = (2, 3, 4, 6, 14)

#: What the network says of the drawn rings at most, and how far another processor may be from it.
_PROBE_SCORE: Final = 0.4257
_PROBE_TOLERANCE: Final = 1e-2

Pixels = NDArray[np.uint8]


class Part(NamedTuple):
    """The surest exposed part of a frame: how sure (0-1, quantised), and where."""

    score: float
    box: Box


class BodyParts:
    """The detector `bodyparts`: one `explicit.parts` per frame, with the box of the surest part."""

    name = "bodyparts"
    signals: tuple[str, ...] = (SIGNAL,)

    def __init__(self, session: Session) -> None:
        self._session = session

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load the weights of the pack `bodyparts`. Raises DetectorUnavailable when it was not built."""
        return cls(Session.open(manifest, MODEL, device=device))

    def open(self, subject: Subject) -> "BodyPartsInspection":  # noqa: ARG002 (the protocol's; nothing else is asked)
        return BodyPartsInspection(self)

    def find(self, pixels_bgr: Pixels) -> Part:
        """Return the surest exposed part of a picture (uint8 [height, width, 3] BGR), however unsure.

        Raises DetectorError when the network fails.
        """
        height, width = pixels_bgr.shape[:2]
        (answer,) = self._session.run(_prepared(pixels_bgr)).values()
        if answer.ndim != 3 or answer.shape[:2] != (1, 4 + _CLASSES) or not np.isfinite(answer).all():
            raise DetectorError(f"{MODEL} gave no parts")
        exposed = answer[0, 4:][list(_EXPOSED)].max(axis=0)
        best = int(exposed.argmax())
        return Part(quantise(exposed[best]), _box(answer[0, :4, best], width, height))

    def self_check(self) -> None:
        score = self.find(drawn_rings(360, 640)).score
        if abs(score - _PROBE_SCORE) > _PROBE_TOLERANCE:
            raise DetectorUnavailable(f"{MODEL} scores its probe {score}, not {_PROBE_SCORE}: it cannot be relied on")

    def measured(self, samples: Sequence[Sample]) -> Signal:
        """Return the signal of one clip; with no sample it failed, for nothing was looked at."""
        state = State.MEASURED if samples else State.FAILED
        note = "" if samples else "no frame was shown"
        return Signal(name=SIGNAL, state=state, model=self._session.model, samples=tuple(samples), note=note)


class BodyPartsInspection:
    """One clip under the detector."""

    def __init__(self, detector: BodyParts) -> None:
        self._detector = detector
        self._samples: list[Sample] = []

    def see(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            part = self._detector.find(frame.pixels)
            self._samples.append(Sample(time_ms=frame.time_ms, value=part.score, box=part.box))

    def finish(self) -> Findings:
        return Findings(signals=(self._detector.measured(self._samples),))


def _prepared(pixels: Pixels) -> NDArray[np.float32]:
    """Return the network's input: padded to a square below and to the right, float32 [1, 3, 320, 320] RGB, 0-1."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = cv2.copyMakeBorder(pixels, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT)
    small = cv2.resize(square, (_SIDE, _SIDE), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray((small[..., ::-1].astype(np.float32) / 255).transpose(2, 0, 1)[None])


def _box(row: NDArray[np.float32], width: int, height: int) -> Box:
    """Return a box given as centre and size in pixels of the network's square."""
    scale = max(width, height) / _SIDE
    centre_x, centre_y, box_width, box_height = (float(value) * scale for value in row)
    left, right = (np.clip((centre_x + side * box_width / 2) / width, 0, 1) for side in (-1, 1))
    top, bottom = (np.clip((centre_y + side * box_height / 2) / height, 0, 1) for side in (-1, 1))
    return Box(x=quantise(left), y=quantise(top), width=quantise(right - left), height=quantise(bottom - top))
