"""What an additional layer adds to frames: kept small on disk, enlarged and added in YUV. Knows no layer and no key."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.probing import ColourTags
from watermark.saturation import add_signed

#: Residuals are kept in whole eighths of a grey level, up to 15.875.
UNIT: Final = 8
_MOST: Final = 127
#: Weights of red and blue in luma, by the matrix coefficients of ITU-T H.273.
_MATRICES: Final = {
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
_BT709: Final = (0.2126, 0.0722)
_UNSPECIFIED: Final = 2

#: The residual that goes with a frame, int8 [side, side, 3] of BGR in eighths of a grey level.
Drawn = Callable[[Planes], NDArray[np.int8]]


def packed(residuals: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return residuals in grey levels as whole eighths. Raises ValueError for what is not finite."""
    if not np.isfinite(residuals).all():
        raise ValueError("a residual is not finite")
    return np.clip(np.rint(residuals * UNIT), -_MOST, _MOST).astype(np.int8)


def stored(path: Path, *, side: int, every: int) -> Drawn:
    """Look residuals up in a file of them, one after the other, read as they are needed.

    Raises ValueError, there or when called, where the file has none for a frame.
    """
    kept = np.memmap(path, np.int8, "r")
    if kept.size == 0 or kept.size % (side * side * 3):
        raise ValueError("a file of residuals is not whole")
    pictures = kept.reshape(-1, side, side, 3)

    def drawn(planes: Planes) -> NDArray[np.int8]:
        number = planes.index // every
        if number >= len(pictures):
            raise ValueError(f"there is no residual for frame {planes.index}")
        return np.asarray(pictures[number])

    return drawn


class ResidualMarker:
    """Adds residuals to frames of one size, in place: a new one with every `every`-th frame, kept on in between."""

    def __init__(self, drawn: Drawn, every: int, colour: ColourTags, width: int, height: int) -> None:
        self._drawn, self._every, self._size = drawn, every, (width, height)
        self._turned = yuv_of_bgr(colour, width, height) / UNIT
        self._changes: list[NDArray[np.int8]] = []

    def mark(self, planes: Planes) -> None:
        """Add the residual to all three planes."""
        if not self._changes or planes.index % self._every == 0:
            self._changes = self._enlarged(self._drawn(planes))
        for plane, change in zip((planes.y, planes.u, planes.v), self._changes, strict=True):
            add_signed(plane, change)

    def _enlarged(self, residual: NDArray[np.int8]) -> list[NDArray[np.int8]]:
        width, height = self._size
        sizes = (width, height), (-(-width // 2), -(-height // 2)), (-(-width // 2), -(-height // 2))
        planes = cv2.split((residual.astype(np.float32) @ self._turned.T).astype(np.float32))
        large = (
            cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane, size in zip(planes, sizes, strict=True)
        )
        return [np.clip(np.rint(plane), -_MOST, _MOST).astype(np.int8) for plane in large]


def yuv_of_bgr(colour: ColourTags, width: int, height: int) -> NDArray[np.float32]:
    """Return how a small change of (B, G, R), full range, moves (Y, U, V): float32 [3, 3].

    A matrix that is not stated is BT.709 in high definition and BT.601 below, as when frames become pictures.
    """
    matrix = colour.matrix
    if matrix == _UNSPECIFIED:
        matrix = 1 if height >= 720 or width >= 1280 else 6
    red, blue = _MATRICES.get(matrix, _BT709)
    luma = np.array([blue, 1 - red - blue, red])
    u = (np.array([1, 0, 0]) - luma) / (2 * (1 - blue))
    v = (np.array([0, 0, 1]) - luma) / (2 * (1 - red))
    scale = (1, 1, 1) if colour.full_range else (219 / 255, 224 / 255, 224 / 255)
    return np.asarray(np.stack([luma, u, v]) * np.array(scale)[:, None], np.float32)
