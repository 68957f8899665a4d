"""The visible mark: who made this and that it was generated, drawn where a key and the clip's mark id say, moving.

The places follow from key and mark id alone, so that a verifier finds them again. Reads no text from the clip.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.keystream import Keystream
from watermark.lettering import CannotDraw, drawable, is_rtl, render

__all__ = ["CannotDraw", "VisibleMarker", "VisibleReading", "VisibleSpec", "VisibleState", "label", "presence"]

LABELS: Final[Mapping[str, str]] = {
    "en": "AI-generated",
    "fr": "Généré par IA",
    "ar": "مُولَّد بالذكاء الاصطناعي",
}
#: How long the mark stays at one place, and how long it takes to fade there.
DWELL_MS: Final = 2_500
FADE_MS: Final = 200
#: Font sizes as shares of the short side: capitals of the label come to 5 % of it.
LABEL_SIZE: Final = 0.072
NAMES_SIZE: Final = 0.05
MARGIN: Final = 0.03
WIDEST: Final = 0.92
SMALLEST_PX: Final = 9
CREATOR_LENGTH: Final = 24
#: How opaque letters and their outline are.
LETTER_ALPHA: Final = 0.8
OUTLINE_ALPHA: Final = 0.55
#: Mean luma from which on letters are dark on a light outline.
BRIGHT: Final = 150.0
#: Correlation with the drawn letters from which on the mark counts as present at a place. It measures 0.5 to 0.9
#: after an encode at CRF 28; unmarked frames and other clips' marks stay below 0.1.
PRESENT: Final = 0.2
#: Shares of the places where it must be: to be whole, and to have been there at all.
WHOLE: Final = 0.75
REMAINS: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleSpec:
    """What the mark of one clip says and what its places follow from."""

    platform: str
    creator: str
    locale: str
    mark_id: int
    key: bytes = field(repr=False)


class VisibleState(StrEnum):
    """Whether the mark is where it must be."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    #: At some of its places only: painted over, or another clip's frames joined on.
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleReading:
    """`score` is the mean correlation (-1 to 1) over the frames looked at; 0 when there was none."""

    state: VisibleState
    score: float
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stamp:
    """The drawn mark for one frame size: coverage of letters and of their outline, float32 [height, width], 0-1."""

    letters: NDArray[np.float32]
    outline: NDArray[np.float32]


def label(locale: str) -> str:
    """Return the words "AI-generated" in a language of ours; English for others."""
    return LABELS.get(locale.partition("-")[0].lower(), LABELS["en"])


class VisibleMarker:
    """Draws the mark into frames of one size. Raises CannotDraw for a platform name the fonts do not have."""

    def __init__(self, spec: VisibleSpec, width: int, height: int) -> None:
        self._stamp = draw_stamp(spec, width, height)
        self._places = _Places(spec, width, height, self._stamp)
        self._slot = -1
        self._mixes: list[_Mix] = []
        self._strength = 0.0
        self._inks: list[_Ink] = []

    def mark(self, planes: Planes) -> None:
        """Draw the mark into one frame, in place."""
        slot, strength = _moment(planes.time_ms)
        x, y = self._places.at(slot)
        height, width = self._stamp.letters.shape
        luma = planes.y[y : y + height, x : x + width]
        if slot != self._slot:
            # Light or dark is chosen once per place: letters that flicker are worse than letters of low contrast.
            self._slot, self._strength = slot, 0.0
            self._mixes = _mix(self._stamp, bright=float(luma.mean()) >= BRIGHT, full_range=planes.full_range)
        if strength != self._strength:
            self._strength, self._inks = strength, [mix.ink(strength) for mix in self._mixes]
        self._inks[0].paint(luma)
        for chroma in (planes.u, planes.v):
            self._inks[1].paint(chroma[y // 2 : y // 2 + (height + 1) // 2, x // 2 : x // 2 + (width + 1) // 2])


def presence(frames: Iterable[tuple[int, NDArray[np.uint8]]], spec: VisibleSpec) -> VisibleReading:
    """Look for a clip's mark at the places that follow from its spec; frames are (time_ms, luma uint8 [h, w]).

    Frames may be scaled copies: places and sizes follow the frame. The score is the mean over places of the absolute
    mean correlation at each (normalised cross-correlation of luma with the drawn letters). A mark that is gone from
    more than a quarter of its places is damaged, however well the rest shows.
    """
    sizes: dict[tuple[int, int], tuple[_Stamp, _Places]] = {}
    by_slot: dict[int, list[float]] = {}
    for time_ms, luma in frames:
        slot, strength = _moment(time_ms)
        if strength < 1.0:
            continue
        height, width = luma.shape
        if (width, height) not in sizes:
            stamp = draw_stamp(spec, width, height)
            sizes[width, height] = (stamp, _Places(spec, width, height, stamp))
        stamp, places = sizes[width, height]
        by_slot.setdefault(slot, []).append(_correlate(luma, stamp, places.at(slot)))
    scores = [abs(float(np.mean(values))) for values in by_slot.values()]
    score = float(np.mean(scores)) if scores else 0.0
    return VisibleReading(state=_state(scores), score=score, frames=sum(map(len, by_slot.values())))


def _state(scores: list[float]) -> VisibleState:
    share = float(np.mean([score >= PRESENT for score in scores])) if scores else 0.0
    if share >= WHOLE:
        return VisibleState.FOUND
    return VisibleState.DAMAGED if share >= REMAINS else VisibleState.NOT_FOUND


def draw_stamp(spec: VisibleSpec, width: int, height: int) -> _Stamp:
    """Draw the mark for frames of one size: the label, and below it platform and creator."""
    short = min(width, height)
    room = round(width * WIDEST)
    lines = [_fit(label(spec.locale), short * LABEL_SIZE, spec.locale, room)]
    names = [_fit(drawable(spec.platform), short * NAMES_SIZE, "en", room)]
    if creator := _handle(spec.creator):
        names.append(_fit(creator, short * NAMES_SIZE, _direction_of(creator), room))
    lines.extend(_side_by_side(names, short * NAMES_SIZE, spec.locale, room))
    letters = _stack(lines, rtl=is_rtl(spec.locale))
    # Even sizes at even places: chroma has half the resolution.
    border = max(1, round(short / 360))
    padded = np.pad(letters, ((border, border + letters.shape[0] % 2), (border, border + letters.shape[1] % 2)))
    outline = np.clip(cv2.dilate(padded, np.ones((2 * border + 1,) * 2, np.uint8)) - padded, 0.0, 1.0)
    return _Stamp(letters=padded, outline=outline.astype(np.float32))


def _handle(creator: str) -> str:
    """The creator's handle as it is drawn: plain, capped, with an @."""
    plain = drawable(creator).strip().lstrip("@")
    kept, length = "", 0
    for character in plain:
        length += not unicodedata.combining(character)
        if length > CREATOR_LENGTH:
            kept = kept[:-1] + "…"
            break
        kept += character
    return f"@{kept}" if kept else ""


def _direction_of(text: str) -> str:
    """The locale to set a name in: its own first strong character decides, not its surroundings."""
    strong = next((unicodedata.bidirectional(c) for c in text if unicodedata.bidirectional(c) in {"L", "R", "AL"}), "L")
    return "en" if strong == "L" else "ar"


def _fit(text: str, size: float, locale: str, room: int) -> NDArray[np.float32]:
    """Render a line at a size, smaller only when it would not fit the frame."""
    line = render(text, max(SMALLEST_PX, round(size)), locale)
    while line.shape[1] > room and size > SMALLEST_PX:
        size *= 0.9
        line = render(text, max(SMALLEST_PX, round(size)), locale)
    return line[:, :room]


def _side_by_side(names: list[NDArray[np.float32]], size: float, locale: str, room: int) -> list[NDArray[np.float32]]:
    """Platform and creator on one line where they fit, in the order the language reads; else one under the other."""
    gap = round(size)
    if len({name.shape[0] for name in names}) > 1 or sum(name.shape[1] for name in names) + gap > room:
        return names
    ordered = names[::-1] if is_rtl(locale) else names
    spaced = [part for name in ordered for part in (name, np.zeros((name.shape[0], gap), np.float32))]
    return [np.hstack(spaced[:-1])]


def _stack(lines: list[NDArray[np.float32]], *, rtl: bool) -> NDArray[np.float32]:
    widest = max(line.shape[1] for line in lines)
    sides = [(widest - line.shape[1], 0) if rtl else (0, widest - line.shape[1]) for line in lines]
    return np.vstack([np.pad(line, ((0, 0), side)) for line, side in zip(lines, sides, strict=True)])


class _Places:
    """Where the mark stands in each slot of time: fair, secret, the same for whoever has the key."""

    def __init__(self, spec: VisibleSpec, width: int, height: int, stamp: _Stamp) -> None:
        margin = MARGIN * min(width, height)
        tall, wide = stamp.letters.shape
        self._spec = spec
        self._x = _span(width, wide, margin)
        self._y = _span(height, tall, margin)

    def at(self, slot: int) -> tuple[int, int]:
        """Left and top of the mark in a slot, even numbers of pixels."""
        stream = Keystream(self._spec.key, f"visible/{self._spec.mark_id:012x}/{slot}")
        across, down = stream.fractions(2)
        return (
            round((self._x[0] + across * self._x[1]) / 2) * 2,
            round((self._y[0] + down * self._y[1]) / 2) * 2,
        )


def _span(side: int, size: int, margin: float) -> tuple[float, float]:
    """First place and room to move along one side; the mark stays whole even where there is no margin left."""
    room = max(0.0, side - size - 2)
    start = min(margin, room / 2)
    return start, max(0.0, room - 2 * start)


def _moment(time_ms: int) -> tuple[int, float]:
    """The slot a time falls into and how far the mark has faded in there; the first is there from the first frame."""
    slot, into = divmod(time_ms, DWELL_MS)
    left = DWELL_MS - into
    begin = 1.0 if slot == 0 else into / FADE_MS
    return slot, max(0.25, min(1.0, begin, left / FADE_MS))


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


@dataclass(frozen=True, slots=True)
class _Mix:
    """How opaque the mark is, 0-1, and what it brings to a plane, 0-255, at full strength: float32 [height, width]."""

    cover: NDArray[np.float32]
    brought: NDArray[np.float32]

    def ink(self, strength: float) -> _Ink:
        kept = np.rint(256 - (256 * strength) * self.cover).astype(np.uint16)
        # A half for rounding, and never past what sixteen bits hold of a white plane.
        added = np.minimum((256 * strength) * self.brought + 128.5, 0xFFFF - 255 * kept)
        return _Ink(kept, added.astype(np.uint16))


def _mix(stamp: _Stamp, *, bright: bool, full_range: bool) -> list[_Mix]:
    """The mark for luma, and for chroma at half size."""
    black, white = (0.0, 255.0) if full_range else (16.0, 235.0)
    ink, edge = (black, white) if bright else (white, black)
    letters, outline = LETTER_ALPHA * stamp.letters, OUTLINE_ALPHA * stamp.outline
    cover = letters + outline
    half = cv2.resize(cover, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
    return [_Mix(cover, letters * ink + outline * edge), _Mix(half, half * 128)]


def _correlate(luma: NDArray[np.uint8], stamp: _Stamp, place: tuple[int, int]) -> float:
    """Correlate the frame at a place with letters against outline, one pixel about for rounding's sake."""
    x, y = place
    height, width = stamp.letters.shape
    pattern = stamp.letters - stamp.outline
    top, left = max(0, y - 2), max(0, x - 2)
    window = luma[top : y + height + 2, left : x + width + 2].astype(np.float32)
    if window.shape[0] < height or window.shape[1] < width or float(window.std()) == 0.0:
        return 0.0
    found = cv2.matchTemplate(window, pattern, cv2.TM_CCOEFF_NORMED)
    return float(found.flat[int(np.abs(found).argmax())])
