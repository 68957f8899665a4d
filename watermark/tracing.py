"""Codes drawn into what one person is shown, small and at the edges, so that a leaked copy tells whose it was.

Beside the clip's own marks, never instead of them. Draws any short text; must not know what its codes stand for.
"""

import hashlib
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.frames import Planes
from watermark.lettering import render
from watermark.limits import VideoLimits, VideoRefused
from watermark.probing import Probe
from watermark.rewriting import rewrite
from watermark.writing import Encoding, PassReport

#: Font size as a share of the short side, and the least that can be read.
_SIZE: Final = 0.03
_SMALLEST_PX: Final = 9
#: How long the codes stand at one place, and between which places of the frame's edge they go: shares of the free room.
_DWELL_MS: Final = 2_000
_PLACES: Final = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0), (0.0, 0.5), (1.0, 0.5))
#: What stays of the ground under the letters, and how bright these are.
_GROUND: Final = 0.5
_INK: Final = 150.0
#: It is looked at once or twice and thrown away: made quickly rather than small.
_ENCODING: Final = Encoding(preset="ultrafast", crf=23, threads=2)
_QUALITY: Final = 80


class TraceMarker:
    """Draws one text into frames of one size; an FrameMarker for the one pass. Raises CannotDraw."""

    def __init__(self, text: str, width: int, height: int) -> None:
        drawn = _drawn(text, width, height)
        self._letters = drawn * _INK
        self._ground = np.full(drawn.shape, _GROUND, np.float32)
        self._free = (width - drawn.shape[1], height - drawn.shape[0])
        self._first = hashlib.sha256(text.encode()).digest()[0]

    def mark(self, planes: Planes) -> None:
        """Draw the text into one frame, in place; the ground under it loses its colour and half of its light."""
        x, y = self.place(planes.time_ms)
        height, width = self._letters.shape
        luma = planes.y[y : y + height, x : x + width]
        np.copyto(luma, luma * self._ground + self._letters, casting="unsafe")
        for chroma in (planes.u, planes.v):
            chroma[y // 2 : (y + height) // 2, x // 2 : (x + width) // 2] = 128

    def place(self, time_ms: int) -> tuple[int, int]:
        """Where the text stands at a time: column and row, even, of its upper left corner."""
        across, down = _PLACES[(self._first + time_ms // _DWELL_MS) % len(_PLACES)]
        return 2 * round(self._free[0] * across / 2), 2 * round(self._free[1] * down / 2)


def trace(source: Path, target: Path, text: str, limits: VideoLimits) -> PassReport:
    """Write `source` with `text` drawn over it to `target`, at its own size and without sound. Raises VideoRefused."""

    def markers(described: Probe) -> tuple[TraceMarker]:
        return (TraceMarker(text, described.plane_width, described.plane_height),)

    return rewrite(source, target, markers, encoding=_ENCODING, limits=limits, silent=True)


def trace_still(source: Path, text: str, limits: VideoLimits) -> bytes:
    """Return a JPEG with `text` drawn into a lower corner of it. Raises VideoRefused for what is no such picture."""
    data = np.fromfile(source, np.uint8)
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR) if 0 < len(data) <= limits.max_bytes else None
    if pixels is None or pixels.shape[0] * pixels.shape[1] > limits.max_pixels:
        raise VideoRefused("decode_failed", "the still cannot be read")
    drawn = _drawn(text, pixels.shape[1], pixels.shape[0])[:, :, None]
    corner = pixels[-drawn.shape[0] :, -drawn.shape[1] :]
    np.copyto(corner, corner * _GROUND + drawn * _INK, casting="unsafe")
    return jpeg(np.asarray(pixels, np.uint8))


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """Encode a picture, uint8 [height, width] or [height, width, 3] in BGR. Raises VideoRefused."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise VideoRefused("decode_failed", "a still could not be encoded")
    return bytes(data)


def _drawn(text: str, width: int, height: int) -> NDArray[np.float32]:
    """Render the text for a frame, 0-1, even sizes, cut off where the frame is narrower than it."""
    line = render(text, max(_SMALLEST_PX, round(min(width, height) * _SIZE)), "en")
    line = np.pad(line, ((0, line.shape[0] % 2), (4, 4 + line.shape[1] % 2)))
    return line[: height - height % 2, : width - width % 2]
