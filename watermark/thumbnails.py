"""A tiny picture of every frame, to tell what changed from one to the next: a few tenths of a millisecond each.

Reads the decoder's own planes and some of their rows only; nothing is converted to RGB. Must not be used to judge.
"""

from functools import cache
from math import ceil
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.planes import eight_bit
from watermark.sources import refusing

#: Cells along the longer side. Of 1280 x 720 a cell is 20 pixels wide and high.
GRID: Final = 64
#: Rows and columns of a cell that are read, at least, where it has so many: all of them cost four times as much.
_LUMA_GRID: Final = (4, 5)
_CHROMA_GRID: Final = (2, 5)
#: Colour differences span less than luma does in ordinary pictures.
_CHROMA_GAIN: Final = 2

#: uint8 [3 * rows, columns]: luma, then the two colour differences, doubled around 128.
Thumbnail = NDArray[np.uint8]


class Thumbnailer:
    """Makes thumbnails of the frames of one clip; all later ones follow the first in size."""

    def __init__(self) -> None:
        self._shape: tuple[int, int] | None = None

    def make(self, frame: av.VideoFrame) -> Thumbnail:
        """Return the thumbnail in coded orientation. Raises VideoRefused `decode_failed` for a frame it cannot read."""
        planes = _planes(frame)
        cell = cell_side(planes[0].shape[1], planes[0].shape[0])
        luma = _shrink(planes[0], (cell, cell), _LUMA_GRID)
        if self._shape is None:
            self._shape = luma.shape[0], luma.shape[1]
        rows, columns = self._shape
        if luma.shape != self._shape:
            luma = np.asarray(cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
        return np.concatenate([luma, *(self._colour(plane, planes[0].shape, cell) for plane in planes[1:3])])

    def _colour(self, plane: NDArray[np.uint8], size: tuple[int, ...], cell: int) -> NDArray[np.uint8]:
        assert self._shape is not None
        tall = max(1, cell * plane.shape[0] // size[0])
        wide = max(1, cell * plane.shape[1] // size[1])
        small = _shrink(plane, (tall, wide), _CHROMA_GRID)
        if small.shape != self._shape:
            small = np.asarray(cv2.resize(small, self._shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
        return np.asarray(cv2.convertScaleAbs(small, alpha=_CHROMA_GAIN, beta=128 - 128 * _CHROMA_GAIN), np.uint8)


def cell_side(width: int, height: int) -> int:
    """Return the side of a cell in luma samples, even, so that chroma has whole cells too."""
    return 2 * ceil(max(width, height) / (2 * GRID))


def _shrink(plane: NDArray[np.uint8], cell: tuple[int, int], read: tuple[int, int]) -> NDArray[np.uint8]:
    """Average cells of so many rows and columns over some of them, at least `read`, where they have as many."""
    down, across = max(1, plane.shape[0] // cell[0]), max(1, plane.shape[1] // cell[1])
    steps = [_stride(side, least) for side, least in zip(cell, read, strict=True)]
    # A plane thinner than half a stride has its last row, or column, read.
    first = [min(step // 2, side - 1) for step, side in zip(steps, plane.shape, strict=True)]
    kept = plane[first[0] : down * cell[0] : steps[0], first[1] : across * cell[1] : steps[1]]
    return np.asarray(cv2.resize(np.ascontiguousarray(kept), (across, down), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _stride(side: int, least: int) -> int:
    """Return the widest stride that divides `side` and leaves `least` of it, 1 where none does."""
    return max(step for step in range(1, side + 1) if side % step == 0 and (side // step >= least or step == 1))


def _planes(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    """Return luma and both colour differences as uint8 [height, width]; views where the frame is stored so."""
    bits = _planar_bits(frame.format.name)
    if not bits:
        with refusing():
            frame = eight_bit(frame, max(2, frame.width // 2 * 2), max(2, frame.height // 2 * 2))
    planes: tuple[Any, ...] = frame.planes
    if bits <= 8:
        return [_view(plane, np.uint8) for plane in planes[:3]]
    return [(_view(plane, np.uint16) >> (bits - 8)).astype(np.uint8) for plane in planes[:3]]


@cache
def _planar_bits(layout: str) -> int:
    """Return the depth of a YUV layout of three or more planes that numpy can read as they are, 0 for all others."""
    form = av.VideoFormat(layout)
    depths = {component.bits for component in form.components[:3]}
    planes = {component.plane for component in form.components[:3]}
    if not form.is_planar or form.is_rgb or len(planes) != 3 or len(depths) != 1:
        return 0
    depth = depths.pop()
    return depth if depth == 8 or (8 < depth <= 16 and layout.endswith("le")) else 0


def _view(plane: Any, kind: type[np.uint8 | np.uint16]) -> NDArray[Any]:
    # Any: the stubs do not say that a plane is a buffer.
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, abs(plane.line_size))
    return rows.view(kind)[:: -1 if plane.line_size < 0 else 1, : plane.width]
