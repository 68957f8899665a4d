"""What a reviewer sees before choosing to see more: a small, blurred, grey, silent clip, and blurred stills.

Made by the server, so that no browser setting can lift it. Must not be used to judge or to read marks.
"""

from collections.abc import Iterator, Sequence
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
from watermark.probing import ColourTags, Probe, probe, square_size
from watermark.reader import fit, luma
from watermark.sources import TimedFrame, decode_frames, open_source, orientation, refusing, sample_aspect
from watermark.writing import BT709, Encoding, PassReport, Picture, encode_frames

VEIL_LONG_SIDE: Final = 240
VEIL_FPS: Final = 15
#: Standard deviation of the blur as a share of the long side: shapes and motion stay, faces and bodies do not.
VEIL_BLUR: Final = 1 / 28
#: A hasty pass that leaves the picture standing longer than this is done again with every frame.
_WIDEST_GAP_MS: Final = 250
_QUALITY: Final = 80
#: A face cut out: of a frame so large, with so much around it as a share of its box, to so many pixels.
CROP_OUT_OF: Final = 1280
CROP_MARGIN: Final = 0.4
CROP_SIDE: Final = 240


def veil(source: Path, target: Path, limits: VideoLimits) -> PassReport:
    """Write the veiled rendition of `source` to `target`: H.264 in MP4, times as in the source, no sound.

    To be cheap it leaves out frames that no other frame builds on, unless too little would remain. Raises VideoRefused.
    """
    described = probe(source, limits)
    veiled = _Veiled(source, described, limits)
    report = veiled.write(target, hasty=True)
    return veiled.write(target, hasty=False) if veiled.widest_gap_ms > _WIDEST_GAP_MS else report


def stills(path: Path, times_ms: Sequence[int], *, long_side: int, blur: float, limits: VideoLimits) -> list[bytes]:
    """Return a JPEG of the frame displayed at each time, in the order of `times_ms`, which need not be sorted.

    Upright, with square samples, no side over `long_side`. `blur` is the standard deviation as a share of the long
    side, 0 for none. A time past the end gets the last frame. Raises VideoRefused.
    """
    wanted = sorted(set(times_ms))
    made: dict[int, bytes] = {}
    with open_source(path, limits) as source:
        aspect = sample_aspect(source)
        for time_ms, timed in _displayed_at(decode_frames(source), wanted):
            made[time_ms] = _jpeg(timed, aspect, long_side, blur)
    return [made[time_ms] for time_ms in times_ms]


def crop(path: Path, time_ms: int, box: Sequence[float], *, veiled: bool, limits: VideoLimits) -> bytes:
    """Return a JPEG of what is displayed at `time_ms` around a box (left, top, width, height as shares of the frame).

    Veiled it is grey and as blurred as the whole frame is beneath the veil: a small part of it shows no more.
    Raises VideoRefused.
    """
    with open_source(path, limits) as source:
        aspect = sample_aspect(source)
        ((_, timed),) = _displayed_at(decode_frames(source), [time_ms])
        pixels = _upright(timed, aspect, VEIL_LONG_SIDE if veiled else CROP_OUT_OF)
    if veiled:
        pixels = np.asarray(cv2.cvtColor(blurred(pixels, VEIL_BLUR), cv2.COLOR_BGR2GRAY), np.uint8)
    height, width = pixels.shape[:2]
    left, top, wide, high = box
    part = pixels[
        max(0, int((top - CROP_MARGIN * high) * height)) : max(1, round((top + (1 + CROP_MARGIN) * high) * height)),
        max(0, int((left - CROP_MARGIN * wide) * width)) : max(1, round((left + (1 + CROP_MARGIN) * wide) * width)),
    ]
    if not part.size:
        raise VideoRefused("decode_failed", "there is nothing at this place of the frame")
    share = CROP_SIDE / max(part.shape[:2])
    size = max(2, round(part.shape[1] * share)), max(2, round(part.shape[0] * share))
    return _encoded(np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_CUBIC), np.uint8))


def blurred(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Return the picture, uint8 [height, width] or [height, width, 3], blurred by this share of its long side."""
    if share <= 0:
        return picture
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), share * max(picture.shape[:2])), dtype=np.uint8)


class _Veiled:
    """The veiled frames of one clip."""

    def __init__(self, source: Path, described: Probe, limits: VideoLimits) -> None:
        self._source = source
        self._limits = limits
        width, height = fit(described.width, described.height, VEIL_LONG_SIDE)
        self._size = (width + width % 2, height + height % 2)
        self._full_range = described.colour.full_range
        self.widest_gap_ms = 0

    def write(self, target: Path, *, hasty: bool) -> PassReport:
        colour = (
            ColourTags(full_range=self._full_range, primaries=2, transfer=2, matrix=2) if self._full_range else BT709
        )
        picture = Picture(width=self._size[0], height=self._size[1], fps=Fraction(VEIL_FPS), colour=colour)
        encoding = Encoding(preset="superfast", crf=26, threads=1)
        return encode_frames(self._frames(hasty=hasty), picture, target, encoding=encoding)

    def _frames(self, *, hasty: bool) -> Iterator[Planes]:
        grey = np.full((self._size[1] // 2, self._size[0] // 2), 128, np.uint8)
        before = self.widest_gap_ms = 0
        for index, (time_ms, plane) in enumerate(luma(self._source, limits=self._limits, fps=VEIL_FPS, hasty=hasty)):
            self.widest_gap_ms = max(self.widest_gap_ms, time_ms - before)
            before = time_ms
            yield Planes(
                index=index,
                time_ms=time_ms,
                y=_softened(plane, self._size),
                u=grey,
                v=grey,
                full_range=self._full_range,
            )


def _softened(plane: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return luma at `size`, blurred by `VEIL_BLUR`; blurred at a quarter of the size, which looks the same."""
    quarter = (max(1, size[0] // 4), max(1, size[1] // 4))
    rows = plane[:: max(1, plane.shape[0] // (4 * quarter[1]))]
    tiny = np.asarray(cv2.resize(rows, quarter, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.asarray(cv2.resize(blurred(tiny, VEIL_BLUR), size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _displayed_at(frames: Iterator[TimedFrame], wanted: list[int]) -> Iterator[tuple[int, TimedFrame]]:
    """Pair each wanted time with the frame on display then; stops decoding after the last."""
    waiting, shown = list(wanted), None
    for timed in frames:
        while shown is not None and waiting and waiting[0] < timed.time_ms:
            yield waiting.pop(0), shown
        if not waiting:
            return
        shown = timed
    if shown is None:
        raise VideoRefused("no_frames", "the file has no frame that can be shown")
    yield from ((time_ms, shown) for time_ms in waiting)


def _jpeg(timed: TimedFrame, aspect: Fraction, long_side: int, blur: float) -> bytes:
    return _encoded(blurred(_upright(timed, aspect, long_side), blur))


def _upright(timed: TimedFrame, aspect: Fraction, long_side: int) -> NDArray[np.uint8]:
    frame = timed.frame
    turn: Orientation = orientation(frame)
    with refusing():
        pixels = bgr(frame, *fit(*square_size(frame.width, frame.height, aspect), long_side))
    return np.ascontiguousarray(turn.turn(pixels))


def _encoded(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise VideoRefused("decode_failed", "a still could not be encoded")
    return bytes(data)
