"""Finds lines of text in a picture, by PP-OCR's detection network. Reads nothing, only says where it is."""

from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, Model

Floats = NDArray[np.float32]

#: The network's map is cut here, and a line's mean on it must reach the second figure (as its authors set them).
_CUT: Final = 0.3
_LEAST_SCORE: Final = 0.5
#: The network draws lines thinner than they are: each rectangle grows by this share of area over perimeter.
_GROWTH: Final = 1.6
_LEAST_SIDE_PX: Final = 3.0
_STEP: Final = 32
_MOST_LINES: Final = 200


class Network(Protocol):
    """What is asked of a session."""

    model: Model

    def run(self, batch: NDArray[np.float32]) -> dict[str, Floats]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One line of text: its corners, float32 [4, 2] in pixels, clockwise from the top left as the line reads."""

    corners: Floats
    score: float

    @property
    def width(self) -> float:
        """Length along the line, in pixels."""
        return float(np.linalg.norm(self.corners[1] - self.corners[0]))

    @property
    def height(self) -> float:
        """Height of the line, in pixels."""
        return float(np.linalg.norm(self.corners[3] - self.corners[0]))


class LineFinder:
    """Wraps the network with its preparation and its decoding (differentiable binarisation, Liao et al. 2020)."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def find(self, pixels_bgr: NDArray[np.uint8], long_side: int) -> tuple[Line, ...]:
        """Return the lines of a picture (uint8 [height, width, 3] BGR) looked at with this long side, largest first.

        Raises DetectorError when the network fails.
        """
        height, width = pixels_bgr.shape[:2]
        scale = min(1.0, long_side / max(height, width))
        seen_height, seen_width = _fitting(height * scale), _fitting(width * scale)
        small = cv2.resize(pixels_bgr, (seen_width, seen_height), interpolation=cv2.INTER_AREA)
        batch = ((small.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]
        (answer,) = self._network.run(np.ascontiguousarray(batch)).values()
        if answer.shape != (1, 1, seen_height, seen_width) or not np.isfinite(answer).all():
            raise DetectorError(f"{self._network.model.id} gave no map of lines")
        stretch = np.array([width / seen_width, height / seen_height], np.float32)
        return tuple(sorted(_lines(answer[0, 0], stretch), key=lambda line: -line.width * line.height))


def _fitting(side: float) -> int:
    return max(_STEP, round(side / _STEP) * _STEP)


def _lines(chart: Floats, stretch: Floats) -> list[Line]:
    written = cv2.dilate((chart > _CUT).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(written, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for contour in contours[:_MOST_LINES]:
        centre, size, angle = cv2.minAreaRect(contour)
        if min(size) < _LEAST_SIDE_PX:
            continue
        score = _mean_inside(chart, np.asarray(cv2.boxPoints((centre, size, angle)), np.float32))
        if score < _LEAST_SCORE:
            continue
        more = 2 * _GROWTH * size[0] * size[1] / (2 * (size[0] + size[1]))
        grown = cv2.boxPoints((centre, (size[0] + more, size[1] + more), angle))
        lines.append(Line(corners=_in_order(np.asarray(grown, np.float32) * stretch), score=score))
    return lines


def _mean_inside(chart: Floats, corners: Floats) -> float:
    height, width = chart.shape
    low = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, [width - 1, height - 1]) + 1
    mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(mask, [(corners - low).astype(np.int32)], (1,))
    return float(cv2.mean(chart[low[1] : high[1], low[0] : high[0]], mask)[0])


def _in_order(corners: Floats) -> Floats:
    """Turn the corners so that they begin at the top left; a line that stands is read from its top."""
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = (side[np.argsort(side[:, 1], kind="stable")] for side in (by_x[:2], by_x[2:]))
    return np.stack([left[0], right[0], right[1], left[1]]).astype(np.float32)
