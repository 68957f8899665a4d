"""The pattern: where payload bits lie among keyed chips, the keyed waves that tell its geometry. Holds no frames."""

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
#: Tiles along one side of the field, after which the waves repeat: as wide as a frame of 16:9, so that a found shift
#: says which part of the original a copy shows.
FIELD_TILES = 4
#: Few waves, so that each stands out of a spectrum whose phases tell nothing yet; enough that one place is unlike all.
WAVES = 24
#: Share of the pattern's power that the waves get.
_WAVES_SHARE = 0.27
#: The waves' lengths, as a share of the highest frequency (half a cycle per chip): below, pictures drown them; above,
#: small copies lose them.
_BAND = (0.32, 0.80)
#: Waves keep clear of the axes, where borders and captions have their power, and of each other, in cycles per field.
_OFF_AXIS = 5
_APART = 5


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

    @property
    def field_px(self) -> int:
        return self.tile_px * FIELD_TILES

    @property
    def field(self) -> float:
        """The field's side in short sides of the frame."""
        return self.chips * FIELD_TILES / self.per_short_side


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
    """The keyed layout of the pattern: each chip's sign and coded bit, and the waves of the field."""

    grade: Grade
    signs: NDArray[np.int8]
    #: Which coded bit each chip carries; every bit has the same number of chips, give or take one.
    bit: NDArray[np.intp]
    #: int [WAVES, 2], longest first: cycles down and across the field. None is a frequency of the tile's, so chips
    #: leave them clear.
    waves: NDArray[np.intp]
    #: complex64 [WAVES], of size 1: each wave's phase at the field's corner.
    phases: NDArray[np.complex64]


@lru_cache(maxsize=64)
def chip_plan(key: bytes, grade: Grade) -> ChipPlan:
    """Derive the layout of a pattern from the deployment's key."""
    total = grade.chips**2
    stream = Keystream(key, f"chips/2/{grade.name}")
    bit = np.empty(total, np.intp)
    bit[stream.order(total)] = np.arange(total) % CODED_BITS
    waves = _waves(Keystream(key, f"waves/1/{grade.name}"), grade)
    turns = Keystream(key, f"phases/1/{grade.name}").fractions(WAVES)
    return ChipPlan(grade, stream.signs(total), bit, waves, np.exp(2j * np.pi * turns).astype(np.complex64))


def _waves(stream: Keystream, grade: Grade) -> NDArray[np.intp]:
    """Choose frequencies by key, in one half of the plane (the other half is their mirror through the origin)."""
    highest = grade.chips * FIELD_TILES // 2
    side = np.arange(-highest, highest + 1)
    down, across = (axis.reshape(-1) for axis in np.meshgrid(side[side > 0], side, indexing="ij"))
    radius = np.hypot(down, across) / highest
    free = (radius >= _BAND[0]) & (radius <= _BAND[1]) & (down >= _OFF_AXIS) & (np.abs(across) >= _OFF_AXIS)
    free &= (down % FIELD_TILES != 0) & (across % FIELD_TILES != 0)
    among = np.stack([down, across], axis=1)[free]
    chosen: list[NDArray[np.intp]] = []
    for candidate in among[stream.order(len(among))]:
        if all(np.hypot(*(candidate - one)) >= _APART for one in chosen):
            chosen.append(candidate)
            if len(chosen) == WAVES:
                break
    return np.array(sorted(chosen, key=lambda one: float(np.hypot(*one))))


def polarities(times_ms: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the sign of the pattern at each time: it alternates, so a static picture cancels out.

    Alternation has one frequency: a reader finds it at any start and any speed.
    """
    return np.asarray(1 - 2 * (np.maximum(times_ms, 0) // PERIOD_MS % 2), np.int8)


def tile_chips(plan: ChipPlan, coded: NDArray[np.int8]) -> NDArray[np.float32]:
    """Return the chips of one tile [n, n] that carry a payload's coded bits."""
    chips = plan.signs * (2 * coded[plan.bit] - 1)
    return chips.astype(np.float32).reshape(plan.grade.chips, plan.grade.chips)


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
    tile *= np.sqrt(1 - _WAVES_SHARE) / tile.std()
    period = tile.shape[0]
    chips = plan.grade.per_short_side / min(width, height)
    across, down = ((np.arange(n, dtype=np.float64) + 0.5) * chips for n in (width, height))
    # A detector pixel's centre lies a quarter of a chip after the chip it samples: put the chips there.
    offset = 1 / (2 * CHIP_PX)
    xs = ((across - offset) * _FINE_PX % period).astype(np.float32)
    ys = ((down - offset) * _FINE_PX % period).astype(np.float32)
    rows = np.empty((height, width), np.float32)
    wrapped = np.pad(tile, ((0, 1), (0, 1)), mode="wrap")
    for top in range(0, height, 64):  # in bands, so that a large frame needs no large maps
        band = ys[top : top + 64]
        map_x = np.ascontiguousarray(np.broadcast_to(xs, (len(band), width)))
        map_y = np.ascontiguousarray(np.broadcast_to(band[:, None], (len(band), width)))
        rows[top : top + 64] = cv2.remap(wrapped, map_x, map_y, cv2.INTER_LINEAR)
        rows[top : top + 64] += np.sqrt(2 * _WAVES_SHARE / WAVES) * _surge(plan, down[top : top + 64], across)
    return rows


def _surge(plan: ChipPlan, down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float32]:
    """The sum of the waves, each of amplitude 1, where rows and columns lie `down` and `across` (in chips)."""
    turn = 2j * np.pi / (plan.grade.chips * FIELD_TILES)
    rows = (np.exp(turn * np.outer(down, plan.waves[:, 0])) * plan.phases).astype(np.complex64)
    columns = np.exp(turn * np.outer(plan.waves[:, 1], across)).astype(np.complex64)
    return np.asarray(rows.real @ columns.real - rows.imag @ columns.imag, np.float32)
