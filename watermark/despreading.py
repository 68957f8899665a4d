"""From frames back to soft payload bits: fold into one tile, find the field. Decodes nothing, keeps no frame."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from watermark.alignment import Heard, Place, heard_in, places, sequences
from watermark.geometry import Geometry
from watermark.patience import Over, never
from watermark.payload import CODED_BITS
from watermark.spreading import CHIP_PX, GRADES, ChipPlan, Grade, chip_plan, shape
from watermark.whitening import fold, level, scaled, whiten

Tile: TypeAlias = NDArray[np.float32]
Side: TypeAlias = Literal["short", "long"]

#: Milliseconds folded into one tile: short, so that a trimmed copy has few windows of mixed polarity and a key frame
#: is not diluted by what follows it.
WINDOW_MS = 125
#: Frames closer than this carry nearly the same coding noise: reading them all costs time and adds nothing.
_STEP_MS = 40
#: Of a very long and narrow frame only this many short sides are read, so that a hostile one costs no more.
_WIDEST = 8
#: Windows kept: 16 s, so memory is constant and an old part of a long video cannot drown a later one.
_KEPT = 128
#: Candidates less likely than this to be chance are worth decoding.
WORTH_DECODING = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A geometry under which the waves seem present, and what the payload's bits look like there."""

    key_version: int
    #: For people.
    view: str
    geometry: Geometry
    #: Upper bound of the probability that pictures without our mark show waves this strong here.
    chance: float
    #: float32 [..., 304], positive means 1: the bits as they are read under each of several suppositions.
    llr: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """A way of laying tiles over a frame."""

    grade: Grade
    #: The side of this copy that was the short side of the original: "long" after a crop across, as 16:9 to 9:16.
    side: Side
    mirrored: bool

    def __str__(self) -> str:
        return f"{self.grade.name}/{self.side}{'/mirrored' if self.mirrored else ''}"


_SIDES: tuple[Side, ...] = ("short", "long")
#: The finest and largest picture first: the others are made from it.
VIEWS = tuple(View(*each) for each in product(GRADES, _SIDES, (False, True)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """What is kept of an eighth of a second: per unmirrored view one tile and its sheet's width, and what is heard."""

    time_ms: int
    tiles: dict[View, tuple[NDArray[np.float16], int]]
    heard: dict[tuple[View, int], Heard]


class AlignedTier:
    """Reads copies at any uniform scale, mirrored or not, and cropped along one side by any amount.

    Memory is constant: the current window's sheets and the tiles of the last 16 s.
    """

    name = "aligned"

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)
        self._windows: deque[_Window] = deque(maxlen=_KEPT)
        self._sheets: dict[View, Tile] = {}
        self._shown: dict[tuple[View, int, int, int], float] = {}
        self._size = (1, 1)
        self._opened_ms = 0
        self._next_ms = 0

    def watch(self, time_ms: int, luma: NDArray[np.uint8]) -> bool:
        """Take in a frame, uint8 [h, w]; return True when it closed a window."""
        closed = bool(self._sheets) and time_ms >= self._opened_ms + WINDOW_MS
        if closed:
            self.close()
        if not self._sheets or time_ms >= self._next_ms:
            self._add(time_ms, luma)
        return closed

    def close(self) -> None:
        """End the current window, however short."""
        if not self._sheets:
            return
        tiles, heard = {}, {}
        for view, sheet in self._sheets.items():
            field, width = fold(level(sheet), view.grade.field_px), sheet.shape[1]
            spectrum = np.fft.rfft2(field).astype(np.complex64)
            tiles[view] = fold(field, view.grade.tile_px).astype(np.float16), width
            for version, key in self._keys.items():
                plan = chip_plan(key, view.grade)
                heard[view, version] = heard_in(spectrum, plan)
                heard[replace(view, mirrored=True), version] = heard_in(spectrum, plan, width)
        self._windows.append(_Window(time_ms=self._opened_ms + WINDOW_MS // 2, tiles=tiles, heard=heard))
        self._sheets = {}

    def candidates(self, over: Over = never) -> Iterator[Candidate]:
        """Yield what is worth decoding in the windows closed so far, one key and view at a time."""
        if not self._windows:
            return
        polarity = sequences(np.array([window.time_ms for window in self._windows]))
        for version, view in product(self._keys, VIEWS):
            if over():
                return
            heard = np.stack([window.heard[view, version] for window in self._windows])
            for place in places(heard, polarity, chip_plan(self._keys[version], view.grade)):
                if self._is_worth_decoding(view, version, place):
                    yield self._candidate(view, version, place)

    def _is_worth_decoding(self, view: View, version: int, place: Place) -> bool:
        """Whether the waves show at a place, or did so earlier: a strong key frame counts on when weak ones follow."""
        here = (view, version, place.row, place.column)
        chance = min(place.chance, self._shown.get(here, 1.0))
        if chance <= WORTH_DECODING:
            self._shown[here] = chance
            return True
        return False

    def _candidate(self, view: View, version: int, place: Place) -> Candidate:
        n = view.grade.tile_px
        tile = np.zeros((n, n), np.float32)
        for weight, window in zip(place.weights, self._windows, strict=True):
            seen, width = window.tiles[replace(view, mirrored=False)]
            tile += weight * (seen[:, (width - 1 - np.arange(n)) % n] if view.mirrored else seen)
        return Candidate(
            key_version=version,
            view=f"{view}+{place.column}+{place.row}",
            geometry=self._geometry(view, place),
            chance=self._shown[view, version, place.row, place.column],
            llr=soft_bits(tile, chip_plan(self._keys[version], view.grade), place.row, place.column),
        )

    def _geometry(self, view: View, place: Place) -> Geometry:
        width, height = self._size
        across, down = _working_size(width, height, view)
        short = view.grade.per_short_side * CHIP_PX
        x, y = across / width / short, down / height / short
        matrix = np.array([[x, 0, -place.column / short], [0, y, -place.row / short]])
        if view.mirrored:
            matrix[0] = -x, 0, (across - place.column) / short
        return Geometry.of(matrix, width, height, view.grade.field)

    def _add(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        if not self._sheets:
            self._opened_ms = time_ms
        self._next_ms = time_ms + _STEP_MS
        longest = _WIDEST * min(luma.shape)
        luma = luma[:longest, :longest]
        self._size = luma.shape[1], luma.shape[0]
        for view, picture in working_pictures(luma):
            white = whiten(picture)
            sheet = self._sheets.get(view)
            # A stream may change its size: what was summed before is worth less than what comes.
            self._sheets[view] = white if sheet is None or sheet.shape != white.shape else sheet + white


def working_pictures(luma: NDArray[np.uint8]) -> Iterator[tuple[View, NDArray[np.float32]]]:
    """Scale luma, uint8 [h, w], to two pixels per chip for every unmirrored view."""
    finest: NDArray[np.uint8] | None = None
    for view in VIEWS:
        if not view.mirrored:
            size = _working_size(luma.shape[1], luma.shape[0], view)
            picture = scaled(luma if finest is None else finest, size)
            finest = picture if finest is None else finest
            yield view, picture.astype(np.float32)


def _working_size(width: int, height: int, view: View) -> tuple[int, int]:
    side = min(height, width) if view.side == "short" else max(height, width)
    scale = view.grade.per_short_side * CHIP_PX / side
    return max(round(width * scale), 1), max(round(height * scale), 1)


@lru_cache(maxsize=16)
def _pulse_spectrum(grade: Grade) -> NDArray[np.complex64]:
    chip = np.zeros((grade.chips, grade.chips), np.float32)
    chip[0, 0] = 1
    return np.conj(np.fft.rfft2(shape(chip, CHIP_PX))).astype(np.complex64)


def _levelled_spectrum(tile: Tile) -> NDArray[np.complex64]:
    """Whiten a tile by frequency band and cut down lines: what a regular picture (bricks, squares) leaves."""
    spectrum = np.fft.rfft2(tile - tile.mean())
    bands = _bands(tile.shape[0])
    size = np.abs(spectrum)
    power = np.bincount(bands.reshape(-1), np.square(size).reshape(-1)) / np.bincount(bands.reshape(-1))
    usual = np.sqrt(power[bands]) + 1e-9
    return np.asarray(spectrum * np.minimum(1, 2.5 * usual / (size + 1e-9)) / usual, np.complex64)


@lru_cache(maxsize=8)
def _bands(n: int) -> NDArray[np.intp]:
    down, across = np.fft.fftfreq(n) * n, np.fft.rfftfreq(n) * n
    return np.asarray(np.minimum(np.hypot(down[:, None], across[None]) / 2, n // 4), np.intp)


def soft_bits(tile: Tile, plan: ChipPlan, row: int, column: int) -> NDArray[np.float32]:
    """Despread a folded tile whose origin lies at (row, column) into float32 [2, 304] of unit deviation.

    Once as if every frequency had come through alike, and once as if the encoder had kept the lower ones only.
    """
    spectrum = _levelled_spectrum(np.roll(tile, (-row, -column), (0, 1))) * _pulse_spectrum(plan.grade)
    return np.stack([_despread(spectrum * fade, plan) for fade in (1, _faded(len(tile)))])


def _despread(spectrum: NDArray[np.complex64], plan: ChipPlan) -> NDArray[np.float32]:
    n = plan.grade.tile_px
    chips = np.fft.irfft2(spectrum, (n, n))[::CHIP_PX, ::CHIP_PX].reshape(-1)
    llr = np.bincount(plan.bit, weights=chips * plan.signs, minlength=CODED_BITS)
    return np.asarray(llr / (llr.std() + 1e-9), np.float32)


@lru_cache(maxsize=8)
def _faded(n: int) -> NDArray[np.float32]:
    """How much is left of each frequency of a tile after hard encoding, at half a cycle per chip about a fifth."""
    down, across = np.fft.fftfreq(n) * n, np.fft.rfftfreq(n) * n
    radius = np.hypot(down[:, None], across[None]) * (2 * CHIP_PX / n)
    return np.asarray(np.exp(-1.5 * radius**2), np.float32)
