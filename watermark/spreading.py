"""The tile: where each payload bit and the sync lie among keyed chips, and how chips become luma. Holds no frames."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.keystream import Keystream
from watermark.payload import CODED_BITS

#: Milliseconds a polarity lasts.
PERIOD_MS = 1000
#: Detector pixels per chip: the pattern is band-limited to half a cycle per chip, so two samples are enough.
CHIP_PX = 2
_FINE_PX = 8
#: Share of the chips that carry the sync: enough to be found wherever the payload can still be decoded.
_SYNC_SHARE = 0.22
_POLARITIES = 4096


@dataclass(frozen=True, slots=True)
class Grade:
    """A geometry relative to the short side, so that a uniform rescale changes nothing."""

    name: str
    #: Chips along one side of the repeating square tile.
    chips: int
    #: Chips along the short side of the frame.
    per_short_side: int

    @property
    def tile_px(self) -> int:
        return self.chips * CHIP_PX


FINE = Grade("fine", 40, 90)
MEDIUM = Grade("medium", 32, 60)
COARSE = Grade("coarse", 24, 45)
GRADES = (FINE, MEDIUM, COARSE)


def grade_for(width: int, height: int) -> Grade:
    """Choose the geometry: below about five pixels chips die in the next encoder, so small frames get fewer."""
    short = min(width, height)
    if short >= 560:
        return FINE
    return MEDIUM if short >= 280 else COARSE


@dataclass(frozen=True, slots=True, eq=False)
class ChipPlan:
    """The keyed layout of one tile: flat chip positions and their signs."""

    grade: Grade
    sync_at: NDArray[np.intp]
    sync_signs: NDArray[np.int8]
    data_at: NDArray[np.intp]
    data_signs: NDArray[np.int8]
    #: Which coded bit each data chip carries; every bit has the same number of chips, give or take one.
    data_bit: NDArray[np.intp]


@lru_cache(maxsize=64)
def chip_plan(key: bytes, grade: Grade) -> ChipPlan:
    """Derive the layout of a tile from the deployment's key."""
    total = grade.chips**2
    stream = Keystream(key, f"chips/1/{grade.name}")
    order, signs = stream.order(total), stream.signs(total)
    cut = round(total * _SYNC_SHARE)
    data_bit = np.arange(total - cut) % CODED_BITS
    return ChipPlan(grade, order[:cut], signs[:cut], order[cut:], signs[cut:], data_bit)


@lru_cache(maxsize=64)
def _polarity_signs(key: bytes) -> NDArray[np.int8]:
    return Keystream(key, "polarity/1").signs(_POLARITIES)


def polarities(key: bytes, times_ms: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the sign of the pattern at each time: keyed pairs (+, -) or (-, +), so a static picture cancels out."""
    periods = np.maximum(times_ms, 0) // PERIOD_MS
    return np.asarray(_polarity_signs(key)[(periods // 2) % _POLARITIES] * (1 - 2 * (periods % 2)), np.int8)


def tile_chips(plan: ChipPlan, coded: NDArray[np.int8] | None) -> NDArray[np.float32]:
    """Return the chips of one tile [n, n]: the sync, and the payload's coded bits when given."""
    chips = np.zeros(plan.grade.chips**2, np.float32)
    chips[plan.sync_at] = plan.sync_signs
    if coded is not None:
        chips[plan.data_at] = plan.data_signs * (2 * coded[plan.data_bit] - 1)
    return chips.reshape(plan.grade.chips, plan.grade.chips)


def shape(chips: NDArray[np.float32], px: int) -> NDArray[np.float32]:
    """Draw a periodic tile at `px` pixels per chip: band-limited, with the lowest frequencies held back.

    What is held back is what shows most on flat areas and what the picture itself drowns.
    """
    n = len(chips)
    frequency = np.fft.fftfreq(n) * n
    radius = np.hypot(frequency[:, None], frequency[None]) / (n / 2)
    spectrum = np.fft.fft2(chips) * (1 - np.exp(-((radius / 0.35) ** 2))) * np.exp(-0.3 * radius**4)
    wide = np.zeros((n * px, n * px), np.complex128)
    at = np.r_[0 : n // 2, n * px - n // 2 : n * px]
    wide[np.ix_(at, at)] = spectrum
    return np.asarray(np.fft.ifft2(wide).real * px * px, np.float32)


def pattern(plan: ChipPlan, coded: NDArray[np.int8], width: int, height: int) -> NDArray[np.float32]:
    """Return the pattern of a whole frame, float32 [height, width], of unit deviation."""
    tile = shape(tile_chips(plan, coded), _FINE_PX)
    tile /= tile.std()
    period = tile.shape[0]
    scale = _FINE_PX * plan.grade.per_short_side / min(width, height)
    # A detector pixel's centre lies a quarter of a chip after the chip it samples: put the chips there.
    offset = _FINE_PX / (2 * CHIP_PX)
    xs = (((np.arange(width) + 0.5) * scale - offset) % period).astype(np.float32)
    ys = (((np.arange(height) + 0.5) * scale - offset) % period).astype(np.float32)
    rows = np.empty((height, width), np.float32)
    wrapped = np.pad(tile, ((0, 1), (0, 1)), mode="wrap")
    for top in range(0, height, 64):  # in bands, so that a large frame needs no large maps
        band = ys[top : top + 64]
        map_x = np.ascontiguousarray(np.broadcast_to(xs, (len(band), width)))
        map_y = np.ascontiguousarray(np.broadcast_to(band[:, None], (len(band), width)))
        rows[top : top + 64] = cv2.remap(wrapped, map_x, map_y, cv2.INTER_LINEAR)
    return rows
