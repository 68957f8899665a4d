"""Is this drawn or photographed? A network for whole frames, a share of shades for faces. Both err; neither decides.

Must not hand out what else the network knows: the file in the pack has one output.
"""

from collections.abc import Sequence
from typing import Final, Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import (
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
from detectors.manifests import Manifest, Presence
from detectors.mobilenet import SIDE
from detectors.probes import drawn_rings
from detectors.runtime import Device, Session

MODEL: Final = "drawn_mobilenet"
SIGNAL: Final = "drawn.score"
#: A shot's first frame is looked at, and then one after so long: how a shot is made does not change within it.
EVERY_MS: Final = 2000

#: Faces are compared at this size, so that shades mean the same for near and far ones.
_FACE_SIDE: Final = 96
_FACE_MARGIN: Final = 0.2
#: The spread of grey that a face is brought to first, so that a dark face has as many shades as a bright one.
_SPREAD: Final = 50.0
_MOST_GAIN: Final = 4.0
_LEAST_GAIN: Final = 0.5
#: Neighbours that differ by no more are flat, by more they are an edge; what lies between is a shade.
_FLAT: Final = 3.0
_EDGE: Final = 24.0

#: What TensorFlow.js says of the probe, and how far another processor may be from it.
_PROBE_SCORE: Final = 0.9351
_PROBE_TOLERANCE: Final = 5e-3

Pixels = NDArray[np.uint8]


class DrawnDetector:
    """Emits `drawn.score` (0-1) for one frame every `EVERY_MS` of a shot; not measured where the pack lacks the net."""

    name = "drawn"
    signals: tuple[str, ...] = (SIGNAL,)

    def __init__(self, session: Session | None, *, note: str = "") -> None:
        self._session = session
        self._note = note

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load the network where the pack has it. Raises DetectorUnavailable when a file that is there is damaged."""
        entry = manifest.entry(MODEL)
        if entry.state is Presence.ABSENT:
            return cls(None, note=f"nobody looks whether frames are drawn: {entry.note}")
        return cls(Session.open(manifest, MODEL, device=device))

    def open(self, subject: Subject) -> "DrawnInspection":  # noqa: ARG002 (the protocol's; nothing else is asked)
        return DrawnInspection(self, looks=self._session is not None)

    def score(self, picture: Pixels) -> float:
        """Return how drawn a whole picture (uint8 [height, width, 3] BGR) looks, quantised.

        Raises DetectorError when the model fails or is not there.
        """
        if self._session is None:
            raise DetectorError(self._note)
        small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., ::-1]
        (answer,) = self._session.run(np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)).values()
        if answer.shape != (1, 1) or not np.isfinite(answer).all():
            raise DetectorError(f"{MODEL} gave no score")
        return quantise(float(answer[0, 0]))

    def self_check(self) -> None:
        if self._session is None:
            return
        score = self.score(drawn_rings(SIDE, SIDE))
        if abs(score - _PROBE_SCORE) > _PROBE_TOLERANCE:
            raise DetectorUnavailable(f"{MODEL} scores its probe {score}, not {_PROBE_SCORE}: it cannot be relied on")

    def conclude(self, samples: Sequence[Sample]) -> Signal:
        """Return the signal of one clip; with a network and no sample it failed, for nothing was looked at."""
        if self._session is None:
            return Signal(name=SIGNAL, state=State.NOT_MEASURED, note=self._note)
        if not samples:
            return Signal(name=SIGNAL, state=State.FAILED, model=self._session.model, note="no frame was shown")
        return Signal(name=SIGNAL, state=State.MEASURED, model=self._session.model, samples=tuple(samples))


class DrawnInspection:
    """One clip under the detector."""

    def __init__(self, detector: DrawnDetector, *, looks: bool) -> None:
        self._detector = detector
        self._looks = looks
        self._last_ms: dict[int, int] = {}
        self._samples: list[Sample] = []

    def see(self, frames: Sequence[Frame]) -> None:
        """Look at the frames whose turn it is. Raises DetectorError when the model fails."""
        for frame in frames if self._looks else ():
            last = self._last_ms.get(frame.shot)
            if last is None or frame.time_ms - last >= EVERY_MS:
                self._last_ms[frame.shot] = frame.time_ms
                self._samples.append(Sample(time_ms=frame.time_ms, value=self._detector.score(frame.pixels)))

    def finish(self) -> Findings:
        return Findings(signals=(self._detector.conclude(self._samples),))


def share_of_shades(picture: Pixels, box: NDArray[np.float32]) -> float:
    """Return the share (0-1) of a face's surface that is shaded rather than flat or edge, quantised.

    `picture` is uint8 [height, width, 3] in BGR, `box` left, top, right, bottom in its pixels. Light on skin gives
    shades nearly everywhere; flat colours and outlines give few. Measured: docs/model-cards/drawn.md.
    """
    face = cv2.resize(cut_square(picture, box, _FACE_MARGIN), (_FACE_SIDE, _FACE_SIDE), interpolation=cv2.INTER_AREA)
    wide = face.astype(np.float32)
    gain = _SPREAD / max(float(wide.mean(axis=2).std()), 1e-3)
    wide *= min(_MOST_GAIN, max(_LEAST_GAIN, gain))
    across = np.abs(np.diff(wide, axis=1)).max(axis=2)[:-1]
    down = np.abs(np.diff(wide, axis=0)).max(axis=2)[:, :-1]
    steps = np.maximum(across, down)
    return quantise(float(((steps > _FLAT) & (steps < _EDGE)).mean()))


def cut_square(picture: Pixels, box: NDArray[np.float32], margin: float) -> Pixels:
    """Cut a square around a box, its longer side plus `margin`; what lies outside repeats the picture's edge."""
    left, top, right, bottom = (float(value) for value in box)
    half = max(right - left, bottom - top) * (1 + margin) / 2
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    columns = np.arange(round(centre_x - half), round(centre_x + half))
    rows = np.arange(round(centre_y - half), round(centre_y + half))
    height, width = picture.shape[:2]
    cut = picture[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))]
    return cast("Pixels", np.ascontiguousarray(cut))
