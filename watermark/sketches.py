"""Sketches: tiny frames with their light and shade taken away, to tell whether a copy shows a part of a clip.

PDQ hashes whole frames and follows no crop; a sketch lies in the original's own places, so that any part of it can be
compared once the mark has told where a copy lies. A sketch is a picture, however poor: it is kept and erased like one.
"""

import struct
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.geometry import Geometry

#: Cells along the short side of the original.
LINES = 32
#: Twice as dense for queries: a copy rarely starts on the stored grid.
STORED_STEP_MS, QUERY_STEP_MS, EARLY_MS = 250, 125, 20
#: Frames are kept at this size until it is known where they lie: one point per cell where the picture is a quarter.
LONG_SIDE = 240
#: Frames kept of a copy; of longer ones every other is dropped, and again.
_MOST_FRAMES = 192
#: Cells over which light and shade are taken; grey levels of contrast below which there is nothing to see.
_REACH, _FAINT = 2.0, 1.0
#: Contrast, in deviations, from which a cell is called light or dark.
_CLEAR = 0.5
#: Where an original may lie around the copy's own place, in short sides: what lies farther off is not its picture.
_BEFORE, _BEYOND = 2, 4

_MAGIC = b"SKT1"
_HEAD = struct.Struct("<IiiIId?")
_MOST_CELLS = (_BEFORE + _BEYOND) * LINES + 2
#: Of stored sketches too: twelve minutes.
_MOST_STORED = 4 * 720

Cells = NDArray[np.int8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sketches:
    """Sketches of a clip's frames on the grid of the original, `LINES` cells to its short side.

    `left` and `top` are the first cell's place, in cells; `seen` bool [h, w] says which cells the frames show; `times`
    int32 [n] are ms from the first displayed frame; `cells` int8 [n, h, w] are 1 for lighter than around, -1 for
    darker, 0 for neither or unseen. Places are known but for whole `field`s (in cells); 0 when they are known.
    """

    left: int
    top: int
    field: float
    #: Whether the copy had left and right, or top and bottom, exchanged.
    mirrored: bool
    seen: NDArray[np.bool_]
    times: NDArray[np.int32]
    cells: Cells

    def __len__(self) -> int:
        return len(self.times)

    def to_bytes(self) -> bytes:
        """Serialise: magic, counts, places, times, seen (one bit a cell), cells (two); little-endian."""
        height, width = self.seen.shape
        head = _MAGIC + _HEAD.pack(len(self), self.left, self.top, width, height, self.field, self.mirrored)
        flat = self.cells.reshape(-1)
        bits = np.stack([flat > 0, flat < 0])
        arrays = self.times.astype("<i4"), np.packbits(self.seen), np.packbits(bits)
        return head + b"".join(array.tobytes() for array in arrays)

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError for anything else."""
        start = len(_MAGIC) + _HEAD.size
        if not content.startswith(_MAGIC) or len(content) < start:
            raise ValueError("these are no sketches")
        count, left, top, width, height, field, mirrored = _HEAD.unpack(content[len(_MAGIC) : start])
        if not (0 < width <= _MOST_CELLS and 0 < height <= _MOST_CELLS and count <= _MOST_STORED):
            raise ValueError("sketches larger than any")
        size, most = width * height, 2 * _MOST_CELLS
        if not (abs(left) <= most and abs(top) <= most and 0 <= field <= most):
            raise ValueError("sketches lie where no original does")
        ends = np.cumsum([4 * count, -(-size // 8), -(-2 * count * size // 8)])
        if len(content) != start + ends[-1]:
            raise ValueError("the sketches' length does not fit their count")
        times, seen, cells = np.split(np.frombuffer(content, np.uint8, offset=start), ends[:-1])
        light, dark = np.unpackbits(cells, count=2 * count * size).reshape(2, count, height, width).astype(np.int8)
        return cls(
            left=left,
            top=top,
            field=field,
            mirrored=mirrored,
            seen=np.unpackbits(seen, count=size).reshape(height, width).astype(bool),
            times=times.view("<i4").astype(np.int32),
            cells=light - dark,
        )


class Sketcher:
    """Keeps small frames of one file as they pass by, one every `step_ms`, to be sketched once their place is known."""

    def __init__(self, step_ms: int = STORED_STEP_MS, *, bounded: bool = False) -> None:
        self._step_ms, self._bounded = step_ms, bounded
        self._due: int | None = None
        self._size = (1, 1)
        self._kept: list[tuple[int, NDArray[np.uint8]]] = []

    def see(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        """Take note of one frame, uint8 [height, width]; frames come in order of time. Keeps no reference to it."""
        if self._due is not None and time_ms < self._due - min(EARLY_MS, self._step_ms // 4):
            return
        self._due = time_ms + self._step_ms
        size = luma.shape[1], luma.shape[0]
        if size != self._size:
            self._size, self._kept = size, []
        self._kept.append((time_ms, _shrunk(luma, LONG_SIDE / max(size), LONG_SIDE / max(size)).copy()))
        if self._bounded and len(self._kept) > _MOST_FRAMES:
            self._kept, self._step_ms = self._kept[::2], 2 * self._step_ms

    def finish(self, geometry: Geometry | None = None) -> Sketches | None:
        """Sketch what was kept: where it lies by `geometry`, or else as the original itself; None of nothing."""
        if not self._kept:
            return None
        width, height = self._size
        itself = np.array([[1, 0, 0], [0, 1, 0]]) / min(width, height)
        matrix = (itself if geometry is None else geometry.to_array()) * LINES
        box = _box(matrix, width, height)
        if box is None:
            return None
        layout = _Layout.of(matrix, (width, height), self._kept[0][1].shape, box)
        drawn = [layout.sketch(picture) for _, picture in self._kept]
        return Sketches(
            left=box[0],
            top=box[1],
            field=0.0 if geometry is None else geometry.field * LINES,
            mirrored=bool(np.linalg.det(matrix[:, :2]) < 0),
            seen=layout.seen,
            times=np.array([time for time, _ in self._kept], np.int32),
            cells=np.stack(drawn),
        )


def _box(matrix: NDArray[np.float64], width: int, height: int) -> tuple[int, int, int, int] | None:
    """Return the cells that a copy covers (left, top, right, bottom), within where an original may lie."""
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    low = np.maximum(np.floor(corners.min(axis=1) + 0.01), -_BEFORE * LINES).astype(int)
    high = np.minimum(np.ceil(corners.max(axis=1) - 0.01), _BEYOND * LINES).astype(int)
    if not np.isfinite(corners).all() or (high - low < 2).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """How kept frames are laid onto the grid: shrunk to about a point per cell, then mapped."""

    shrink: tuple[float, float]
    matrix: NDArray[np.float64]
    size: tuple[int, int]
    seen: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        matrix: NDArray[np.float64],
        frame: tuple[int, int],
        kept: tuple[int, ...],
        box: tuple[int, int, int, int],
    ) -> Self:
        to_frame = np.array([frame[0] / kept[1], frame[1] / kept[0]])
        cells = np.hypot(*matrix[:, :2]) * to_frame
        across, down = np.minimum(1, cells * 1.5).tolist()
        small = max(round(kept[1] * across), 1), max(round(kept[0] * down), 1)
        laid = matrix.copy()
        laid[:, :2] *= np.array(frame) / np.array(small)
        laid[:, 2] -= box[:2]
        # Pixels' middles are whole numbers to the warp.
        laid[:, 2] += laid[:, :2] @ (0.5, 0.5) - 0.5
        size = box[2] - box[0], box[3] - box[1]
        whole = np.pad(np.ones((small[1], small[0]), np.float32), 1)
        shifted = laid.copy()
        shifted[:, 2] -= laid[:, :2] @ (1.0, 1.0)
        seen = cv2.warpAffine(whole, shifted, size, flags=cv2.INTER_LINEAR) > 0.5
        return cls(shrink=(small[0] / kept[1], small[1] / kept[0]), matrix=laid, size=size, seen=np.asarray(seen))

    def sketch(self, picture: NDArray[np.uint8]) -> Cells:
        small = _shrunk(picture, *self.shrink).astype(np.float32)
        laid = cv2.warpAffine(small, self.matrix, self.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return _flattened(np.asarray(laid, np.float32), self.seen)


def _shrunk(picture: NDArray[np.uint8], across: float, down: float) -> NDArray[np.uint8]:
    if across >= 1 and down >= 1:
        return picture
    size = max(round(picture.shape[1] * min(across, 1)), 1), max(round(picture.shape[0] * min(down, 1)), 1)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _flattened(grid: NDArray[np.float32], seen: NDArray[np.bool_]) -> Cells:
    """Take light and shade away, and call each cell light, dark or neither."""
    weight = seen.astype(np.float32)
    total = _blurred(weight) + 1e-6
    rest = (grid - _blurred(grid * weight) / total) * weight
    contrast = np.sqrt(_blurred(rest * rest) / total + _FAINT**2)
    return np.asarray(np.where(rest > _CLEAR * contrast, 1, np.where(rest < -_CLEAR * contrast, -1, 0)), np.int8)


def _blurred(grid: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(grid, (0, 0), _REACH, borderType=cv2.BORDER_CONSTANT), np.float32)
