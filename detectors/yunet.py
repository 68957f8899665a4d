"""Find faces and their five points with YuNet. Says where a face is, never whose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, DetectorError, Model

#: The longer side of what the network sees. The other one is as long as the picture needs: the pack's export is
#: fixed to a square, and for a wide frame half of that would be empty.
INPUT_SIDE: Final = 640
#: No face of the measured set was missed, and none invented, at 0.70 as at 0.85.
MIN_SCORE: Final = 0.70
#: Share of the longer side added in grey all around when the first look finds nothing: a face that fills the
#: frame has no outline otherwise.
BORDER: Final = 0.30
_BORDER_GREY: Final = 128.0
_OVERLAP: Final = 0.3
_STRIDES: Final = (8, 16, 32)
_COARSEST: Final = 32
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
        edges, points, scores = _decode(self._network.run(canvas), canvas.shape[3], self._min_score)
        return tuple(
            Detection(edges=(edges[i] - shift) / scale, points=(points[i] - shift) / scale, score=float(scores[i]))
            for i in _without_overlaps(edges, scores)
        )


def _letter_box(pixels: NDArray[np.uint8], border: float) -> tuple[Floats, np.float32, np.float32]:
    """Scale into what the network sees, at the top left; `border` is a share of the longer side, grey, all around.

    Returns float32 [1, 3, height, width] with sides that its coarsest grid divides, the longer of 640; the scale, and
    the shift in pixels of the canvas (the same both ways).
    """
    height, width = pixels.shape[:2]
    longer = max(height, width)
    scale = INPUT_SIDE / (longer * (1 + 2 * border))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shift = round(longer * border * scale)
    tall, wide = (-(-(side + 2 * shift) // _COARSEST) * _COARSEST for side in size[::-1])
    canvas = np.zeros((1, 3, min(tall, INPUT_SIDE), min(wide, INPUT_SIDE)), np.float32)
    canvas[0, :, : size[1] + 2 * shift, : size[0] + 2 * shift] = _BORDER_GREY
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(pixels, size, interpolation=method).transpose(2, 0, 1)
    canvas[0, :, shift : shift + size[1], shift : shift + size[0]] = small
    return canvas, np.float32(scale), np.float32(shift)


def _decode(answers: Mapping[str, Floats], width: int, min_score: float) -> tuple[Floats, Floats, Floats]:
    """Turn the grids over a canvas of this width into edges [n, 4], points [n, 5, 2] and scores [n], best first.

    Score is sqrt(class x object); centre is (cell + shift) x stride; size is exp(value) x stride.
    """
    if not all(np.isfinite(answer).all() for answer in answers.values()):
        # Nothing compares as larger than not-a-number: the frame would pass for empty.
        raise DetectorError("the face finder gave no numbers")
    parts = [_decode_stride(answers, stride, width // stride, min_score) for stride in _STRIDES]
    edges, points, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-scores, kind="stable")[:_MAX_CANDIDATES]
    return edges[order], points[order], scores[order]


def _decode_stride(
    answers: Mapping[str, Floats], stride: int, per_row: int, min_score: float
) -> tuple[Floats, Floats, Floats]:
    certainty = np.clip(answers[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(answers[f"obj_{stride}"][0, :, 0], 0, 1)
    scores = np.sqrt(certainty).astype(np.float32)
    kept = np.flatnonzero(scores >= min_score)
    rows, columns = np.divmod(kept, per_row)
    cells = np.stack([columns, rows], axis=1).astype(np.float32)
    shape = answers[f"bbox_{stride}"][0, kept]
    centres, half = (cells + shape[:, :2]) * stride, np.exp(shape[:, 2:]) * stride / 2
    points = (answers[f"kps_{stride}"][0, kept].reshape(-1, 5, 2) + cells[:, None]) * stride
    return np.concatenate([centres - half, centres + half], axis=1), points, scores[kept]


def _without_overlaps(edges: Floats, scores: Floats) -> list[int]:
    """Keep the best of every heap of overlapping boxes; `edges` come best first."""
    kept: list[int] = []
    left = np.arange(len(scores))
    while len(left):
        best, left = int(left[0]), left[1:]
        kept.append(best)
        left = left[_overlaps(edges[best], edges[left]) <= _OVERLAP]
    return kept


def _overlaps(one: Floats, others: Floats) -> Floats:
    """Return intersection over union of one box with each of the others ([n, 4])."""
    low, high = np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    total = np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - shared
    return np.asarray(np.where(total > 0, shared / np.where(total > 0, total, 1), 0), np.float32)


def overlap(one: Floats, other: Floats) -> float:
    """Return intersection over union of two boxes given by their edges (left, top, right, bottom)."""
    return float(_overlaps(one, other[None])[0])


def free_size(content: bytes) -> bytes:
    """Return the pack's export (ONNX bytes) with height and width left open; weights and operators stay as they are."""
    import onnx

    model = onnx.load_model_from_string(content)
    shape = model.graph.input[0].type.tensor_type.shape
    for dimension, name in ((shape.dim[2], "height"), (shape.dim[3], "width")):
        dimension.dim_param = name
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"
    return bytes(model.SerializeToString())
