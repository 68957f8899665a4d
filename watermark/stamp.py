"""What the visible mark says, drawn: the words, who stands for them, and the label at a clip's start.

Draws from a spec alone and knows no place and no frame.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.lettering import ASCENT, DESCENT, CannotDraw, Fonts, is_rtl, plain, render, undrawable

LABELS: Final[Mapping[str, str]] = {
    "en": "AI-generated",
    "fr": "Généré par IA",
    "ar": "مُولَّد بالذكاء الاصطناعي",
}
#: Font sizes as shares of the short side: capitals of the label come to 5 % of it, those of the start label to 6.5 %.
LABEL_SIZE: Final = 0.072
NAMES_SIZE: Final = 0.05
START_SIZE: Final = 0.092
#: Below this, capitals of a start label would be lower than 5 % of the short side (GB 45438-2025).
START_LEAST: Final = 0.0705
WIDEST: Final = 0.92
SMALLEST_PX: Final = 9
CREATOR_LENGTH: Final = 24
#: How far the plate reaches beyond the letters, as a share of the short side.
PLATE_REACH: Final = 0.011


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLabel:
    """Words that stand in large letters at the top until a time, as some regions ask."""

    text: str
    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleSpec:
    """What the mark of one clip says, what its places follow from, and what they keep clear of.

    `avoid` is what `placing.keep_out` made of boxes. `size` is width and height of the frames that were marked; a
    verifier needs it for the exact places in a scaled copy, a marker does not. `fonts` are asked after the packaged
    ones. Without `label` it is the locale's.
    """

    platform: str
    creator: str
    locale: str
    mark_id: int
    key: bytes = field(repr=False)
    label: str = ""
    start: StartLabel | None = None
    avoid: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    fonts: Fonts = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The drawn mark for one frame size: coverage of letters, outline and plate, float32 [height, width], 0-1."""

    letters: NDArray[np.float32]
    outline: NDArray[np.float32]
    plate: NDArray[np.float32]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, even numbers."""
        height, width = self.letters.shape
        return width, height


def label(locale: str) -> str:
    """Return the words "AI-generated" in a language of ours; English for others."""
    return LABELS.get(locale.partition("-")[0].lower(), LABELS["en"])


def handle(creator: str, fonts: Fonts = ()) -> str:
    """Return a creator's handle as it is drawn: plain, capped, with an @; nothing where a letter cannot be drawn.

    A handle with letters left out could be somebody else's.
    """
    name = plain(creator).strip().lstrip("@")
    if undrawable(name, fonts):
        return ""
    kept, length = "", 0
    for character in name:
        length += not unicodedata.combining(character)
        if length > CREATOR_LENGTH:
            kept = kept[:-1] + "…"
            break
        kept += character
    return f"@{kept}" if kept else ""


def draw_stamp(spec: VisibleSpec, width: int, height: int) -> Stamp:
    """Draw the mark for frames of one size: the label, and below it platform and creator.

    Each name is set apart from all else, so that its own direction stays its own. Raises CannotDraw.
    """
    short, room = min(width, height), round(width * WIDEST)
    lines = [_fit(spec.label or label(spec.locale), short * LABEL_SIZE, spec.locale, room, spec.fonts)]
    names = [_fit(plain(spec.platform), short * NAMES_SIZE, "en", room, spec.fonts)]
    if creator := handle(spec.creator, spec.fonts):
        names.append(_fit(creator, short * NAMES_SIZE, _direction_of(creator), room, spec.fonts))
    lines.extend(_side_by_side(names, short * NAMES_SIZE, spec.locale, room))
    return _finished(_stack(lines, rtl=is_rtl(spec.locale)), short)


def draw_start(text: str, width: int, height: int, fonts: Fonts = ()) -> Stamp:
    """Draw a start label, one or more lines, for frames of one size.

    Raises CannotDraw, also where a line is so long that its letters would be lower than the rules allow.
    """
    short, room = min(width, height), round(width * WIDEST)
    lines = []
    for words in map(plain, text.split("\n")):
        line = _fit(words, short * START_SIZE, _direction_of(words), room, fonts)
        if line.shape[0] < (ASCENT + DESCENT) * short * START_LEAST and short * START_LEAST > SMALLEST_PX:
            raise CannotDraw(f"the start label {words!r} is too long to be written large enough")
        lines.append(line)
    return _finished(_centred(lines), short)


def _direction_of(text: str) -> str:
    """The locale to set a name in: its own first strong character decides, not its surroundings."""
    strong = next((unicodedata.bidirectional(c) for c in text if unicodedata.bidirectional(c) in {"L", "R", "AL"}), "L")
    return "en" if strong == "L" else "ar"


def _fit(text: str, size: float, locale: str, room: int, fonts: Fonts) -> NDArray[np.float32]:
    """Render a line at a size, smaller only when it would not fit the frame."""
    line = render(text, max(SMALLEST_PX, round(size)), locale, fonts)
    while line.shape[1] > room and size > SMALLEST_PX:
        size *= 0.9
        line = render(text, max(SMALLEST_PX, round(size)), locale, fonts)
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


def _centred(lines: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    widest = max(line.shape[1] for line in lines)
    sides = [((widest - line.shape[1]) // 2, (widest - line.shape[1] + 1) // 2) for line in lines]
    return np.vstack([np.pad(line, ((0, 0), side)) for line, side in zip(lines, sides, strict=True)])


def _finished(drawn: NDArray[np.float32], short: int) -> Stamp:
    """Trim what is empty, and add outline and plate; even sizes, for chroma has half the resolution."""
    inked = np.argwhere(drawn > 0)
    (top, left), (bottom, right) = (inked.min(axis=0), inked.max(axis=0) + 1) if len(inked) else ((0, 0), drawn.shape)
    border, reach = max(1, round(short / 360)), max(1, round(short * PLATE_REACH))
    around = border + reach
    odd = (bottom - top) % 2, (right - left) % 2
    letters = np.pad(drawn[top:bottom, left:right], ((around, around + odd[0]), (around, around + odd[1])))
    thick = cv2.dilate(letters, np.ones((2 * border + 1,) * 2, np.uint8))
    # Reaching as far as its own blur, it ends at nothing before the stamp does.
    wide = cv2.dilate(thick, np.ones((1 + 2 * (reach // 2),) * 2, np.uint8))
    plate = cv2.blur(wide, (1 + 2 * (reach // 2),) * 2, borderType=cv2.BORDER_CONSTANT)
    return Stamp(
        letters=letters,
        outline=np.clip(thick - letters, 0.0, 1.0).astype(np.float32),
        plate=plate.astype(np.float32),
    )
