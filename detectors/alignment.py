"""Turn and scale a face so that eyes, nose and mouth fall where the networks expect them. Detects nothing itself."""

from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

#: Where the five points (right eye, left eye, nose tip, right and left mouth corner; "right" is the subject's) fall
#: in dlib's 150-pixel chip with padding 0.25. Measured: mean position of YuNet's points in chips cut by dlib itself.
TEMPLATE_150: Final = np.array([[46.0, 45.3], [101.6, 45.5], [73.9, 77.4], [49.9, 100.1], [99.5, 100.3]])
_TEMPLATE_SIZE: Final = 150
_TEMPLATE_PADDING: Final = 0.25
#: A face larger than the chip by more than this is shrunk by area first: bilinear sampling alone would alias.
_SHRINK_ABOVE: Final = 1.25


def template(size: int, padding: float) -> NDArray[np.float64]:
    """Return the five points in a chip of `size` pixels with `padding` on each side as a share of the face: [5, 2]."""
    unpadded = TEMPLATE_150 / _TEMPLATE_SIZE * (1 + 2 * _TEMPLATE_PADDING) - _TEMPLATE_PADDING
    return (unpadded + padding) / (1 + 2 * padding) * size


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the [2, 3] rotation, scale and shift that maps `source` onto `target` ([n, 2]) with the least squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns" (1991).
    Raises ValueError when the source points coincide.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    spread = float(((source - source_mean) ** 2).sum(axis=1).mean())
    if not np.isfinite(spread) or spread < 1e-9:
        raise ValueError("the points coincide: no transformation follows from them")
    covariance = (target - target_mean).T @ (source - source_mean) / len(source)
    left, singular, right = np.linalg.svd(covariance)
    signs = np.array([1.0, -1.0 if np.linalg.det(left) * np.linalg.det(right) < 0 else 1.0])
    rotation = left @ np.diag(signs) @ right
    scale = float((singular * signs).sum()) / spread
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * rotation
    matrix[:, 2] = target_mean - scale * rotation @ source_mean
    return matrix


def align_face(pixels: NDArray[np.uint8], points: NDArray[np.float32], size: int, padding: float) -> NDArray[np.uint8]:
    """Cut an upright chip, uint8 [size, size, 3], out of `pixels` (uint8 [height, width, 3]); BGR in, BGR out.

    `points` is [5, 2] in pixels, right eye first. What lies outside the picture is black, as dlib fills it.
    Raises ValueError when the points coincide.
    """
    matrix = similarity(points.astype(np.float64), template(size, padding))
    pixels, matrix = _shrink(pixels, matrix, size)
    return cast("NDArray[np.uint8]", cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR))


def _shrink(
    pixels: NDArray[np.uint8], matrix: NDArray[np.float64], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Crop to what the chip covers and shrink it by area to about chip scale; the matrix follows."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale * _SHRINK_ABOVE >= 1:
        return pixels, matrix
    left, top, right, bottom = _covered(matrix, size, pixels.shape[1], pixels.shape[0])
    if right <= left or bottom <= top:
        return pixels, matrix
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = cv2.resize(pixels[top:bottom, left:right], (width, height), interpolation=cv2.INTER_AREA)
    stretch = np.array([(right - left) / width, (bottom - top) / height])
    # Pixel centres sit at half-integers: x_full = (x_small + 0.5) * stretch - 0.5 + left.
    shift = 0.5 * stretch - 0.5 + np.array([left, top])
    moved = matrix.copy()
    moved[:, :2] = matrix[:, :2] * stretch
    moved[:, 2] = matrix[:, 2] + matrix[:, :2] @ shift
    return cast("NDArray[np.uint8]", small), moved


def _covered(matrix: NDArray[np.float64], size: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the picture's part under the chip, with a margin for the filter."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=np.float64)
    spots = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    margin = 2 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    low = np.clip(np.floor(spots.min(axis=0) - margin), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(spots.max(axis=0) + margin), 0, [width, height]).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
