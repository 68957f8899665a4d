"""The second tier: copies cropped, stretched, turned, mirrored or set into a canvas, at any start and speed.

Searches sums of frames for the keyed waves under any affine map. Decodes nothing, keeps no frame.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product, takewhile

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.alignment import Heard, listen, places_near, sequences, without_mean
from watermark.constellation import Spectrum, guesses, per_short_side
from watermark.despreading import Candidate, soft_bits
from watermark.geometry import Geometry
from watermark.patience import Over, never
from watermark.registration import Registration, register
from watermark.spreading import CHIP_PX, GRADES, PERIOD_MS, ChipPlan, Grade, chip_plan, polarities
from watermark.whitening import Sheet, fold, level, scaled, whiten

#: Milliseconds summed into one sheet, and between the frames that are taken.
WINDOW_MS = 250
_STEP_MS = 80
#: Windows kept: 16 s, so that memory is constant: 19 MB.
_KEPT = 64
#: Long sides of the two sheets of a window. The large one is for pictures that are small in the frame.
_LONG_SIDES = (320, 640)
#: A first search after 4 s finds most; others follow when there is nothing old left in what is kept, and at the end.
_FIRST_SEARCH = 16
#: A map that would make a sheet wider than this (in pixels of two per chip) is none that we made.
_WIDEST = 3000
#: Other speeds at which the alternation is looked for; each finds, in 10 s, what lies within a twentieth of it.
_SPEEDS = (0.82, 0.91, 1.1, 1.2)
#: Sheets are kept in whole parts of their highest value.
_UNIT = 63 / 2
#: Pixels over which it is told how steady a place is, and how much of the usual unsteadiness every place has.
_STEADY, _STEADIEST = 9, 0.05
#: Maps that are looked at more closely in every search.
_CLOSER = 3
#: Waves this much louder than usual, in deviations of all maps tried, are looked at more closely.
_LOUD = 4.0
#: Agreement of all waves, in deviations of noise, from which a map is worth folding along.
_AGREEING = 7.5
#: Chance of a sync, all that was tried counted, at which decoding is worth it: see docs/decisions/0017.
_WORTH_DECODING = 0.02


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Window:
    """A quarter of a second: its whitened sheets, small and large, int8 [h, w]."""

    time_ms: int
    sheets: tuple[NDArray[np.int8], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Found:
    """A map of one size of sheet, under one key's plan."""

    key_version: int
    plan: ChipPlan
    size: int
    #: How each place of the sheets was weighed, [h, w] or a number.
    trust: NDArray[np.float32]
    registration: Registration
    #: Maps and shifts looked at so far.
    tried: int


class LatticeTier:
    """Reads copies under any affine map with sizes 0.28 to 3.2, stretches to 2.1 : 1 and turns to 10 degrees.

    Also mirrored and turned by quarters. Memory is constant: whitened sheets of the last 16 s.
    """

    name = "lattice"

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = dict(keys)
        self._windows: deque[_Window] = deque(maxlen=_KEPT)
        self._sums: list[NDArray[np.float32]] = []
        self._summed = 0
        self._size = (1, 1)
        self._opened_ms = 0
        self._next_ms = 0
        self._closed = 0
        self._searched = 0
        self._ended = False

    def watch(self, time_ms: int, luma: NDArray[np.uint8]) -> bool:
        """Take in a frame, uint8 [h, w]; return True when it closed a window."""
        closed = bool(self._sums) and time_ms >= self._opened_ms + WINDOW_MS
        if closed:
            self._close()
        if not self._sums or time_ms >= self._next_ms:
            self._add(time_ms, luma)
        return closed

    def close(self) -> None:
        """End the current window, however short: what follows is the last and thorough search."""
        if self._sums:
            self._close()
        self._ended = True

    def candidates(self, over: Over = never) -> Iterator[Candidate]:
        """Yield what is worth decoding, when a search is due; ends within some 0.2 s once `over` says so."""
        fresh = self._closed - self._searched
        if not fresh or not (self._ended or self._closed == _FIRST_SEARCH or fresh >= _KEPT):
            return
        self._searched = self._closed
        for found in self._search(over):
            yield from self._decodable(found, over)

    def _close(self) -> None:
        sheets = tuple(np.rint(each * (_UNIT / self._summed)).astype(np.int8) for each in self._sums)
        self._windows.append(_Window(time_ms=self._opened_ms + WINDOW_MS // 2, sheets=sheets))
        self._closed += 1
        self._sums, self._summed = [], 0

    def _add(self, time_ms: int, luma: NDArray[np.uint8]) -> None:
        sheets = [whiten(_working(luma, long).astype(np.float32)) for long in _LONG_SIDES]
        if self._windows and self._windows[-1].sheets[0].shape != sheets[0].shape:
            self._windows.clear()
        if not self._sums or self._sums[0].shape != sheets[0].shape:
            self._opened_ms, self._sums, self._summed = time_ms, sheets, 0
        else:
            self._sums = [total + sheet for total, sheet in zip(self._sums, sheets, strict=True)]
        self._size = luma.shape[1], luma.shape[0]
        self._summed += 1
        self._next_ms = time_ms + _STEP_MS

    def _search(self, over: Over) -> Iterator[_Found]:
        """Yield maps under which the waves agree, the likeliest kind of copy first, and of each the newest key.

        Sheets and their spectra are made once for all keys.
        """
        times = np.array([window.time_ms for window in self._windows])
        tried = 0
        for sums in _sums(times, thorough=self._ended):
            size = sums.size
            trust = self._trust(size, over) if sums.evened else np.ones((1, 1), np.float32)
            sheet = level((self._sheet(size, sums.weights, over) * trust).astype(sums.weights.dtype))
            if over():
                return
            spectrum = Spectrum.of(sheet)
            for (version, key), grade in product(self._keys.items(), sums.grades):
                if over():
                    return
                plan = chip_plan(key, grade)
                likeliest, maps = guesses(spectrum, per_short_side(plan), _CLOSER)
                tried += maps * grade.field_px**2
                for guess in likeliest:
                    if guess.energy < _LOUD or over():
                        break
                    exact = register(sheet, spectrum, plan, guess)
                    if exact.score >= _AGREEING:
                        yield _Found(
                            key_version=version, plan=plan, size=size, trust=trust, registration=exact, tried=tried
                        )

    def _sheet(self, size: int, weights: Sheet, over: Over) -> Sheet:
        """Add up the windows' sheets of one size; worth nothing where it was over meanwhile."""
        total: Sheet = np.zeros(self._windows[0].sheets[size].shape, weights.dtype)
        for weight, window in takewhile(lambda _: not over(), zip(weights, self._windows, strict=True)):
            total += weight * window.sheets[size].astype(np.float32)
        return total

    def _trust(self, size: int, over: Over) -> NDArray[np.float32]:
        """How far each place can be trusted: by how steady it is from window to window, unlike moving edges.

        Worth nothing where it was over meanwhile.
        """
        total: NDArray[np.float32] = np.zeros(self._windows[0].sheets[size].shape, np.float32)
        squares = total.copy()
        for window in takewhile(lambda _: not over(), self._windows):
            sheet = window.sheets[size].astype(np.float32)
            total += sheet
            squares += sheet * sheet
        number = len(self._windows)
        spread = cv2.blur(squares / number - np.square(total / number), (_STEADY, _STEADY))
        return np.asarray(1 / np.sqrt(spread / (spread.mean() + 1e-9) + _STEADIEST), np.float32)

    def _decodable(self, found: _Found, over: Over) -> Iterator[Candidate]:
        """Fold all windows along a map and read their waves: they tell the polarities and whether to go on."""
        plan, n = found.plan, found.plan.grade.field_px
        shape = self._windows[-1].sheets[found.size].shape
        layout = _layout(found.registration, plan, (shape[0], shape[1]))
        if layout is None:
            return
        tiles: list[NDArray[np.float32]] = []
        heard: list[Heard] = []
        for window in self._windows:
            if over():
                return
            field = layout.fold(level(window.sheets[found.size] * found.trust), n)
            heard.append(listen(field, plan))
            tiles.append(fold(field, plan.grade.tile_px))
        polarity = sequences(np.array([window.time_ms for window in self._windows]))
        for place in places_near(np.stack(heard), polarity, plan, found.tried):
            if place.chance <= _WORTH_DECODING:
                tile = np.tensordot(place.weights, np.stack(tiles), 1)
                yield Candidate(
                    key_version=found.key_version,
                    view=f"{plan.grade.name}/{found.size}",
                    geometry=self._geometry(found),
                    chance=place.chance,
                    llr=soft_bits(tile.astype(np.float32), plan, place.row, place.column),
                )

    def _geometry(self, found: _Found) -> Geometry:
        """Say where the copy's pixels lie, as far as a map without bend can."""
        width, height = self._size
        sheet = self._windows[-1].sheets[found.size].shape
        down, across = found.registration.affine
        to_sheet = np.array([[sheet[1] / width, 0, 0], [0, sheet[0] / height, 0], [0, 0, 1]])
        swapped = np.array([[across[1], across[0], across[2]], [down[1], down[0], down[2]]])
        return Geometry.of(swapped @ to_sheet, width, height, found.plan.grade.field)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Layout:
    """How sheets are laid onto the field's pixels: made smaller to `size`, then mapped by `matrix` into `into`."""

    size: tuple[int, int]
    matrix: NDArray[np.float64]
    into: tuple[int, int]
    #: Where the first pixel lies, down and across.
    begin: tuple[int, int]

    def fold(self, sheet: NDArray[np.float32], n: int) -> NDArray[np.float32]:
        """Return the field [n, n] of a levelled sheet."""
        if self.size != sheet.shape[::-1]:
            sheet = np.asarray(cv2.resize(sheet, self.size, interpolation=cv2.INTER_AREA), np.float32)
        laid = np.asarray(cv2.warpPerspective(sheet, self.matrix, self.into, flags=cv2.INTER_LINEAR), np.float32)
        return np.roll(fold(laid, n), self.begin, (0, 1))


def _layout(registration: Registration, plan: ChipPlan, shape: tuple[int, int]) -> _Layout | None:
    """Plan how sheets of a shape are laid out; None when a wild map would make them huge."""
    pixels = plan.grade.per_short_side * CHIP_PX
    swap = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    to_field = np.diag([pixels, pixels, 1.0]) @ swap @ registration.homography(shape) @ swap
    # Shrinking by area first: the map itself takes single points.
    density = np.sqrt(abs(np.linalg.det(registration.affine[:, :2]))) * pixels
    shrink = min(1.0, density)
    size = max(round(shape[1] * shrink), 1), max(round(shape[0] * shrink), 1)
    to_field = to_field @ np.diag([shape[1] / size[0], shape[0] / size[1], 1.0])
    corners = to_field @ np.array([[0, size[0], 0, size[0]], [0, 0, size[1], size[1]], [1, 1, 1, 1]])
    if (corners[2] <= 0).any():
        return None
    low, high = (corners[:2] / corners[2]).min(axis=1), (corners[:2] / corners[2]).max(axis=1)
    begin = np.floor(low).astype(int)
    into = np.ceil(high).astype(int) - begin
    if into.max() > _WIDEST:
        return None
    # Maps take pixels' middles for whole numbers.
    matrix = _moved(-begin[0] - 0.5, -begin[1] - 0.5) @ to_field @ _moved(0.5, 0.5)
    return _Layout(size=size, matrix=matrix, into=(int(into[0]), int(into[1])), begin=(int(begin[1]), int(begin[0])))


def _moved(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]])


def _working(luma: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    scale = long_side / max(luma.shape)
    size = max(round(luma.shape[1] * scale), 1), max(round(luma.shape[0] * scale), 1)
    return scaled(luma, size)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sum:
    """One way of adding up windows, in which size, and the grades that are looked for in it."""

    weights: Sheet
    size: int = 0
    grades: tuple[Grade, ...] = GRADES
    #: Whether places are weighed by how steady they are: text and cuts gain much by it, soft pictures lose a little.
    evened: bool = False


def _sums(times_ms: NDArray[np.int64], *, thorough: bool) -> Iterator[_Sum]:
    """Yield sums by the clip's own clock, by any start, and then by other speeds and in the larger size."""
    if times_ms[-1] - times_ms[0] < PERIOD_MS:
        yield _Sum(weights=np.ones(len(times_ms), np.float32))
        return
    own_clock, any_start = without_mean(polarities(times_ms)), _alternating(times_ms, 1.0)
    yield _Sum(weights=own_clock)
    yield _Sum(weights=any_start)
    if thorough:
        for speed in _SPEEDS:
            yield _Sum(weights=_alternating(times_ms, speed), grades=GRADES[:1])
        yield _Sum(weights=own_clock, size=1, grades=GRADES[:1], evened=True)
        yield _Sum(weights=any_start, size=1, grades=GRADES[:1], evened=True)


def _alternating(times_ms: NDArray[np.int64], speed: float) -> NDArray[np.complex64]:
    """Weigh windows by the alternation's first harmonic: it adds up from any start."""
    return np.asarray(np.exp(-1j * np.pi * speed * times_ms / PERIOD_MS), np.complex64)
