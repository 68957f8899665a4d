"""The pixel work of the invisible mark: how busy each place is, and a pattern added as strongly as each may bear.

In whole numbers throughout, so that every machine writes the same picture. Knows no keys and no payload.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.saturation import add_signed

#: Gains are whole 32nds, and so is the pattern: both are bytes, and their product is in 1024ths of a grey level.
UNIT: Final = 32
#: Detail is measured on a picture of about this many lines; four by four of its pixels share a gain.
_LINES: Final = 360
_CELL: Final = 4
#: Detail is told in eighths of a grey level: a picture without any grain and one with a little differ by less than one.
DETAIL_UNIT: Final = 8
#: Pixels that are worked on at once: few enough to stay in the processor's second cache from one step to the next.
_BAND_PIXELS: Final = 160_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strength:
    """How strongly a frame is marked. Tables have an entry for each busyness, 0 to 255."""

    #: int8 [256]: the gain in 32nds.
    gains: NDArray[np.int8]
    #: uint8 [256]: what a place so marked tells a reader, in a unit of the caller's.
    tells: NDArray[np.uint8]
    #: A frame whose places tell more than this (root of the mean square) gets all gains lowered, down to a share.
    enough: float
    least: float
    #: A frame whose gains come to more than this, in 32nds, gets all of them lowered: none is changed more.
    most: float


class Imprint:
    """A pattern for planes of one size, added in place; besides it holds the scratch memory of one band."""

    def __init__(self, drawn: NDArray[np.float32], strength: Strength) -> None:
        """Take a pattern, float32 [height, width] of unit deviation.

        Raises ValueError for a side under four pixels or a gain that would overflow.
        """
        gains = strength.gains
        if min(drawn.shape) < _CELL or not 0 <= gains.min() <= gains.max() <= 127:
            raise ValueError(f"no imprint on {drawn.shape} with gains up to {gains.max()}")
        height, width = drawn.shape
        self.pattern = np.clip(np.rint(drawn * UNIT), -127, 127).astype(np.int8)
        self._strength = strength
        self._side = _CELL * _step(height, width)
        self._row_of = np.minimum(np.arange(height) // self._side, height // self._side - 1)
        self._spread = np.empty((height // self._side, width), np.int8)
        self._band = max(_BAND_PIXELS // width, 1)
        self._change = np.empty((self._band, width), np.int8)
        self._luma = np.empty((self._band, width), np.uint8)

    def add(self, y: NDArray[np.uint8], sign: int) -> None:
        """Add the pattern times `sign`, 1 or -1, to luma, uint8 [height, width]; rows may be strided."""
        self._spread_gains(np.asarray(sign * self._gains_of(y), np.int8))
        for top in range(0, len(y), self._band):
            rows = y[top : top + self._band]
            change, luma = self._change[: len(rows)], self._luma[: len(rows)]
            np.take(self._spread, self._row_of[top : top + self._band], axis=0, out=change, mode="clip")
            # Whole bytes and a power of two: exact in the single precision that this works in.
            cv2.multiply(change, self.pattern[top : top + self._band], dst=change, scale=1 / UNIT**2)
            add_signed(rows, change, luma)

    def _gains_of(self, y: NDArray[np.uint8]) -> NDArray[np.int8]:
        busy, strength = busyness(y), self._strength
        grid = strength.gains[busy]
        places = grid.size**0.5
        told = strength.enough * places / max(cv2.norm(strength.tells[busy]), 1)
        share = min(max(told, strength.least), strength.most * places / max(cv2.norm(grid), 1))
        return grid if share >= 1 else np.rint(grid * share).astype(np.int8)

    def _spread_gains(self, grid: NDArray[np.int8]) -> None:
        """Give every column its cell's gain; columns after the last whole cell get that one's."""
        whole = grid.shape[1] * self._side
        cv2.resize(grid, (whole, len(grid)), dst=self._spread[:, :whole], interpolation=cv2.INTER_NEAREST)
        self._spread[:, whole:] = self._spread[:, whole - 1 : whole]


def busyness(y: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean detail around each place of luma, uint8 [h, w], in eighths of a grey level, up to 32 levels.

    The grid has about 90 cells down. Each cell has the smallest value of its neighbours: beside a lone edge the flat
    side decides. Rows and columns after the last whole cell are not looked at. No side may be under four pixels.
    """
    step = _step(*y.shape)
    rows, columns = (side // (_CELL * step) * _CELL for side in y.shape)
    small = y[: rows * step, : columns * step]
    if step > 1:
        small = _shrunk(small, rows, columns)
    difference = cv2.absdiff(small, cv2.blur(small, (5, 5)))
    detail = np.asarray(cv2.convertScaleAbs(difference, alpha=DETAIL_UNIT), np.uint8)
    # Halving twice is some three times as fast as dividing by four.
    cells = _shrunk(_shrunk(detail, rows // 2, columns // 2), rows // _CELL, columns // _CELL)
    return np.asarray(cv2.erode(cells, np.ones((3, 3), np.uint8)), np.uint8)


def _shrunk(picture: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


def _step(height: int, width: int) -> int:
    return max(round(min(height, width) / _LINES), 1)
