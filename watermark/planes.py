"""Decoded frames as planes of 8-bit YUV 4:2:0, upright and with even sides. Knows neither files nor marks."""

from functools import cache
from typing import Any, Final

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

from watermark.orientation import Orientation

#: Averages what it shrinks, and rounds the same way on every machine.
EXACT: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT
_UNSPECIFIED: Final = 2
_PQ: Final = 16
_EIGHT_BIT: Final = frozenset({"yuv420p", "yuvj420p"})


def plane_view(frame: av.VideoFrame, index: int) -> NDArray[np.uint8]:
    """Return plane `index` of an 8-bit planar frame as a writable view, uint8 [height, width]."""
    # Any: the stubs do not say that a plane is a buffer.
    plane: Any = frame.planes[index]
    stride = plane.line_size
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, abs(stride))
    return np.asarray(rows[:: -1 if stride < 0 else 1, : plane.width], dtype=np.uint8)


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether luma of this frame uses 0-255."""
    return frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")


def matrix_of(frame: av.VideoFrame) -> int:
    """Return the matrix to read colours by; where none is stated, high definition is BT.709 and the rest BT.601."""
    if frame.colorspace != _UNSPECIFIED:
        return int(frame.colorspace)
    return Colorspace.ITU709 if frame.height >= 720 or frame.width >= 1280 else Colorspace.ITU601


def has_eight_bit_luma(frame: av.VideoFrame) -> bool:
    """Whether plane 0 of the frame is 8-bit luma and nothing else."""
    layout = frame.format
    return bool(layout.is_planar and not layout.is_rgb and layout.components[0].bits == 8) and layout.name != "gray"


def eight_bit(frame: av.VideoFrame, width: int | None = None, height: int | None = None) -> av.VideoFrame:
    """Return the frame in 8-bit YUV 4:2:0 of its own range and matrix, scaled if a size is given.

    The same frame when it is that already. RGB becomes BT.709, limited range.
    """
    width, height = width or frame.width, height or frame.height
    if frame.format.name in _EIGHT_BIT and (frame.width, frame.height) == (width, height):
        return frame
    if frame.format.is_rgb:
        return frame.reformat(
            width, height, "yuv420p", dst_colorspace=Colorspace.ITU709, interpolation=EXACT, dst_color_range=1
        )
    kept = ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG
    layout = "yuvj420p" if kept == ColorRange.JPEG else "yuv420p"
    return frame.reformat(
        width, height, layout, interpolation=EXACT, src_color_range=kept, dst_color_range=kept, threads=1
    )


def bgr(frame: av.VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    """Return the frame scaled, uint8 [height, width, 3] in BGR, full range, in coded orientation.

    PQ is brought to the brightness of ordinary video, which is what nets were trained on; HLG looks right as it is.
    """
    source = ColorRange.JPEG if is_full_range(frame) else ColorRange.MPEG
    matrix = matrix_of(frame)
    small = frame.reformat(width, height, "bgr24", matrix, Colorspace.ITU709, EXACT, source, ColorRange.JPEG, threads=1)
    pixels = np.asarray(small.to_ndarray(), dtype=np.uint8)
    return np.asarray(cv2.LUT(pixels, _pq_to_ordinary()), dtype=np.uint8) if frame.color_trc == _PQ else pixels


@cache
def _pq_to_ordinary() -> NDArray[np.uint8]:
    """Map PQ code values (SMPTE ST 2084) to gamma 2.4, reference white at 203 nits (ITU-R BT.2408), knee at 70 %."""
    signal = np.linspace(0, 1, 256) ** (1 / 78.84375)
    light = (np.maximum(signal - 0.8359375, 0) / (18.8515625 - 18.6875 * signal)) ** (1 / 0.1593017578125)
    level = light * 10_000 / 203
    level = np.where(level > 0.7, 1 - 0.3 * np.exp(-(level - 0.7) / 0.3), level)
    return np.asarray(np.round(255 * level ** (1 / 2.4)), dtype=np.uint8)


class Canvas:
    """One frame that is drawn over again and again: a fresh one each time costs more in page faults than the copy.

    Upright and with even sides: an odd side is lengthened by repeating its last row or column. H.264 in 4:2:0 cannot
    crop by one, and cropping by two would lose a row of the picture.
    """

    def __init__(self, width: int, height: int, layout: str, turn: Orientation) -> None:
        coded = (height, width) if turn.transpose else (width, height)
        self._turn = turn
        self._upright = av.VideoFrame(width, height, layout)
        self._coded = None if turn.upright else av.VideoFrame(*coded, layout)

    def draw(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Return the canvas showing an 8-bit 4:2:0 frame, free to be changed until the next is drawn."""
        # An encoder that still holds the last picture keeps it: then this makes a new one.
        self._upright.make_writable()
        for index in range(3):
            plane, into = plane_view(frame, index), plane_view(self._upright, index)
            if self._coded is None:
                _extend(plane, into)
            else:
                even = plane_view(self._coded, index)
                _extend(plane, even)
                _turn_plane(even, into, self._turn)
        return self._upright


def _turn_plane(plane: NDArray[np.uint8], into: NDArray[np.uint8], turn: Orientation) -> None:
    """Do what `Orientation.turn` does, into rows that exist: some five times as fast as copying the view."""
    if turn.transpose:
        plane = np.asarray(cv2.transpose(plane), dtype=np.uint8)
    if turn.mirror or turn.flip:
        cv2.flip(plane, -1 if turn.mirror and turn.flip else int(turn.mirror), dst=into)
    else:
        np.copyto(into, plane)


def _extend(plane: NDArray[np.uint8], into: NDArray[np.uint8]) -> None:
    height, width = plane.shape
    into[:height, :width] = plane
    into[:height, width:] = plane[:, -1:]
    into[height:] = into[height - 1 : height]
