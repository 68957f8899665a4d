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
#: The first wave is odd: it changes its sign when the picture is mirrored.
_SIGNS: Final = np.where(np.arange(_WAVES) % 2 == 0, -1, 1).astype(np.float32)
_MIRRORS: Final = (
    np.ones((_WAVES, _WAVES), np.float32),
    np.tile(_SIGNS, (_WAVES, 1)),
    np.tile(_SIGNS[:, None], (1, _WAVES)),
    np.outer(_SIGNS, _SIGNS),
)


def pdq(grey: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], int]:
    """Return the 256 bits (bool, the highest coefficient first) and the quality (0-100) of a grey uint8 [h, w]."""
    points = _points(grey)
    return _above_median(_waves(points)), _quality(points)


def orientations(grey: NDArray[np.uint8]) -> tuple[NDArray[np.bool_], int]:
    """Return the hashes (bool [8, 256]) of a grey uint8 [h, w] in its eight orientations, and its quality (0-100).

    In order: as it is, its left and right exchanged, top and bottom, both; then the same of the transposed picture.
    The paper's "dihedral" hashes: mirroring turns the sign of every other wave and transposing transposes the waves,
    exactly so for the 64 x 64 points.
    """
    points = _points(grey)
    waves = _waves(points)
    turned = (each * signs for each in (waves, waves.T) for signs in _MIRRORS)
    return np.stack([_above_median(each) for each in turned]), _quality(points)


def _points(grey: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = grey.shape
    smooth = grey.astype(np.float32)
    for _ in range(2):
        smooth = _box(smooth.T, -(-height // _REACH)).T
        smooth = _box(smooth, -(-width // _REACH))
    return smooth[np.ix_(_places(height), _places(width))]


def _waves(points: NDArray[np.float32]) -> NDArray[np.float32]:
    waves: NDArray[np.float32] = (_COSINES @ points) @ _COSINES.T
    return waves


def _above_median(waves: NDArray[np.float32]) -> NDArray[np.bool_]:
    flat = waves.ravel()
    median = np.sort(flat)[flat.size // 2 - 1]
    bits: NDArray[np.bool_] = (flat > median)[::-1]
    return bits


def _places(length: int) -> NDArray[np.intp]:
    return ((np.arange(_POINTS) + 0.5) * length / _POINTS).astype(np.intp)


def _box(rows: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """The mean over a window along the first axis; at the edges, of what lies inside."""
    if window == 1:
        return rows
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
