"""The visible mark: who made this and that it was generated, drawn where a key and the clip's mark id say, moving.

The places follow from the spec alone, so that `watermark.sighting` finds them again. Reads no text from the clip.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.lettering import CannotDraw
from watermark.placing import DWELL_MS, Places, start_place
from watermark.stamp import Stamp, StartLabel, VisibleSpec, draw_stamp, draw_start, label

__all__ = ["CannotDraw", "Drawing", "StartLabel", "VisibleMarker", "VisibleSpec", "label"]

#: How opaque letters and their outline are.
LETTER_ALPHA: Final = 0.8
OUTLINE_ALPHA: Final = 0.55
#: Mean luma from which on letters are dark on a light outline, and how far beyond it a mark that stands turns over.
BRIGHT: Final = 150.0
TURNS: Final = 45.0
#: Standard deviations of luma from which on a plate lies under the letters, and how opaque it is then.
BUSY: Final = (18.0, 36.0, 72.0)
PLATE_ALPHA: Final = (0.0, 0.35, 0.6, 0.8)


class Drawing:
    """The mark of one spec for one frame size, with its places and its start label. Raises CannotDraw."""

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
        self._drawing = drawing = Drawing(spec, width, height)
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
