"""PDQ, the perceptual hash: 256 bits of a grey picture and how much there was to tell. Knows no files and no frames.

After Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm" (2019) and its reference
code: two passes of a box filter, 64 x 64 points, 16 x 16 cosine coefficients against their median.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

_POINTS: Final = 64
_WAVES: Final = 16
_REACH: Final = 128
_COSINES: Final = (
    np.sqrt(2 / _POINTS) * np.cos(np.pi / 2 / _POINTS * np.outer(np.arange(1, _WAVES + 1), 2 * np.arange(_POINTS) + 1))
).astype(np.float32)


def pdq(grey: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], int]:
    """Return the 256 bits (bool, the highest coefficient first) and the quality (0-100) of a grey uint8 [h, w]."""
    height, width = grey.shape
    smooth = grey.astype(np.float32)
    for _ in range(2):
        smooth = _box(smooth.T, -(-height // _REACH)).T
        smooth = _box(smooth, -(-width // _REACH))
    points = smooth[np.ix_(_places(height), _places(width))]
    waves = ((_COSINES @ points) @ _COSINES.T).ravel()
    median = np.sort(waves)[waves.size // 2 - 1]
    return (waves > median)[::-1], _quality(points)


def _places(length: int) -> NDArray[np.intp]:
    return ((np.arange(_POINTS) + 0.5) * length / _POINTS).astype(np.intp)


def _box(rows: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """The mean over a window along the first axis; at the edges, of what lies inside."""
    count, ahead = len(rows), (window + 2) // 2
    sums = np.vstack([np.zeros((1, rows.shape[1])), np.cumsum(rows.astype(np.float64), axis=0)])
    place = np.arange(count)
    first, last = np.maximum(place - (window - ahead), 0), np.minimum(place + ahead, count)
    means: NDArray[np.float32] = ((sums[last] - sums[first]) / (last - first)[:, None]).astype(np.float32)
    return means


def _quality(points: NDArray[np.float32]) -> int:
    """How much the points differ from their neighbours: the reference's measure, cut at 100."""
    steps = (np.trunc(np.diff(points, axis=axis) * np.float32(100) / np.float32(255)) for axis in (0, 1))
    return min(100, sum(int(np.abs(step).sum()) for step in steps) // 90)
