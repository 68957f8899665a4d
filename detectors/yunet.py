"""Find faces and their five points with YuNet. Says where a face is, never whose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, DetectorError, Model

#: Side of the square the network sees; this export is fixed at it, with a batch of one.
INPUT_SIDE: Final = 640
#: No face of the measured set was missed, and none invented, at 0.70 as at 0.85.
MIN_SCORE: Final = 0.70
#: Share of the longer side added in grey all around when the first look finds nothing: a face that fills the
#: frame has no outline otherwise.
BORDER: Final = 0.30
_BORDER_GREY: Final = 128.0
_OVERLAP: Final = 0.3
_STRIDES: Final = (8, 16, 32)
#: More candidates than this before overlap removal is a hostile picture, not a crowd.
_MAX_CANDIDATES: Final = 2000

Floats = NDArray[np.float32]


class Network(Protocol):
    """What is needed of a model session here (`runtime.Session` is one): one batch in, named arrays out."""

    @property
    def model(self) -> Model: ...

    def run(self, batch: Floats) -> Mapping[str, Floats]: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """One face in pixels of the frame: `edges` float32 [4] is left, top, right, bottom and may leave the frame.

    `points` is float32 [5, 2]: right eye, left eye, nose tip, right and left mouth corner (the subject's right).
    """

    edges: Floats
    points: Floats
    score: float

    @property
    def height(self) -> float:
        """Pixels from the box's top to its bottom."""
        return float(self.edges[3] - self.edges[1])

    def box(self, width: int, height: int) -> Box:
        """The box as shares of a frame of this size, cut at its edges, to four decimals."""
        left, right = np.clip(self.edges[[0, 2]].astype(float) / width, 0, 1)
        top, bottom = np.clip(self.edges[[1, 3]].astype(float) / height, 0, 1)
        x, y = round(float(left), 4), round(float(top), 4)
        return Box(x=x, y=y, width=round(float(right) - x, 4), height=round(float(bottom) - y, 4))


class FaceFinder:
    """YuNet (2023mar) with its second look behind a grey border. Safe for several threads."""

    def __init__(self, network: Network, *, min_score: float = MIN_SCORE) -> None:
        self._network = network
        self._min_score = min_score

    def find(self, pixels: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Return the faces of one picture (uint8 [height, width, 3], BGR), best score first.

        Raises DetectorError when the network fails or its answer is no number.
        """
        return self._look(pixels, 0.0) or self._look(pixels, BORDER)

    def _look(self, pixels: NDArray[np.uint8], border: float) -> tuple[Detection, ...]:
        canvas, scale, shift = _letter_box(pixels, border)
        edges, points, scores = _decode(self._network.run(canvas), self._min_score)
        return tuple(
            Detection(edges=(edges[i] - shift) / scale, points=(points[i] - shift) / scale, score=float(scores[i]))
            for i in _without_overlaps(edges, scores)
        )


def _letter_box(pixels: NDArray[np.uint8], border: float) -> tuple[Floats, np.float32, np.float32]:
    """Scale into the network's square, at the top left; `border` is a share of the longer side, grey, all around.

    Returns float32 [1, 3, 640, 640], the scale, and the shift in pixels of the square (the same both ways).
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    scale = INPUT_SIDE / (longer * (1 + 2 * border))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shift = round(longer * border * scale)
    canvas = np.zeros((1, 3, INPUT_SIDE, INPUT_SIDE), np.float32)
    canvas[0, :, : size[1] + 2 * shift, : size[0] + 2 * shift] = _BORDER_GREY
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels, size, interpolation=method).transpose(2, 0, 1)
    canvas[0, :, shift : shift + size[1], shift : shift + size[0]] = small
    return canvas, np.float32(scale), np.float32(shift)


def _decode(answers: Mapping[str, Floats], min_score: float) -> tuple[Floats, Floats, Floats]:
    """Turn the grids of the three strides into edges [n, 4], points [n, 5, 2] and scores [n], best first.

    Score is sqrt(class x object); centre is (cell + shift) x stride; size is exp(value) x stride.
    """
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        # Nothing compares as larger than not-a-number: the frame would pass for empty.
        raise DetectorError("the face finder gave no numbers")
    parts = [_decode_stride(answers, stride, min_score) for stride in _STRIDES]
    edges, points, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")[:_MAX_CANDIDATES]
    return edges[order], points[order], scores[order]


def _decode_stride(answers: Mapping[str, Floats], stride: int, min_score: float) -> tuple[Floats, Floats, Floats]:
    certainty = np.clip(answers[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(answers[f"obj_{stride}"][0, :, 0], 0, 1)
    scores = np.sqrt(certainty).astype(np.float32)
    kept = np.flatnonzero(scores >= min_score)
    rows, columns = np.divmod(kept, INPUT_SIDE // stride)
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    shape = answers[f"bbox_{stride}"][0, kept]
    centres, half = (cells + shape[:, :2]) * stride, np.exp(shape[:, 2:]) * stride / 2
    points = (answers[f"kps_{stride}"][0, kept].reshape(-1, 5, 2) + cells[:, None]) * stride
    return np.concatenate([centres - half, centres + half], axis=1), points, scores[kept]


def _without_overlaps(edges: Floats, scores: Floats) -> list[int]:
    """Keep the best of every heap of overlapping boxes; `edges` come best first."""
    kept: list[int] = []
    for i in range(len(scores)):
        if all(overlap(edges[i], edges[j]) <= _OVERLAP for j in kept):
            kept.append(i)
    return kept


def overlap(one: Floats, other: Floats) -> float:
    """Return intersection over union of two boxes given by their edges (left, top, right, bottom)."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    total = float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared
    return shared / total if total > 0 else 0.0
