"""The visible mark: who made this and that it was generated, drawn where a key and the clip's mark id say, moving.

The places follow from the spec alone, so that a verifier finds them again. Reads no text from the clip.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.lettering import CannotDraw
from watermark.placing import DWELL_MS, Places, start_place
from watermark.stamp import Stamp, StartLabel, VisibleSpec, draw_stamp, draw_start, label

__all__ = [
    "PRESENT",
    "CannotDraw",
    "StartLabel",
    "VisibleMarker",
    "VisibleReading",
    "VisibleSpec",
    "VisibleState",
    "label",
    "presence",
]

#: How opaque letters and their outline are.
LETTER_ALPHA: Final = 0.8
OUTLINE_ALPHA: Final = 0.55
#: Mean luma from which on letters are dark on a light outline, and how far beyond it a mark that stands turns over.
BRIGHT: Final = 150.0
TURNS: Final = 45.0
#: Standard deviations of luma from which on a plate lies under the letters, and how opaque it is then.
BUSY: Final = (18.0, 36.0, 72.0)
PLATE_ALPHA: Final = (0.0, 0.35, 0.6, 0.8)
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


class VisibleState(StrEnum):
    """Whether the mark is where it must be."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    #: At some of its places only: painted over, or another clip's frames joined on; or the start label is missing.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleReading:
    """`score` is the mean correlation (0 to 1) over the places looked at; 0 when there was none.

    `start` is the least correlation with the start label while it must stand; None where none must.
    """

    state: VisibleState
    score: float
    frames: int
    start: float | None = None


class _Drawing:
    """The mark of one spec for one frame size, with its places and its start label."""

    def __init__(self, spec: VisibleSpec, width: int, height: int) -> None:
        self.frame = (width, height)
        self.stamp = draw_stamp(spec, width, height)
        self.start = draw_start(spec.start.text, width, height, spec.fonts) if spec.start else None
        self.start_until_ms = spec.start.until_ms if spec.start else 0
        self.start_at = start_place(self.frame, self.start.size) if self.start else None
        self.places = Places(
            spec.key, spec.mark_id, self.frame, self.stamp.size, spec.avoid, self.start_at, self.start_until_ms
        )


class VisibleMarker:
    """Draws the mark into frames of one size. Raises CannotDraw for a platform name or a label the fonts lack."""

    def __init__(self, spec: VisibleSpec, width: int, height: int) -> None:
        self._drawing = drawing = _Drawing(spec, width, height)
        self._brush = _Brush(drawing.stamp)
        self._start = _Brush(drawing.start) if drawing.start else None
        self._slot, self._place = -1, (0, 0)

    def mark(self, planes: Planes) -> None:
        """Draw the mark into one frame, in place.

        It moves from one frame to the next: fading, it would be coded anew with every frame of the fade.
        """
        slot = planes.time_ms // DWELL_MS
        if slot != self._slot:
            self._slot, self._place = slot, self._drawing.places.at(slot)
            self._brush.lift()
        self._brush.paint(planes, self._place)
        if self._start is not None and self._drawing.start_at is not None:
            if planes.time_ms < self._drawing.start_until_ms:
                self._start.paint(planes, (self._drawing.start_at.x, self._drawing.start_at.y))
            else:
                self._start = None


class _Brush:
    """Paints one stamp, its tone chosen by the ground it lies on."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._tone: _Tone | None = None
        self._inks: list[_Ink] = []

    def lift(self) -> None:
        """Forget the ground: the next frame is at another place."""
        self._tone = None

    def paint(self, planes: Planes, place: tuple[int, int]) -> None:
        """Lay the stamp over a frame, in place, at an even place."""
        (x, y), (width, height) = place, self._stamp.size
        luma = planes.y[y : y + height, x : x + width]
        tone = _tone_of(luma, self._tone)
        if tone != self._tone:
            self._tone, self._inks = tone, _inks(self._stamp, tone, full_range=planes.full_range)
        self._inks[0].paint(luma)
        for chroma in (planes.u, planes.v):
            self._inks[1].paint(chroma[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2])


@dataclass(frozen=True, slots=True)
class _Tone:
    """Dark letters or light ones, and how much of a plate is under them."""

    dark: bool
    plate: int


def _tone_of(ground: NDArray[np.uint8], before: _Tone | None) -> _Tone:
    """Choose by the ground's mean and spread.

    A mark that stands turns over only for a ground much brighter or darker, and keeps its plate: letters that flicker
    are worse than letters of low contrast.
    """
    mean, spread = (float(values.flat[0]) for values in cv2.meanStdDev(ground))
    plate = sum(spread >= busy for busy in BUSY)
    if before is None:
        return _Tone(mean >= BRIGHT, plate)
    dark = mean >= BRIGHT - TURNS if before.dark else mean >= BRIGHT + TURNS
    return _Tone(dark, max(plate, before.plate) if dark == before.dark else plate)


@dataclass(frozen=True, slots=True)
class _Ink:
    """What is kept of a plane, and what is added to it, in 256ths: uint16 [height, width]."""

    kept: NDArray[np.uint16]
    added: NDArray[np.uint16]

    def paint(self, plane: NDArray[np.uint8]) -> None:
        part = np.s_[: plane.shape[0], : plane.shape[1]]
        mixed = self.kept[part] * plane
        mixed += self.added[part]
        mixed >>= 8
        np.copyto(plane, mixed, casting="unsafe")


def _ink(cover: NDArray[np.float32], brought: NDArray[np.float32]) -> _Ink:
    """Ink by how opaque the mark is, 0-1, and what it brings to a plane, 0-255: float32 [height, width]."""
    kept = np.rint(256 - 256 * cover).astype(np.uint16)
    # A half for rounding, and never past what sixteen bits hold of a white plane.
    added = np.minimum(256 * brought + 128.5, 0xFFFF - 255 * kept)
    return _Ink(kept, added.astype(np.uint16))


def _inks(stamp: Stamp, tone: _Tone, *, full_range: bool) -> list[_Ink]:
    """The mark for luma, and for chroma at half size: letters over their outline over a plate of the outline's tone."""
    black, white = (0.0, 255.0) if full_range else (16.0, 235.0)
    ink, edge = (black, white) if tone.dark else (white, black)
    letters = LETTER_ALPHA * stamp.letters
    under = 1 - (1 - OUTLINE_ALPHA * stamp.outline) * (1 - PLATE_ALPHA[tone.plate] * stamp.plate)
    edges = (1 - letters) * under
    cover = (letters + edges).astype(np.float32)
    half = cv2.resize(cover, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
    return [_ink(cover, (letters * ink + edges * edge).astype(np.float32)), _ink(half, half * 128)]


def _stands(time_ms: int) -> bool:
    """Whether the mark is well inside its stay at a place; the first begins with the first frame."""
    slot, into = divmod(time_ms, DWELL_MS)
    return (slot == 0 or into >= MOVING_MS) and DWELL_MS - into >= MOVING_MS


def presence(frames: Iterable[tuple[int, NDArray[np.uint8]]], spec: VisibleSpec) -> VisibleReading:
    """Look for a clip's mark at the places that follow from its spec; frames are (time_ms, luma uint8 [h, w]).

    Frames may be scaled copies: places and sizes follow the frame, exactly so where the spec knows the size that was
    marked. At each place the score is the mean over frames of the absolute correlation of luma with letters against
    outline. A mark that is gone from more than a tenth of its places is damaged, however well the rest shows, and so
    is one without the start label that the spec asks for.
    """
    seekers: dict[tuple[int, int], _Seeker] = {}
    by_slot: dict[int, list[float]] = {}
    start: list[float] = []
    for time_ms, luma in frames:
        height, width = luma.shape
        slot = time_ms // DWELL_MS
        seeker = seekers.get((width, height)) or seekers.setdefault((width, height), _Seeker(spec, width, height))
        if seeker.start is not None and time_ms < seeker.drawing.start_until_ms:
            start.append(seeker.start.correlate(luma, seeker.start_at))
        if _stands(time_ms):
            by_slot.setdefault(slot, []).append(seeker.mark.correlate(luma, seeker.place(slot)))
    scores = [float(np.mean(values)) for values in by_slot.values()]
    return VisibleReading(
        state=_state(scores, start, asked=spec.start is not None),
        score=float(np.mean(scores)) if scores else 0.0,
        frames=sum(map(len, by_slot.values())),
        start=None if spec.start is None else min(start, default=0.0),
    )


def _state(scores: list[float], start: list[float], *, asked: bool) -> VisibleState:
    share = float(np.mean([score >= PRESENT for score in scores])) if scores else 0.0
    if share < REMAINS:
        return VisibleState.NOT_FOUND
    started = not asked or (bool(start) and min(start) >= PRESENT)
    return VisibleState.FOUND if share >= WHOLE and started else VisibleState.DAMAGED


class _Seeker:
    """Finds the marks of one spec in copies of one size."""

    def __init__(self, spec: VisibleSpec, width: int, height: int) -> None:
        self.drawing = _Drawing(spec, *(spec.size or (width, height)))
        self._scale = width / self.drawing.frame[0], height / self.drawing.frame[1]
        self.mark = _Pattern(self.drawing.stamp, self._scale)
        self.start = _Pattern(self.drawing.start, self._scale) if self.drawing.start else None
        self._places: dict[int, tuple[int, int]] = {}

    def place(self, slot: int) -> tuple[int, int]:
        """Left and top of the mark in a stretch of time, in the copy's pixels."""
        if slot not in self._places:
            self._places[slot] = self._scaled(self.drawing.places.at(slot))
        return self._places[slot]

    @cached_property
    def start_at(self) -> tuple[int, int]:
        """Left and top of the start label, in the copy's pixels."""
        at = self.drawing.start_at
        return self._scaled((at.x, at.y)) if at else (0, 0)

    def _scaled(self, place: tuple[int, int]) -> tuple[int, int]:
        return round(place[0] * self._scale[0]), round(place[1] * self._scale[1])


class _Pattern:
    """Letters against outline, at a copy's scale: where they are, and what they should be, of mean 0 and norm 1."""

    def __init__(self, stamp: Stamp, scale: tuple[float, float]) -> None:
        size = (max(1, round(stamp.size[0] * scale[0])), max(1, round(stamp.size[1] * scale[1])))
        drawn = cv2.resize(stamp.letters - stamp.outline, size, interpolation=cv2.INTER_AREA)
        covered = cv2.resize(stamp.letters + stamp.outline, size, interpolation=cv2.INTER_AREA)
        rows, columns = np.nonzero(covered > 0.25)
        self._values = _even(drawn[rows, columns].astype(np.float32))
        self._width, self._height = size[0] + 2 * ABOUT, size[1] + 2 * ABOUT
        self._where = rows * self._width + columns
        self._shifts = [down * self._width + across for down in range(2 * ABOUT + 1) for across in range(2 * ABOUT + 1)]

    def correlate(self, luma: NDArray[np.uint8], place: tuple[int, int]) -> float:
        """The largest absolute correlation at a place or a pixel or two about it; what is beyond the copy is black."""
        left, top = place[0] - ABOUT, place[1] - ABOUT
        window = np.zeros((self._height, self._width), np.float32)
        seen = luma[max(0, top) : max(0, top + self._height), max(0, left) : max(0, left + self._width)]
        down, across = max(0, -top), max(0, -left)
        window[down : down + seen.shape[0], across : across + seen.shape[1]] = seen
        flat = window.ravel()
        return max((abs(float(_even(flat[self._where + shift]) @ self._values)) for shift in self._shifts), default=0.0)


def _even(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same of mean 0 and norm 1; zeros where all are equal."""
    apart = values - values.mean() if values.size else values
    norm = float(np.linalg.norm(apart))
    return np.asarray(apart / norm if norm > 0 else apart, np.float32)
