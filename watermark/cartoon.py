"""A clip as a muted drawing: flat surfaces, outlines, little colour. Shows what happens, not how it looks.

For reviewers who want more than a blur and less than the picture. Must not be used to judge a likeness.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.limits import VideoLimits, VideoRefused
from watermark.orientation import Orientation
from watermark.planes import bgr
from watermark.probing import ColourTags, probe
from watermark.reader import fit
from watermark.sources import decode_frames, open_source, orientation, refusing
from watermark.writing import Encoding, PassReport, Picture, encode_frames

_LONG_SIDE: Final = 480
_FPS: Final = 12
#: Rounds of the bilateral filter, its neighbourhood, and how far levels and pixels may lie apart to be mixed.
_ROUNDS: Final = 3
_NEIGHBOURS: Final = 5
_LEVELS: Final = 40.0
_REACH: Final = 5.0
#: Levels of light that are left, and the share of colour.
_STEPS: Final = 8
_COLOUR: Final = 0.45
#: How dark an outline is drawn, and how much darker than its surroundings a pixel must be to be one.
_OUTLINE: Final = 0.35
_EDGE: Final = 6
_BT601: Final = ColourTags(full_range=False, primaries=6, transfer=6, matrix=6)


def cartoon(source: Path, target: Path, limits: VideoLimits) -> PassReport:
    """Write `source` as a drawing to `target`: H.264 in MP4, at most 480 pixels, times as in it, no sound.

    Surfaces by a bilateral filter (Tomasi and Manduchi 1998), outlines by an adaptive threshold. Raises VideoRefused.
    """
    described = probe(source, limits)
    width, height = fit(described.width, described.height, _LONG_SIDE)
    size = (width + width % 2, height + height % 2)
    picture = Picture(width=size[0], height=size[1], fps=Fraction(_FPS), colour=_BT601)
    encoding = Encoding(preset="superfast", crf=24, threads=1)
    return encode_frames(_frames(source, size, limits), picture, target, encoding=encoding)


def draw(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture, uint8 [height, width, 3] in BGR, as a drawing of the same shape."""
    flat = picture
    for _ in range(_ROUNDS):
        flat = np.asarray(cv2.bilateralFilter(flat, _NEIGHBOURS, _LEVELS, _REACH), np.uint8)
    grey = cv2.medianBlur(cv2.cvtColor(flat, cv2.COLOR_BGR2GRAY), 5)
    edges = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 9, _EDGE)
    coarse = cv2.LUT(flat, _STAIRS)
    muted = cv2.addWeighted(
        coarse, _COLOUR, cv2.cvtColor(cv2.cvtColor(coarse, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), 1 - _COLOUR, 0
    )
    ink = (1 - (1 - _OUTLINE) * edges.astype(np.float32))[:, :, None]
    return (np.asarray(muted, np.float32) * ink).astype(np.uint8)


_STAIRS: Final = ((np.arange(256) * _STEPS // 256 + 0.5) * (256 / _STEPS)).astype(np.uint8)


def _frames(path: Path, size: tuple[int, int], limits: VideoLimits) -> Iterator[Planes]:
    """Yield every frame that is due, drawn, in planes of BT.709."""
    turn, due, count = None, 0, 0
    with open_source(path, limits) as source:
        for timed in decode_frames(source):
            turn = orientation(timed.frame) if turn is None else turn
            if timed.time_ms < due:
                continue
            with refusing():
                small = bgr(timed.frame, *_before_turning(size, turn))
            drawn = draw(np.ascontiguousarray(turn.turn(small)))
            yield _planes(drawn, count, timed.time_ms)
            count, due = count + 1, -(-(timed.time_ms + 1) * _FPS // 1000) * 1000 // _FPS
    if turn is None:
        raise VideoRefused("no_frames", "the file has no frame that can be shown")


def _before_turning(size: tuple[int, int], turn: Orientation) -> tuple[int, int]:
    return size[::-1] if turn.transpose else size


def _planes(picture: NDArray[np.uint8], index: int, time_ms: int) -> Planes:
    """Convert to YUV 4:2:0 by BT.601, limited range, which is what OpenCV writes."""
    height, width = picture.shape[:2]
    packed = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
    chroma = packed[height:].reshape(2, height // 2, width // 2)
    return Planes(index=index, time_ms=time_ms, y=packed[:height], u=chroma[0], v=chroma[1])
