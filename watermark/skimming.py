"""Looks through a file for what it shows, cheaper than a full decode. Not for marks, nor for what is stored."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watermark.limits import VideoLimits
from watermark.reader import upright_luma
from watermark.sources import FrameClock, open_source, orientation, refusing

#: Frames in a row that may be left out: more, and who encoded a copy could hide another film between two frames.
MOST_SKIPPED = 3


class Hidden(Exception):
    """More frames lie between two that others build on than may be left out: the file must be decoded whole."""


def skim(path: Path, *, limits: VideoLimits, step_ms: int, long_side: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (time in ms, luma uint8 [height, width]) about every `step_ms`; only of frames that others build on.

    Not smoothed by the decoder, so good for small pictures only. Raises VideoRefused, and Hidden at the end.
    """
    stated, shown, due, turn = [], [], 0, None
    with open_source(path, limits, threads=1, hasty=True) as source:
        clock, packets = FrameClock(source), source.handle.demux(source.video)
        while True:
            with refusing():
                packet = next(packets, None)
            if packet is None:
                break
            if packet.size and not packet.is_discard:
                stated.append(packet.pts if packet.pts is not None else packet.dts or 0)
            for timed in clock.decode(packet):
                shown.append(timed.ticks)
                if timed.time_ms >= due:
                    turn = orientation(timed.frame) if turn is None else turn
                    due = timed.time_ms + step_ms - step_ms // 4
                    yield timed.time_ms, upright_luma(timed.frame, turn, long_side)
    if most_between(stated, shown) > MOST_SKIPPED:
        raise Hidden


def most_between(stated: list[int], shown: list[int]) -> int:
    """Return how many stated times lie between two neighbours among the shown ones, or before or after all, at most."""
    places = np.searchsorted(np.unique(shown), np.setdiff1d(stated, shown))
    return int(np.bincount(places).max(initial=0))
