"""Reads frames out of an untrusted file for those who look at it: bounded in number, size and memory.

Writes nothing. Colour is converted for detectors only; marks are read from luma as it stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.limits import VideoLimits, VideoRefused
from watermark.orientation import Orientation
from watermark.planes import bgr, eight_bit, has_eight_bit_luma, plane_view
from watermark.probing import square_size
from watermark.sampling import Watch
from watermark.sources import Source, TimedFrame, decode_frames, open_source, orientation, refusing, sample_aspect


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledFrame:
    """One frame for a detector: `pixels` is uint8 [height, width, 3] in BGR, contiguous, as displayed.

    `index` counts the frames of the clip, not the samples; `time_ms` counts from the first displayed frame; `shot` is
    the shot it belongs to.
    """

    index: int
    time_ms: int
    pixels: NDArray[np.uint8]
    shot: int


def sample(path: Path, watch: Watch, *, long_side: int, limits: VideoLimits) -> Iterator[SampledFrame]:
    """Yield the frames that `watch` chooses; afterwards its account tells what was not chosen.

    Upright, with square samples, no side over `long_side` and never enlarged. A frame that is held longer than a
    step is yielded once. Raises VideoRefused; `no_frames` when nothing could be decoded.
    """
    with open_source(path, limits) as source:
        scaler, choice = _Scaler(source, long_side), None
        for choice in watch.choose(decode_frames(source)):
            yield scaler.sampled(choice.timed, choice.shot)
        if choice is None:
            raise VideoRefused("no_frames", "the file has no frame that can be shown")


def luma(
    path: Path,
    *,
    limits: VideoLimits,
    fps: float | None = None,
    long_side: int | None = None,
    threads: int = 2,
    hasty: bool = False,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield `(time_ms, luma)`, uint8 [height, width], upright and as coded: neither range nor sample aspect changed.

    Every frame, or the first at or after every 1/fps of a second. Without `long_side`, or when the frame is no
    larger, the array is a view of the decoder's own memory: read it, do not write, and copy what must outlive the
    iteration. `hasty` as in `open_source`, for a veil only. Raises VideoRefused; `no_frames` when nothing could be
    decoded.
    """
    step_ms = Fraction(1000) / Fraction(fps) if fps else Fraction(0)
    with open_source(path, limits, threads=threads, hasty=hasty) as source:
        due, turn = 0, None
        for timed in decode_frames(source):
            turn = orientation(timed.frame) if turn is None else turn
            if timed.time_ms >= due:
                yield timed.time_ms, upright_luma(timed.frame, turn, long_side)
                due = _next_due(timed.time_ms, step_ms) if step_ms else 0
        if turn is None:
            raise VideoRefused("no_frames", "the file has no frame that can be shown")


def pictures(path: Path, *, every: int, side: int, limits: VideoLimits) -> Iterator[tuple[int, int, NDArray[np.uint8]]]:
    """Yield `(index, time_ms, picture)` of every `every`-th frame, uint8 [side, side, 3] in BGR, full range, upright.

    Squeezed to a square, whatever the frame's shape. Raises VideoRefused; `no_frames` when nothing could be decoded.
    """
    with open_source(path, limits) as source:
        turn = None
        for timed in decode_frames(source):
            turn = orientation(timed.frame) if turn is None else turn
            if timed.index % every == 0:
                with refusing():
                    picture = bgr(timed.frame, side, side)
                yield timed.index, timed.time_ms, np.ascontiguousarray(turn.turn(picture))
        if turn is None:
            raise VideoRefused("no_frames", "the file has no frame that can be shown")


def _next_due(time_ms: int, step_ms: Fraction) -> int:
    """Return the first whole millisecond after `time_ms` at which a sample is due."""
    return int(ceil(Fraction(time_ms + 1) / step_ms) * step_ms)


class _Scaler:
    """Makes BGR pictures of one size from the frames of one source; all later frames follow the first."""

    def __init__(self, source: Source, long_side: int) -> None:
        self._aspect = sample_aspect(source)
        self._long_side = long_side
        self._turn: Orientation | None = None
        self._size = (0, 0)

    def sampled(self, timed: TimedFrame, shot: int) -> SampledFrame:
        frame = timed.frame
        if self._turn is None:
            self._turn = orientation(frame)
            self._size = fit(*square_size(frame.width, frame.height, self._aspect), self._long_side)
        with refusing():
            small = bgr(frame, *self._size)
        pixels = np.ascontiguousarray(self._turn.turn(small))
        return SampledFrame(index=timed.index, time_ms=timed.time_ms, pixels=pixels, shot=shot)


def fit(width: int, height: int, long_side: int) -> tuple[int, int]:
    """Return the size shrunk, never enlarged, so that no side is over `long_side`."""
    scale = min(Fraction(1), Fraction(long_side, max(width, height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def upright_luma(frame: av.VideoFrame, turn: Orientation, long_side: int | None) -> NDArray[np.uint8]:
    """Return a frame's luma, uint8 [height, width], as displayed, no side over `long_side`; perhaps a view of it."""
    if not has_eight_bit_luma(frame):
        with refusing():
            frame = eight_bit(frame)
    plane = plane_view(frame, 0)
    if long_side is not None and max(plane.shape) > long_side:
        plane = np.asarray(
            cv2.resize(plane, fit(plane.shape[1], plane.shape[0], long_side), interpolation=cv2.INTER_AREA), np.uint8
        )
    return turn.turn(plane)
