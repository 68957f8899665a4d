"""Frames made ready for the mark's readers: what the picture shows taken away, what repeats folded. Knows no key."""

from typing import Any, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.spreading import CHIP_PX

#: Pixels over which the picture's own power is taken, and the noise power of a flat area.
_NEIGHBOURHOOD = 9
_CODING_NOISE = 0.3

#: A sum of whitened frames, float32 or (summed with complex weights) complex64 [h, w].
Sheet: TypeAlias = NDArray[np.inexact[Any]]
Number = TypeVar("Number", bound=np.inexact[Any])


def scaled(luma: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the picture in another size (width, height)."""
    how = cv2.INTER_AREA if size[0] < luma.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma, size, interpolation=how), np.uint8)


def whiten(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take away what the picture shows, and weigh each place by how little of the rest is picture (1 / power)."""
    rest = picture - cv2.GaussianBlur(picture, (0, 0), 0.9 * CHIP_PX)
    power = cv2.boxFilter(rest * rest, -1, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
    return np.clip(rest / (power + _CODING_NOISE), -2, 2).astype(np.float32)


def level(sheet: NDArray[Number]) -> NDArray[Number]:
    """Remove row and column means: borders of letterboxes and captions repeat along them."""
    flat = sheet - sheet.mean(axis=1, keepdims=True)
    levelled: NDArray[Number] = (flat - flat.mean(axis=0, keepdims=True)).astype(sheet.dtype)
    return levelled


def fold(sheet: NDArray[np.float32], n: int) -> NDArray[np.float32]:
    """Sum a sheet [h, w] over every square of side n."""
    height, width = sheet.shape
    padded = np.zeros((-(-height // n) * n, -(-width // n) * n), np.float32)
    padded[:height, :width] = sheet
    return np.asarray(padded.reshape(padded.shape[0] // n, n, -1, n).sum(axis=(0, 2)), np.float32)
