"""Attackers who know how the mark is made, but not its key: what they take away, before the copy is encoded again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.attacks.applying import frames_of
from watermark.frames import Planes
from watermark.invisible import InvisibleMarker
from watermark.payload import Payload
from watermark.planes import plane_view
from watermark.spreading import polarities

#: Luma in grey levels, float32 [h, w].
Residual = NDArray[np.float32]
#: How many clips of one key are put together to find what they have in common.
COMPANIONS: Final = 5
#: Below this many pixels lies the mark, above it the picture.
_BLUR: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loot:
    """What an attacker holds: the clip as delivered, and other clips of its size under the same key."""

    clip: Path
    companions: Sequence[Path] = ()


def _averaged(loot: Loot) -> Iterator[Any]:
    """Subtract the mean of all frames' detail: what never moves goes."""
    yield from _without(loot.clip, _residual(loot.clip, alternating=False), alternating=False)


def _averaged_by_polarity(loot: Loot) -> Iterator[Any]:
    """Average detail with the sign that the mark has at each moment, as anyone may who reads this program."""
    yield from _without(loot.clip, _residual(loot.clip, alternating=True), alternating=True)


def _median_of_clips(loot: Loot) -> Iterator[Any]:
    """Take away what five clips under one key have in common: the median of their averages."""
    residuals = [_residual(path, alternating=True) for path in (loot.clip, *loot.companions)][:COMPANIONS]
    common = np.median(np.stack(residuals), axis=0).astype(np.float32)
    yield from _without(loot.clip, common, alternating=True)


def _marked_again(loot: Loot) -> Iterator[Any]:
    """Lay another deployment's mark over ours."""
    marker: InvisibleMarker | None = None
    for index, frame in enumerate(frames_of(loot.clip)):
        luma = plane_view(frame, 0)
        if marker is None:
            other = Payload(mark_id=0xFEDCBA987654, key_version=1)
            marker = InvisibleMarker(other, b"another deployment's key".ljust(32), luma.shape[1], luma.shape[0])
        chroma = plane_view(frame, 1), plane_view(frame, 2)
        marker.mark(Planes(index=index, time_ms=round(frame.time * 1000), y=luma, u=chroma[0], v=chroma[1]))
        yield frame


REMOVERS: Final[Mapping[str, Callable[[Loot], Iterator[Any]]]] = {
    "all frames averaged, subtracted": _averaged,
    "the same, knowing the polarity": _averaged_by_polarity,
    "median of 5 clips, subtracted": _median_of_clips,
    "marked again by another key": _marked_again,
}
#: This one needs as many clips of the same size.
NEEDS_COMPANIONS: Final = "median of 5 clips, subtracted"


def _residual(path: Path, *, alternating: bool) -> Residual:
    total, count = np.zeros((1, 1), np.float32), 0
    for frame in frames_of(path):
        luma = plane_view(frame, 0).astype(np.float32)
        sign = _polarity(frame) if alternating else 1
        total = total + sign * (luma - cv2.GaussianBlur(luma, (0, 0), _BLUR))
        count += 1
    return np.asarray(total / max(count, 1), np.float32)


def _without(path: Path, residual: Residual, *, alternating: bool) -> Iterator[Any]:
    for frame in frames_of(path):
        luma = plane_view(frame, 0)
        sign = _polarity(frame) if alternating else 1
        luma[:] = np.clip(np.rint(luma - sign * residual), 0, 255).astype(np.uint8)
        yield frame


def _polarity(frame: Any) -> int:
    return int(polarities(np.array([round(frame.time * 1000)]))[0])
