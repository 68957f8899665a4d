"""A clip at a glance: twenty blurred grey stills in one picture, stills of chosen moments, and how much it flashes.

One pass over the luma of every frame. Must run in the child that opens untrusted files; judges nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.flashes import FlashCounter
from watermark.limits import VideoLimits
from watermark.probing import probe
from watermark.reader import fit, luma
from watermark.tracing import jpeg
from watermark.veiling import VEIL_BLUR, blurred

COLUMNS: Final = 10
ROWS: Final = 2
#: Longer side of one still in the strip, and of a still by itself.
_STRIP_SIDE: Final = 160
_STILL_SIDE: Final = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The strip and the stills as JPEG, the times of the strip's stills, and flashes as `FlashCounter` counts them."""

    strip: bytes
    times_ms: tuple[int, ...]
    stills: tuple[bytes, ...]
    flashes: int
    flashing_from_ms: int | None


def times_of(duration_ms: int) -> list[int]:
    """When the stills of a strip are taken: in the middle of equal parts."""
    count = COLUMNS * ROWS
    return [duration_ms * (2 * n + 1) // (2 * count) for n in range(count)]


def survey(path: Path, stills_ms: Sequence[int], limits: VideoLimits) -> Survey:
    """Look at every frame once. A still shows what is displayed at its time, past the end the last frame.

    `stills_ms` need not be sorted. Raises VideoRefused.
    """
    described = probe(path, limits)
    times = times_of(described.duration_ms)
    size = fit(described.width, described.height, _STRIP_SIDE)
    large = fit(described.width, described.height, _STILL_SIDE)
    wanted, counter = sorted({*times, *stills_ms}), FlashCounter(full_range=described.colour.full_range)
    shown: NDArray[np.uint8] | None = None
    kept: dict[int, NDArray[np.uint8]] = {}
    for time_ms, plane in luma(path, limits=limits, long_side=_STILL_SIDE):
        while shown is not None and wanted and wanted[0] < time_ms:
            kept[wanted.pop(0)] = shown
        # A frame that is small already is lent by the decoder.
        shown = plane.copy()
        counter.see(time_ms, shown)
    assert shown is not None
    kept.update(dict.fromkeys(wanted, shown))
    pieces = [_soft(kept[time_ms], size, full_range=described.colour.full_range) for time_ms in times]
    return Survey(
        strip=jpeg(np.vstack([np.hstack(pieces[row * COLUMNS :][:COLUMNS]) for row in range(ROWS)])),
        times_ms=tuple(times),
        stills=tuple(jpeg(_soft(kept[at], large, full_range=described.colour.full_range)) for at in stills_ms),
        flashes=counter.most_in_a_second,
        flashing_from_ms=counter.from_ms,
    )


def _soft(plane: NDArray[np.uint8], size: tuple[int, int], *, full_range: bool) -> NDArray[np.uint8]:
    """Luma at `size`, blurred as the veil is, in the full range that pictures have."""
    small = blurred(np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8), VEIL_BLUR)
    return small if full_range else np.clip((small.astype(np.float32) - 16) * (255 / 219), 0, 255).astype(np.uint8)
