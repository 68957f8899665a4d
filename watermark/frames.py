"""The frames that the marks are written into, and what a mark is to the one pass. Imports numpy only."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Planes:
    """One displayed frame in YUV 4:2:0, 8 bits: writable views, to be changed in place.

    `y` is uint8 [height, width]; `u` and `v` are uint8 [ceil(height / 2), ceil(width / 2)], all in displayed
    orientation. Rows may be strided. `time_ms` counts from the first displayed frame.
    """

    index: int
    time_ms: int
    y: NDArray[np.uint8]
    u: NDArray[np.uint8]
    v: NDArray[np.uint8]
    #: True when luma uses 0-255 rather than 16-235.
    full_range: bool = False


class FrameMarker(Protocol):
    """Writes one mark into a frame, in place."""

    def mark(self, planes: Planes) -> None: ...


def mark_frames(frames: Iterable[Planes], markers: Sequence[FrameMarker]) -> Iterator[Planes]:
    """Yield each frame with every marker applied, in the order given; holds one frame at a time."""
    for planes in frames:
        for marker in markers:
            marker.mark(planes)
        yield planes
