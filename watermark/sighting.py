"""Whether a clip's visible mark is where it must be in a copy, wherever the copy's pixels lie. Draws and reads no file.

Letters are compared with luma at the places that follow from the spec, taken through the copy's geometry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from math import ceil
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.fingerprint import ASPECT_SPREAD, OFFSET_SPREAD_MS
from watermark.geometry import Geometry
from watermark.placing import DWELL_MS
from watermark.stamp import Stamp, VisibleSpec
from watermark.visible import Drawing

#: Correlation with the drawn letters from which on the mark counts as present at a place. It measures 0.85 and more
#: after an encode at CRF 40, on any ground; unmarked frames and other clips' marks stay below 0.13.
PRESENT: Final = 0.3
#: Shares of the places where it must be: to be whole, and to have been there at all.
WHOLE: Final = 0.9
REMAINS: Final = 0.25
#: How near to a move the mark is not looked for: muxers round times, and some copies run a little fast or slow.
MOVING_MS: Final = 200
#: How far about its place the mark is looked for, in pixels of the copy: rounding, and an encoder's half pixels.
ABOUT: Final = 2
#: The same where a geometry says where the place is, in short sides of the original: no geometry is exact.
ASTRAY: Final = 0.012
#: Share of the letters that must lie inside a copy for their place to count.
INSIDE: Final = 0.9
#: Corners this near, in short sides, to those of the whole original: the picture was not moved.
UNMOVED: Final = 0.02

Luma = NDArray[np.uint8]
Matrix = NDArray[np.float64]
Frame = tuple[int, Luma]
Size = tuple[int, int]


class VisibleState(StrEnum):
    """Whether the mark is where it must be."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    #: At some of its places only: painted over, or another clip's frames joined on; or the start label is missing.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleReading:
    """`score` is the mean correlation (0 to 1) over the places looked at; 0 when there was none.

    `frames` were looked at; in `cut_off` more the mark's place lies beyond the copy's edges. `start` is the least
    correlation with the start label while it must stand; None where none must, or its place or time is not shown.
    """

    state: VisibleState
    score: float
    frames: int
    start: float | None = None
    cut_off: int = 0


def presence(
    frames: Iterable[Frame], spec: VisibleSpec, geometry: Geometry | None = None, offset_ms: int = 0
) -> VisibleReading:
    """Look for a clip's mark at the places that follow from its spec; frames are (time_ms, luma uint8 [h, w]).

    Frames may be scaled copies: places and sizes follow the frame, exactly so where the spec knows the size that was
    marked; and where it does, `geometry` says where cropped, mirrored or turned ones lie. `offset_ms` is the original's
    time less the copy's. At each place the score is the mean over frames of the absolute correlation of luma with
    letters against outline. A mark that is gone from more than a tenth of its places is damaged, however well the rest
    shows, and so is one without the start label that the spec asks for. Places that were cut off say nothing.
    """
    seen = list(frames)
    tries = _shifts(geometry, spec.size, seen[0][1].shape) if geometry and spec.size and seen else [None]
    offsets = [0] if abs(offset_ms) <= OFFSET_SPREAD_MS else [0, offset_ms]
    best: VisibleReading | None = None
    for offset, matrix in product(offsets, tries):
        found = _presence(seen, spec, matrix, offset)
        if best is None or _rank(found) > _rank(best):
            best = found
        if best.state is VisibleState.FOUND:
            break
    assert best is not None
    return best


def _rank(reading: VisibleReading) -> tuple[bool, bool, float]:
    return reading.state is VisibleState.FOUND, reading.state is VisibleState.DAMAGED, reading.score


def reshaped(spec: VisibleSpec, size: Size) -> bool:
    """Tell whether a copy (width, height) has another shape than what was marked: it was cropped, or got bars."""
    if spec.size is None:
        return False
    aspect = size[0] * spec.size[1] / (size[1] * spec.size[0])
    return not 1 - ASPECT_SPREAD < aspect < 1 + ASPECT_SPREAD


def _presence(frames: Sequence[Frame], spec: VisibleSpec, matrix: Matrix | None, offset_ms: int) -> VisibleReading:
    by_slot: dict[int, list[float]] = {}
    start: list[float] = []
    started, cut_off = False, 0
    seekers: dict[Size, _Seeker] = {}
    for time_ms, luma in ((time_ms + offset_ms, luma) for time_ms, luma in frames if time_ms + offset_ms >= 0):
        size = luma.shape[1], luma.shape[0]
        if size not in seekers:
            if matrix is not None and seekers:
                continue  # The geometry is that of one size.
            seekers[size] = _Scaled(spec, size) if matrix is None else _Moved(spec, size, matrix)
        seeker = seekers[size]
        slot = time_ms // DWELL_MS
        if spec.start is not None and time_ms < seeker.drawing.start_until_ms:
            score = seeker.start_score(luma)
            started |= score is None
            start += [] if score is None else [score]
        if _stands(time_ms):
            score = seeker.mark_score(luma, slot)
            cut_off += score is None
            if score is not None:
                by_slot.setdefault(slot, []).append(score)
    scores = [float(np.mean(values)) for values in by_slot.values()]
    # A start label that is cut off, in place or in time, is none that is missing.
    asked = spec.start is not None and (bool(start) or not (started or offset_ms >= spec.start.until_ms))
    return VisibleReading(
        state=_state(scores, start, asked=asked),
        score=float(np.mean(scores)) if scores else 0.0,
        frames=sum(map(len, by_slot.values())),
        start=min(start, default=0.0) if asked else None,
        cut_off=cut_off,
    )


def _stands(time_ms: int) -> bool:
    """Whether the mark is well inside its stay at a place; the first begins with the first frame."""
    slot, into = divmod(time_ms, DWELL_MS)
    return (slot == 0 or into >= MOVING_MS) and DWELL_MS - into >= MOVING_MS


def _state(scores: list[float], start: list[float], *, asked: bool) -> VisibleState:
    share = float(np.mean([score >= PRESENT for score in scores])) if scores else 0.0
    if share < REMAINS:
        return VisibleState.NOT_FOUND
    started = not asked or (bool(start) and min(start) >= PRESENT)
    return VisibleState.FOUND if share >= WHOLE and started else VisibleState.DAMAGED


def _shifts(geometry: Geometry, original: Size, shape: tuple[int, ...]) -> list[Matrix | None]:
    """Return maps [2, 3] from the original's pixels to the copy's, for each field that the copy may lie in.

    None for a copy of the whole, whose places need no map.
    """
    height, width = shape[0], shape[1]
    points = np.stack([*np.meshgrid(np.linspace(0, width, 17), np.linspace(0, height, 17)), np.ones((17, 17))])
    shown = np.array(original) / min(original)
    laid = []
    for across, down in product((-1, 0, 1), repeat=2):
        matrix = geometry.to_array()
        matrix[:, 2] += np.array([across, down]) * geometry.field
        at = np.moveaxis(np.tensordot(matrix, points, 1), 0, -1)
        laid.append((float(((at >= 0) & (at <= shown)).all(axis=-1).mean()), matrix, at))
    most = max(share for share, _, _ in laid)
    if most == 0 or abs(np.linalg.det(laid[0][1][:, :2])) < 1e-9:
        return [None]
    return [_inverse(matrix, at, original) for share, matrix, at in laid if share > most / 2]


def _inverse(matrix: Matrix, at: NDArray[np.float64], original: Size) -> Matrix | None:
    shown = np.array(original) / min(original)
    if np.abs(at[(0, 0, -1), (0, -1, 0)] - [(0, 0), (shown[0], 0), (0, shown[1])]).max() <= UNMOVED:
        return None
    whole = np.vstack([matrix * min(original), [0, 0, 1]])
    return np.asarray(np.linalg.inv(whole)[:2])


class _Seeker(Protocol):
    """Finds the marks of one spec in copies of one size; None for a place that lies beyond the copy's edges."""

    drawing: Drawing

    def mark_score(self, luma: Luma, slot: int) -> float | None:
        """How well the mark shows at its place in a stretch of time."""

    def start_score(self, luma: Luma) -> float | None:
        """How well the start label shows."""


class _Scaled:
    """Of copies of the whole picture: what lies beyond their edges was laid there, so that every place counts."""

    def __init__(self, spec: VisibleSpec, size: Size) -> None:
        self.drawing = Drawing(spec, *(spec.size or size))
        self._scale = size[0] / self.drawing.frame[0], size[1] / self.drawing.frame[1]
        self._mark = _Pattern(self.drawing.stamp, self._scale, ABOUT)
        self._start = _Pattern(self.drawing.start, self._scale, ABOUT) if self.drawing.start else None

    def mark_score(self, luma: Luma, slot: int) -> float | None:
        return self._score(luma, self._mark, self.drawing.places.at(slot))

    def start_score(self, luma: Luma) -> float | None:
        at = self.drawing.start_at
        return self._score(luma, self._start, (at.x, at.y)) if self._start and at else None

    def _score(self, luma: Luma, pattern: "_Pattern", place: tuple[int, int]) -> float:
        left, top = (round(begin * scale) - ABOUT for begin, scale in zip(place, self._scale, strict=True))
        width, height = pattern.size
        window = np.zeros((height, width), np.float32)
        seen = luma[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
        down, across = max(0, -top), max(0, -left)
        window[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
        return pattern.correlate(window)


class _Moved:
    """Of copies whose pixels lie elsewhere: `matrix` takes the original's pixels to the copy's."""

    def __init__(self, spec: VisibleSpec, size: Size, matrix: Matrix) -> None:
        assert spec.size is not None
        self.drawing = Drawing(spec, *spec.size)
        self._matrix, self._size = matrix, size
        scale = min(1.0, float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))))
        self._about = max(ABOUT, ceil(ASTRAY * min(spec.size) * scale))
        self._mark = _Pattern(self.drawing.stamp, (scale, scale), self._about)
        self._start = _Pattern(self.drawing.start, (scale, scale), self._about) if self.drawing.start else None

    def mark_score(self, luma: Luma, slot: int) -> float | None:
        return self._score(luma, self._mark, self.drawing.places.at(slot))

    def start_score(self, luma: Luma) -> float | None:
        at = self.drawing.start_at
        return self._score(luma, self._start, (at.x, at.y)) if self._start and at else None

    def _score(self, luma: Luma, pattern: "_Pattern", place: tuple[int, int]) -> float | None:
        # From the window's pixels, counted by their middles, to the original's and on to the copy's.
        step = 1 / np.array(pattern.scale)
        into = np.array([[step[0], 0, place[0]], [0, step[1], place[1]], [0, 0, 1]])
        into[:2, 2] += (0.5 - self._about) * step
        laid = self._matrix @ into
        laid[:, 2] -= 0.5
        down, across = pattern.places
        at = laid @ np.stack([across + self._about, down + self._about, np.ones(len(down))])
        width, height = self._size
        inside = (at[0] >= -0.5) & (at[1] >= -0.5) & (at[0] < width - 0.5) & (at[1] < height - 0.5)
        if inside.size == 0 or inside.mean() < INSIDE:
            return None
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return pattern.correlate(np.asarray(cv2.warpAffine(luma, laid, pattern.size, flags=flags), np.float32))


class _Pattern:
    """Letters against outline, at a copy's scale: where they are, and what they should be, of mean 0 and norm 1."""

    def __init__(self, stamp: Stamp, scale: tuple[float, float], about: int) -> None:
        width, height = (max(1, round(side * by)) for side, by in zip(stamp.size, scale, strict=True))
        drawn = cv2.resize(stamp.letters - stamp.outline, (width, height), interpolation=cv2.INTER_AREA)
        covered = cv2.resize(stamp.letters + stamp.outline, (width, height), interpolation=cv2.INTER_AREA)
        #: Rows and columns of the letters, without the room about them.
        self.places = np.nonzero(covered > 0.25)
        #: Pixels of the pattern to one of the stamp, after rounding.
        self.scale = width / stamp.size[0], height / stamp.size[1]
        #: Width and height of the window that is searched.
        self.size = width + 2 * about, height + 2 * about
        self._values = _even(drawn[self.places].astype(np.float32))
        self._where = self.places[0] * self.size[0] + self.places[1]
        self._shifts = [down * self.size[0] + across for down, across in product(range(2 * about + 1), repeat=2)]

    def correlate(self, window: NDArray[np.float32]) -> float:
        """The largest absolute correlation at a place or some pixels about it, in float32 of `size`."""
        flat = window.ravel()
        return max((abs(float(_even(flat[self._where + shift]) @ self._values)) for shift in self._shifts), default=0.0)


def _even(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same of mean 0 and norm 1; zeros where all are equal."""
    apart = values - values.mean() if values.size else values
    norm = float(np.linalg.norm(apart))
    return np.asarray(apart / norm if norm > 0 else apart, np.float32)
