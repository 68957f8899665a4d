"""Text to a mask: bidirectional, shaped, drawn with the packaged fonts, the same on every machine.

Order by UAX #9 (python-bidi), shapes and outlines by HarfBuzz, both from their wheels: no library of the system has a
part in it. Refuses what its fonts cannot draw; never draws boxes.
"""

import importlib.util
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
import uharfbuzz as hb
from bidi import algorithm
from numpy.typing import NDArray

#: Packages that carry the fonts, tried in this order for each character.
FONT_PACKAGES: Final = ("fontpkg_noto_sans", "fontpkg_noto_sans_arabic")
WEIGHT: Final = 600
#: Line height over font size, from the lowest descender to the highest mark of the two fonts.
ASCENT: Final = 1.3
DESCENT: Final = 0.5
#: Marks that one letter may bear.
MARKS: Final = 2
#: Positions and outlines are counted in 64ths of a pixel.
UNITS: Final = 64
RIGHT_TO_LEFT: Final = frozenset({"ar", "fa", "he", "ur"})
#: Paths of font files that are asked after the packaged ones.
Fonts: TypeAlias = tuple[str, ...]


class CannotDraw(Exception):
    """A character for which no font has a glyph, or a font that cannot be read; the message says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Glyph:
    font: str
    index: int
    x: float
    y: float


def is_rtl(locale: str) -> bool:
    """Tell whether a language is written from right to left."""
    return locale.partition("-")[0].lower() in RIGHT_TO_LEFT


def plain(text: str) -> str:
    """Return the text without controls and direction marks, blanks made one, marks on a letter at most two.

    More marks would climb out of their line (the longest that a language of ours writes is a vowel over a doubling).
    """
    kept: list[str] = []
    for character in unicodedata.normalize("NFC", " ".join(text.split())):
        if unicodedata.category(character).startswith("C"):
            continue
        if unicodedata.combining(character) and len(kept) >= MARKS and all(map(unicodedata.combining, kept[-MARKS:])):
            continue
        kept.append(character)
    return "".join(kept)


def undrawable(text: str, fonts: Fonts = ()) -> str:
    """Return the characters of a plain text for which no font has a glyph, each once."""
    return "".join(dict.fromkeys(c for c in plain(text) if _font_of(c, _files(fonts)) is None))


def render(text: str, size_px: int, locale: str, fonts: Fonts = ()) -> NDArray[np.float32]:
    """Draw one line; returns coverage 0-1, float32 [height, width], trimmed to the advance width.

    `size_px` is the font size (em); the height is fixed by it, so that lines of one size align. The base direction is
    the locale's. Raises CannotDraw for a character that no font has.
    """
    glyphs, advance = _lay_out(text, size_px, "R" if is_rtl(locale) else "L", _files(fonts))
    height, width = round(size_px * (ASCENT + DESCENT)), max(1, round(advance))
    canvas = hb.RasterDraw()
    canvas.extents = hb.RasterExtents(
        x_origin=0, y_origin=-round(size_px * DESCENT), width=width, height=height, stride=0
    )
    canvas.scale_factor = (UNITS, UNITS)
    for glyph in glyphs:
        canvas.transform = (1.0, 0.0, 0.0, 1.0, glyph.x, glyph.y)
        canvas.draw_glyph(_sized(glyph.font, size_px), glyph.index)
    image = canvas.render()
    if image is None:
        return np.zeros((height, width), np.float32)
    drawn = image.extents
    rows = np.frombuffer(image.buffer, np.uint8).reshape(drawn.height, drawn.stride)[:, : drawn.width]
    # HarfBuzz counts rows from the baseline up.
    return (rows[::-1].astype(np.float32) / 255.0).copy()


def _lay_out(text: str, size_px: int, base: str, files: Fonts) -> tuple[list[_Glyph], float]:
    """Place the glyphs of a line on a baseline from 0 on; returns them with the advance, in pixels."""
    glyphs: list[_Glyph] = []
    pen = 0.0
    for run, rtl in _visual_runs(text, base):
        for font, part in _font_runs(run, files, rtl=rtl):
            buffer = hb.Buffer()
            buffer.add_str(part)
            buffer.guess_segment_properties()
            buffer.direction = "rtl" if rtl else "ltr"
            hb.shape(_sized(font, size_px), buffer, {"kern": True, "liga": True})
            for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
                x, y = pen + position.x_offset / UNITS, position.y_offset / UNITS
                glyphs.append(_Glyph(font=font, index=info.codepoint, x=x * UNITS, y=y * UNITS))
                pen += position.x_advance / UNITS
    return glyphs, pen


def _visual_runs(text: str, base: str) -> list[tuple[str, bool]]:
    """Cut a line into runs of one direction, in the order they stand from left to right (UAX #9, rule L2)."""
    by_level = groupby(_levels(text, base), key=lambda pair: pair[1])
    runs = [("".join(character for character, _ in run), level) for level, run in by_level]
    for threshold in range(max((level for _, level in runs), default=0), 0, -1):
        runs = _reverse_from(runs, threshold)
    return [(run, level % 2 == 1) for run, level in runs]


def _reverse_from(runs: list[tuple[str, int]], threshold: int) -> list[tuple[str, int]]:
    """Reverse every stretch of runs whose level is at least the threshold."""
    turned: list[tuple[str, int]] = []
    for deep, stretch in groupby(runs, key=lambda run: run[1] >= threshold):
        members = list(stretch)
        turned.extend(reversed(members) if deep else members)
    return turned


def _levels(text: str, base: str) -> list[tuple[str, int]]:
    """Resolve the embedding level of each character (UAX #9, rules X1 to I2)."""
    storage: Any = algorithm.get_empty_storage()
    storage["base_level"], storage["base_dir"] = (1 if base == "R" else 0), base
    algorithm.get_embedding_levels(text, storage)
    algorithm.explicit_embed_and_overrides(storage)
    algorithm.resolve_weak_types(storage)
    algorithm.resolve_neutral_types(storage, False)
    algorithm.resolve_implicit_levels(storage, False)
    return [(each["ch"], each["level"]) for each in storage["chars"]]


def _font_runs(run: str, files: Fonts, *, rtl: bool) -> list[tuple[str, str]]:
    """Cut a run of one direction into parts of one font, in visual order; marks and spaces follow their neighbour."""
    parts: list[tuple[str, str]] = []
    for character in run:
        font = _font_of(character, files)
        if font is None:
            raise CannotDraw(f"no font has U+{ord(character):04X} ({unicodedata.name(character, '?')})")
        joins = parts and (character == " " or unicodedata.combining(character))
        if parts and ((joins and _has(parts[-1][0], character)) or parts[-1][0] == font):
            parts[-1] = (parts[-1][0], parts[-1][1] + character)
        else:
            parts.append((font, character))
    return parts[::-1] if rtl else parts


def _font_of(character: str, files: Fonts) -> str | None:
    return next((font for font in files if _has(font, character)), None)


def _has(font: str, character: str) -> bool:
    return cast("int | None", _face_font(font).get_nominal_glyph(ord(character))) not in {None, 0}


def _files(fonts: Fonts) -> Fonts:
    return tuple(map(_packaged, FONT_PACKAGES)) + fonts


@cache
def _packaged(package: str) -> str:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise CannotDraw(f"the font package {package} is not installed")
    files = sorted(Path(spec.submodule_search_locations[0], "files").glob("*.ttf"))
    return str(next(path for path in files if "Italic" not in path.name))


@cache
def _face(font: str) -> Any:
    try:
        face = hb.Face(hb.Blob.from_file_path(font))
    except hb.HarfBuzzError as error:
        raise CannotDraw(f"the font {font} cannot be read") from error
    if not face.glyph_count:
        raise CannotDraw(f"{font} is no font")
    return face


@cache
def _face_font(font: str) -> Any:
    return hb.Font(_face(font))


@lru_cache(maxsize=64)
def _sized(font: str, size_px: int) -> Any:
    sized = hb.Font(_face(font))
    sized.scale = (size_px * UNITS, size_px * UNITS)
    sized.set_variations({"wght": WEIGHT})
    return sized
