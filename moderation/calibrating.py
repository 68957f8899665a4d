"""Calibrating a detector on an operator's own labelled pictures. Keeps numbers only, no picture."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError
from detectors.calibration import Calibration, CalibrationError, calibrate
from detectors.explicit import SIGNAL, ExplicitDetector
from detectors.figures import Labels, Scores, reliability
from moderation.errors import Outage, Unprocessable

if TYPE_CHECKING:
    from moderation.services import Services

FLAGGED: Final = "flagged"
BENIGN: Final = "benign"
_BATCH: Final = 16
_SIDE: Final = 480
_MARGIN: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Raw scores (float64 [n]) of labelled pictures (bool [n], true for flagged); which files were no pictures."""

    scores: Scores
    labels: Labels
    unreadable: tuple[str, ...]


def score_folder(services: "Services", folder: Path) -> Labelled:
    """Score every picture below `flagged/` and `benign/` of a folder, each a frame as it would come out of a clip.

    Raises Unprocessable when a folder is missing, Outage when the detector cannot work.
    """
    detector = explicit_detector(services)
    scores: list[float] = []
    labels: list[bool] = []
    unreadable: list[str] = []
    for name in (FLAGGED, BENIGN):
        if not (folder / name).is_dir():
            raise Unprocessable(f"{folder} has no folder {name}/: it must hold {FLAGGED}/ and {BENIGN}/")
    for label, name in ((True, FLAGGED), (False, BENIGN)):
        files = sorted(path for path in (folder / name).rglob("*") if path.is_file())
        for start in range(0, len(files), _BATCH):
            pictures = {path: read_picture(path) for path in files[start : start + _BATCH]}
            unreadable += [path.name for path, picture in pictures.items() if picture is None]
            read = [picture for picture in pictures.values() if picture is not None]
            scores += _score(detector, read)
            labels += [label] * len(read)
    return Labelled(
        scores=np.array(scores, np.float64), labels=np.array(labels, np.bool_), unreadable=tuple(unreadable)
    )


def fit(services: "Services", found: Labelled) -> Calibration:
    """Fit the curve. Raises Unprocessable when the data cannot carry one."""
    try:
        return calibrate(SIGNAL, explicit_detector(services).model, found.scores, found.labels)
    except CalibrationError as error:
        raise Unprocessable(str(error)) from error


def keep(services: "Services", calibration: Calibration, found: Labelled) -> Path:
    """Put a calibration in force from the next start on, with its reliability diagram beside it; returns the file."""
    folder = services.calibrations_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{calibration.signal}.json"
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(calibration.to_json())
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    drawn, encoded = cv2.imencode(".png", draw_reliability(calibration, found))
    if drawn:
        path.with_suffix(".png").write_bytes(encoded.tobytes())
    return path


def explicit_detector(services: "Services") -> ExplicitDetector:
    """The detector of explicit content among those loaded. Raises Outage when there is none."""
    for detector in services.detectors:
        if isinstance(detector, ExplicitDetector):
            return detector
    raise Outage("detector:explicit", "no detector of explicit content is loaded")


def read_picture(path: Path) -> NDArray[np.uint8] | None:
    """Return a picture as uint8 [height, width, 3] BGR, None when the file is none."""
    content = np.frombuffer(path.read_bytes(), np.uint8)
    try:
        pixels = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except cv2.error:
        # More pixels than OpenCV opens.
        return None
    return None if pixels is None else cast("NDArray[np.uint8]", pixels)


def draw_reliability(calibration: Calibration, found: Labelled) -> NDArray[np.uint8]:
    """Draw what is said (rightwards) against what is true (upwards); on the diagonal both agree. uint8 BGR, square."""
    picture = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    span = _SIDE - 2 * _MARGIN

    def place(x: float, y: float) -> tuple[int, int]:
        return round(_MARGIN + x * span), round(_SIDE - _MARGIN - y * span)

    cv2.rectangle(picture, place(0, 0), place(1, 1), (0, 0, 0), 1)
    cv2.line(picture, place(0, 0), place(1, 1), (160, 160, 160), 1, cv2.LINE_AA)
    said = np.array([calibration.probability(score) for score in found.scores])
    for each in reliability(said, found.labels):
        radius = 3 + round(12 * (each.count / len(said)) ** 0.5)
        cv2.circle(picture, place(each.said, each.true), radius, (180, 90, 20), 2, cv2.LINE_AA)
    return picture


def _score(detector: ExplicitDetector, pictures: list[NDArray[np.uint8]]) -> list[float]:
    try:
        return detector.score(pictures)
    except DetectorError as error:
        raise Outage("detector:explicit", str(error)) from error
