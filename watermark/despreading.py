"""From frames back to soft payload bits: whiten, fold into one tile, find the sync. Decodes nothing, keeps no frame."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import erfc, sqrt
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.payload import CODED_BITS
from watermark.spreading import CHIP_PX, GRADES, ChipPlan, Grade, chip_plan, polarity, shape, tile_chips

Tile: TypeAlias = NDArray[np.float32]

#: Milliseconds folded into one tile: a quarter of a polarity period, so that a trimmed copy still has unmixed windows.
WINDOW_MS = 250
#: Frames closer than this carry nearly the same coding noise: reading them all costs time and adds nothing.
_STEP_MS = 60
#: Of a very long and narrow frame only this many short sides are read, so that a hostile one costs no more.
_WIDEST = 8
#: Windows kept: 16 s, so memory is constant and an old part of a long video cannot drown a later one.
_KEPT = 64
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the tile the sync peaks, how likely that is by chance, and each window's share in it."""

    row: int
    column: int
    chance: float
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """What is kept of a quarter of a second: one tile and the sync's correlation with it, per geometry."""

    time_ms: int
    tiles: dict[tuple[Grade, bool], Tile]
    sync: dict[tuple[Grade, bool, int], Tile]


class AlignedTier:
    """Reads copies at any uniform scale, mirrored or not, and cropped along the long side by any amount.

    Memory is constant: the current window's sheets and the tiles of the last 16 s.
    """

    name = "aligned"

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)
        self._windows: deque[_Window] = deque(maxlen=_KEPT)
        self._sheets: dict[Grade, NDArray[np.float32]] = {}
        self._opened_ms = 0
        self._next_ms: int | None = None

    def watch(self, time_ms: int, luma: NDArray[np.uint8]) -> bool:
        """Take in a frame, uint8 [h, w]; return True when it closed a window."""
        closed = self._next_ms is not None and time_ms >= self._opened_ms + WINDOW_MS
        if closed:
            self.close()
        if self._next_ms is None or time_ms >= self._next_ms or not self._sheets:
            self._add(time_ms, luma)
        return closed

    def close(self) -> None:
        """End the current window, however short."""
        if not self._sheets:
            return
        tiles: dict[tuple[Grade, bool], Tile] = {}
        for grade, sheet in self._sheets.items():
            level = _level(sheet)
            tiles[grade, False] = fold(level, grade)
            tiles[grade, True] = fold(level[:, ::-1], grade)
        sync = {
            (grade, mirrored, version): _correlate(tile, _sync_spectrum(key, grade))
            for (grade, mirrored), tile in tiles.items()
            for version, key in self._keys.items()
        }
        self._windows.append(_Window(time_ms=self._opened_ms + WINDOW_MS // 2, tiles=tiles, sync=sync))
        self._sheets = {}

    def candidates(self) -> Iterator[Candidate]:
        """Yield what is worth decoding in the windows closed so far, one geometry and key at a time."""
        if not self._windows:
            return
        for grade, mirrored, version in product(GRADES, (False, True), self._keys):
            yield from self._candidates_of(grade, mirrored=mirrored, version=version)

    def _candidates_of(self, grade: Grade, *, mirrored: bool, version: int) -> Iterator[Candidate]:
        key = self._keys[version]
        sync = np.stack([window.sync[grade, mirrored, version] for window in self._windows])
        signs = np.array([polarity(key, window.time_ms) for window in self._windows], np.float32)
        for place in _places(sync, signs):
            tile = np.zeros((grade.tile_px, grade.tile_px), np.float32)
            for weight, window in zip(place.weights, self._windows, strict=True):
                tile += weight * window.tiles[grade, mirrored]
            llr = soft_bits(tile, chip_plan(key, grade), place.row, place.column)
            geometry = f"{grade.name}{'/mirrored' if mirrored else ''}+{place.column}+{place.row}"
            yield Candidate(key_version=version, geometry=geometry, chance=min(place.chance, 1.0), llr=llr)

    def _add(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        if not self._sheets:
            self._opened_ms = time_ms
        self._next_ms = time_ms + _STEP_MS
        for grade, picture in working_pictures(luma):
            white = whiten(picture)
            sheet = self._sheets.get(grade)
            # A stream may change its size: what was summed before is worth less than what comes.
            self._sheets[grade] = white if sheet is None or sheet.shape != white.shape else sheet + white


def working_pictures(luma: NDArray[np.uint8]) -> Iterator[tuple[Grade, NDArray[np.float32]]]:
    """Scale luma, uint8 [h, w], to two pixels per chip for every grade, finest first, each from the one before."""
    side = _WIDEST * min(luma.shape)
    picture = np.asarray(luma[:side, :side])
    height, width = picture.shape
    for grade in GRADES:
        scale = grade.per_short_side * CHIP_PX / min(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        shrinks = size[0] < picture.shape[1]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        picture = np.asarray(cv2.resize(picture, size, interpolation=how), np.uint8)
        yield grade, picture.astype(np.float32)


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


def _places(sync: NDArray[np.float32], signs: NDArray[np.float32]) -> Iterator[_Place]:
    """Yield the shifts worth decoding: no shift at all, the best for the keyed polarities, the best for any.

    `sync` is [windows, n, n]; without a mark each value is taken as standard normal.
    """
    along = _static_free(signs)
    coherent = np.abs(np.tensordot(along / np.linalg.norm(along), sync, 1))
    energy = np.square(sync).mean(axis=0)
    score = _normal_score(float(energy.max()), len(sync))
    found = (
        ((0, 0), erfc(float(coherent[0, 0]) / sqrt(2))),
        (_argmax(coherent), coherent.size * erfc(float(coherent.max()) / sqrt(2))),
        (_argmax(energy), energy.size * 0.5 * erfc(score / sqrt(2))),
    )
    worth = {at: chance for at, chance in reversed(found) if chance <= _WORTH_DECODING}
    for (row, column), chance in worth.items():
        yield _Place(row=row, column=column, chance=chance, weights=_weights(sync[:, row, column]))


def _argmax(values: NDArray[np.float32]) -> tuple[int, int]:
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def _normal_score(mean_square: float, n: int) -> float:
    """Wilson-Hilferty: the normal score of a chi-square over its degrees of freedom."""
    spread = 2 / (9 * n)
    return float((mean_square ** (1 / 3) - (1 - spread)) / sqrt(spread))


def _static_free(signs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weights that follow the signs and cancel what is the same in every window as far as the signs allow."""
    n = len(signs)
    return np.asarray(signs - n / (n + 1) * signs.mean(), np.float32)


def _weights(correlations: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far, and with which sign, each window counts: the expected polarity given its sync correlation."""
    strength = sqrt(max(float(np.square(correlations).mean()) - 1, 0.05))
    return _static_free(np.tanh(strength * correlations).astype(np.float32))


def soft_bits(tile: Tile, plan: ChipPlan, row: int, column: int) -> NDArray[np.float32]:
    """Despread a folded tile whose origin lies at (row, column) into float32 [304] of unit deviation."""
    spectrum = _levelled_spectrum(np.roll(tile, (-row, -column), (0, 1))) * _pulse_spectrum(plan.grade)
    chips = np.fft.irfft2(spectrum, tile.shape)[::CHIP_PX, ::CHIP_PX].reshape(-1)
    llr = np.bincount(plan.data_bit, weights=chips[plan.data_at] * plan.data_signs, minlength=CODED_BITS)
    return np.asarray(llr / (llr.std() + 1e-9), np.float32)
