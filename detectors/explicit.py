"""How explicit each frame is, by open_nsfw. It knows photographs only; it decides nothing and keeps no frame.

The raw score is no probability; that is a signal of its own, measured once an operator has calibrated the model.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    DetectorError,
    DetectorUnavailable,
    Findings,
    Frame,
    Model,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.calibration import Calibration
from detectors.manifests import Manifest
from detectors.probes import drawn_rings
from detectors.resizing import Resizer
from detectors.runtime import Device, Session

MODEL: Final = "open_nsfw"
SIGNAL: Final = "explicit.score"
PROBABILITY: Final = "explicit.probability"

_RESIZED: Final = 256
_SIDE: Final = 224
_MARGIN: Final = (_RESIZED - _SIDE) // 2
_MEAN_BGR: Final = np.array([104, 117, 123], dtype=np.float32)
_JPEG_QUALITY: Final = 75
#: Frames a run takes at once: on a CPU more is not faster, and this bounds memory.
_BATCH: Final = 8

#: What the reference implementation says of the probe, and how far another processor may be from it.
_PROBE_SCORE: Final = 0.6759
_PROBE_TOLERANCE: Final = 5e-3


class ExplicitDetector:
    """Emits one `explicit.score` (0-1) per frame it is shown, and the probability where a calibration fits."""

    name = "explicit"
    signals: tuple[str, ...] = (SIGNAL, PROBABILITY)

    def __init__(self, session: Session, calibration: Calibration | None = None) -> None:
        self._session = session
        self._resizer = Resizer(_RESIZED)
        self._calibration = calibration if calibration and calibration.fits(session.model) else None
        self._uncalibrated = "calibrated for other weights: calibrate again" if calibration else "never calibrated"

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu", calibration: Calibration | None = None) -> Self:
        """Load the weights from a pack. Raises DetectorUnavailable when that is not possible."""
        return cls(Session.open(manifest, MODEL, device=device), calibration)

    @property
    def model(self) -> Model:
        """The weights, and the calibration their scores are read with."""
        calibration = self._calibration.id if self._calibration else "none"
        return replace(self._session.model, calibration=calibration)

    def open(self, subject: Subject) -> "ExplicitInspection":  # noqa: ARG002 (the protocol's; nothing else is asked)
        return ExplicitInspection(self)

    def score(self, pictures: Sequence[NDArray[np.uint8]]) -> list[float]:
        """Return the quantised score of each picture (uint8 [height, width, 3] BGR).

        Raises DetectorError when the model fails or answers with something that is no probability.
        """
        scores: list[float] = []
        for start in range(0, len(pictures), _BATCH):
            batch = np.stack([self.prepare(picture) for picture in pictures[start : start + _BATCH]])
            (answer,) = self._session.run(batch).values()
            if answer.shape != (len(batch), 2) or not np.isfinite(answer).all():
                raise DetectorError(f"{MODEL} gave no score")
            scores.extend(quantise(value) for value in answer[:, 1])
        return scores

    def prepare(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's input for one picture: float32 [224, 224, 3], BGR, mean taken off.

        The steps of Yahoo's reference: antialiased 256 x 256 whatever the aspect, centre crop, and a JPEG round
        trip, without which scores differ by as much as two times.
        """
        crop = self._resizer.resize(picture)[_MARGIN : _MARGIN + _SIDE, _MARGIN : _MARGIN + _SIDE]
        done, encoded = cv2.imencode(".jpg", np.ascontiguousarray(crop), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not done:
            raise DetectorError("the frame could not be prepared: no JPEG encoder")
        decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        return np.asarray(decoded, dtype=np.float32) - _MEAN_BGR

    def self_check(self) -> None:
        (score,) = self.score([drawn_rings(360, 640)])
        if abs(score - _PROBE_SCORE) > _PROBE_TOLERANCE:
            raise DetectorUnavailable(f"{MODEL} scores its probe {score}, not {_PROBE_SCORE}: it cannot be relied on")

    def measured(self, samples: Sequence[Sample]) -> tuple[Signal, ...]:
        """Return the signals of one clip; with no sample they failed, for nothing was looked at."""
        if not samples:
            return tuple(
                Signal(name=name, state=State.FAILED, model=self.model, note="no frame was shown")
                for name in self.signals
            )
        raw = Signal(name=SIGNAL, state=State.MEASURED, model=self.model, samples=tuple(samples))
        return raw, self._probability(samples)

    def _probability(self, samples: Sequence[Sample]) -> Signal:
        if self._calibration is None:
            return Signal(name=PROBABILITY, state=State.NOT_MEASURED, model=self.model, note=self._uncalibrated)
        read = self._calibration.probability
        read_off = tuple(replace(sample, value=read(sample.value)) for sample in samples)
        return Signal(name=PROBABILITY, state=State.MEASURED, model=self.model, samples=read_off)


class ExplicitInspection:
    """One clip under the detector."""

    def __init__(self, detector: ExplicitDetector) -> None:
        self._detector = detector
        self._samples: list[Sample] = []

    def see(self, frames: Sequence[Frame]) -> None:
        scores = self._detector.score([frame.pixels for frame in frames])
        self._samples.extend(
            Sample(time_ms=frame.time_ms, value=score) for frame, score in zip(frames, scores, strict=True)
        )

    def finish(self) -> Findings:
        return Findings(signals=self._detector.measured(self._samples))
