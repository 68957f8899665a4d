"""From frames back to soft payload bits: whiten, fold into one tile, find the sync. Decodes nothing, keeps no frame."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.alignment import Place, places
from watermark.payload import CODED_BITS
from watermark.spreading import CHIP_PX, GRADES, ChipPlan, Grade, chip_plan, polarities, shape, tile_chips

Tile: TypeAlias = NDArray[np.float32]
Side: TypeAlias = Literal["short", "long"]

#: Milliseconds folded into one tile: short, so that a trimmed copy has few windows of mixed polarity and a key frame
#: is not diluted by what follows it.
WINDOW_MS = 125
#: Frames closer than this carry nearly the same coding noise: reading them all costs time and adds nothing.
_STEP_MS = 40
#: Of a very long and narrow frame only this many short sides are read, so that a hostile one costs no more.
_WIDEST = 8
#: How much may have been cut from the beginning of a copy, in the search for the polarities' clock.
_LATEST_START_MS = 180_000
#: Windows kept: 16 s, so memory is constant and an old part of a long video cannot drown a later one.
_KEPT = 128
#: Candidates less likely than this to be chance are worth decoding.
_WORTH_DECODING = 1e-4


#: Pixels (at two per chip) over which the picture's own power is taken, and the noise power of a flat area.
_NEIGHBOURHOOD = 9
_CODING_NOISE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A geometry under which the sync seems present, and what the payload's bits look like there."""

    key_version: int
    geometry: str
    #: Upper bound of the probability that pictures without our mark show a sync this strong here.
    chance: float
    #: float32 [304], positive means 1.
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
    """What is kept of an eighth of a second: one tile and the sync's correlation with it, per geometry."""

    time_ms: int
    tiles: dict[View, NDArray[np.float16]]
    sync: dict[tuple[View, int], NDArray[np.float16]]


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
        tiles: dict[View, Tile] = {}
        for view, sheet in self._sheets.items():
            level = _level(sheet)
            tiles[view] = fold(level, view.grade)
            tiles[replace(view, mirrored=True)] = fold(level[:, ::-1], view.grade)
        sync = {
            (view, version): _correlate(tile, _sync_spectrum(key, view.grade)).astype(np.float16)
            for view, tile in tiles.items()
            for version, key in self._keys.items()
        }
        kept = {view: tile.astype(np.float16) for view, tile in tiles.items()}
        self._windows.append(_Window(time_ms=self._opened_ms + WINDOW_MS // 2, tiles=kept, sync=sync))
        self._sheets = {}

    def candidates(self) -> Iterator[Candidate]:
        """Yield what is worth decoding in the windows closed so far, one view and key at a time."""
        if not self._windows:
            return
        times = [window.time_ms for window in self._windows]
        for version, key in self._keys.items():
            untrimmed = polarities(key, np.array(times))
            sequences = _possible_polarities(key, times)
            for view in VIEWS:
                sync = np.stack([window.sync[view, version] for window in self._windows], dtype=np.float32)
                for place in places(sync, untrimmed, sequences):
                    if self._is_worth_decoding(view, version, place):
                        yield self._candidate(view, version, place)

    def _is_worth_decoding(self, view: View, version: int, place: Place) -> bool:
        """Whether the sync shows at a place, or did so earlier: a strong key frame counts on when weak ones follow."""
        here = (view, version, place.row, place.column)
        chance = min(place.chance, self._shown.get(here, 1.0))
        if chance <= _WORTH_DECODING:
            self._shown[here] = chance
            return True
        return False

    def _candidate(self, view: View, version: int, place: Place) -> Candidate:
        tile = np.zeros((view.grade.tile_px, view.grade.tile_px), np.float32)
        for weight, window in zip(place.weights, self._windows, strict=True):
            tile += weight * window.tiles[view]
        return Candidate(
            key_version=version,
            geometry=f"{view}+{place.column}+{place.row}",
            chance=self._shown[view, version, place.row, place.column],
            llr=soft_bits(tile, chip_plan(self._keys[version], view.grade), place.row, place.column),
        )

    def _add(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        if not self._sheets:
            self._opened_ms = time_ms
        self._next_ms = time_ms + _STEP_MS
        for view, picture in working_pictures(luma):
            white = whiten(picture)
            sheet = self._sheets.get(view)
            # A stream may change its size: what was summed before is worth less than what comes.
            self._sheets[view] = white if sheet is None or sheet.shape != white.shape else sheet + white


def _possible_polarities(key: bytes, times_ms: list[int]) -> NDArray[np.int8]:
    """The windows' polarities [starts, windows] for every start within the first three minutes, each kind once."""
    starts = np.arange(0, _LATEST_START_MS, WINDOW_MS)
    return np.unique(polarities(key, starts[:, None] + np.array(times_ms)[None]), axis=0)


def working_pictures(luma: NDArray[np.uint8]) -> Iterator[tuple[View, NDArray[np.float32]]]:
    """Scale luma, uint8 [h, w], to two pixels per chip for every unmirrored view."""
    longest = _WIDEST * min(luma.shape)
    luma = luma[:longest, :longest]
    finest: NDArray[np.uint8] | None = None
    for view in VIEWS:
        if not view.mirrored:
            picture = _scaled(luma if finest is None else finest, _working_size(luma, view))
            finest = picture if finest is None else finest
            yield view, picture.astype(np.float32)


def _working_size(luma: NDArray[np.uint8], view: View) -> tuple[int, int]:
    height, width = luma.shape
    side = min(height, width) if view.side == "short" else max(height, width)
    scale = view.grade.per_short_side * CHIP_PX / side
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _scaled(luma: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    how = cv2.INTER_AREA if size[0] < luma.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(luma, size, interpolation=how), np.uint8)


def whiten(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take away what the picture shows, and weigh each place by how little of the rest is picture (1 / power)."""
    rest = picture - cv2.GaussianBlur(picture, (0, 0), 0.9 * CHIP_PX)
    power = cv2.boxFilter(rest * rest, -1, (_NEIGHBOURHOOD, _NEIGHBOURHOOD))
    return np.clip(rest / (power + _CODING_NOISE), -2, 2).astype(np.float32)


def _level(sheet: NDArray[np.float32]) -> NDArray[np.float32]:
    """Remove row and column means: borders of letterboxes and captions repeat along them."""
    flat = sheet - sheet.mean(axis=1, keepdims=True)
    return np.asarray(flat - flat.mean(axis=0, keepdims=True), np.float32)


def fold(sheet: NDArray[np.float32], grade: Grade) -> Tile:
    """Sum a sheet [h, w] over every repetition of the tile."""
    n = grade.tile_px
    height, width = sheet.shape
    padded = np.zeros((-(-height // n) * n, -(-width // n) * n), np.float32)
    padded[:height, :width] = sheet
    return np.asarray(padded.reshape(padded.shape[0] // n, n, -1, n).sum(axis=(0, 2)), np.float32)


@lru_cache(maxsize=64)
def _sync_spectrum(key: bytes, grade: Grade) -> NDArray[np.complex64]:
    template = shape(tile_chips(chip_plan(key, grade), None), CHIP_PX)
    return np.conj(np.fft.rfft2(template)).astype(np.complex64)


@lru_cache(maxsize=8)
def _pulse_spectrum(grade: Grade) -> NDArray[np.complex64]:
    chip = np.zeros((grade.chips, grade.chips), np.float32)
    chip[0, 0] = 1
    return np.conj(np.fft.rfft2(shape(chip, CHIP_PX))).astype(np.complex64)


def _correlate(tile: Tile, spectrum: NDArray[np.complex64]) -> Tile:
    """Correlate with the sync at every shift, in units of the correlation's own deviation."""
    correlation = np.fft.irfft2(_levelled_spectrum(tile) * spectrum, tile.shape)
    return np.asarray(correlation / (correlation.std() + 1e-9), np.float32)


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
    """Despread a folded tile whose origin lies at (row, column) into float32 [304] of unit deviation."""
    spectrum = _levelled_spectrum(np.roll(tile, (-row, -column), (0, 1))) * _pulse_spectrum(plan.grade)
    chips = np.fft.irfft2(spectrum, tile.shape)[::CHIP_PX, ::CHIP_PX].reshape(-1)
    llr = np.bincount(plan.data_bit, weights=chips[plan.data_at] * plan.data_signs, minlength=CODED_BITS)
    return np.asarray(llr / (llr.std() + 1e-9), np.float32)
