"""One trial: a marked clip is attacked and read blind, as verification reads it. Knows no files of results."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.attacks.applying import attacked, frames_of, screenshot
from moderation.attacks.changes import Attack
from moderation.attacks.videos import OWN_FILES
from watermark.frames import FrameMarker, Planes
from watermark.invisible import InvisibleMarker, InvisibleReading, read
from watermark.looking import LONG_SIDE
from watermark.payload import Payload
from watermark.planes import plane_view
from watermark.probing import Probe
from watermark.reader import fit
from watermark.rewriting import rewrite
from watermark.writing import Encoding

#: The clip's own id; another id; sure that a mark is there; nothing.
Outcome = Literal["recovered", "wrong", "damaged", "lost"]
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of a mark, how it was found, after how much of the copy, and the reader's CPU seconds."""

    outcome: Outcome
    view: str | None
    looked_at_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Luma before and after marking, in decibels: over a whole clip (of the mean squared error), and of one frame."""

    psnr_y: float
    psnr_y_worst_frame: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A deployment's key and the payload of one of its clips; drawn from a seed, so that a run can be repeated."""

    key: bytes
    payload: Payload

    @classmethod
    def of(cls, clip: str, seed: int) -> "Owner":
        """Return the owner of a clip: one key for all clips of a seed, an id for each."""
        mark_id = int.from_bytes(_drawn("id", clip, seed)[:6])
        return cls(key=key_for("ours", seed), payload=Payload(mark_id=mark_id, key_version=_VERSION))

    def mark(self, source: Path, target: Path, encoding: Encoding) -> Fidelity:
        """Put the invisible mark on as the service does."""
        watched: list[_WatchedMarker] = []

        def make(described: Probe) -> tuple[FrameMarker, ...]:
            size = described.plane_width, described.plane_height
            watched.append(_WatchedMarker(InvisibleMarker(self.payload, self.key, *size)))
            return (watched[0],)

        rewrite(source, target, make, encoding=encoding, limits=OWN_FILES)
        return watched[0].fidelity

    def try_attack(self, frames: Iterable[Any], attack: Attack) -> Trial:
        """Read what an attack makes of the clip's decoded frames."""
        made: list[float] = []
        return self._judge(lumas(attacked(frames, attack, made)), made)

    def try_screenshot(self, marked: Path, at_seconds: float, keep: float) -> Trial:
        """Read one frame saved as a picture."""
        luma = screenshot(frames_of(marked), at_seconds, keep)
        return self._judge(iter([(0, _small(luma))]), [])

    def _judge(self, pictures: Iterator[tuple[int, NDArray[np.uint8]]], made: list[float]) -> Trial:
        seen: list[int] = []
        began = time.thread_time()
        reading = read(_noting(pictures, seen.append), {_VERSION: self.key})
        spent = time.thread_time() - began - sum(made)
        return Trial(
            outcome=self._outcome(reading),
            view=reading.view,
            looked_at_seconds=round(seen[-1] / 1000, 2) if seen else 0.0,
            cpu_seconds=round(spent, 2),
        )

    def _outcome(self, reading: InvisibleReading) -> Outcome:
        if reading.payload is not None:
            return "recovered" if reading.payload == self.payload else "wrong"
        return "damaged" if reading.state == "damaged" else "lost"


class _WatchedMarker:
    """The invisible marker, and how far it moves luma."""

    def __init__(self, marker: InvisibleMarker) -> None:
        self._marker = marker
        self._squares: list[float] = []

    def mark(self, planes: Planes) -> None:
        """Mark as the marker does."""
        before = planes.y.astype(np.int16)
        self._marker.mark(planes)
        self._squares.append(float(np.square(planes.y - before).mean()))

    @property
    def fidelity(self) -> Fidelity:
        """Of all frames seen so far."""
        squares = self._squares
        return Fidelity(psnr_y=decibels(float(np.mean(squares))), psnr_y_worst_frame=decibels(max(squares)))


def lumas(frames: Iterable[Any]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield (time in ms, luma) of decoded frames as `watermark.reader.luma` does of a file's."""
    start: float | None = None
    for frame in frames:
        start = frame.time if start is None else start
        yield round((frame.time - start) * 1000), _small(plane_view(frame, 0))


def _noting(
    pictures: Iterator[tuple[int, NDArray[np.uint8]]], note: Callable[[int], None]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    for time_ms, picture in pictures:
        note(time_ms)
        yield time_ms, picture


def key_for(whose: str, seed: int) -> bytes:
    """Return a key, 32 bytes, that is the same for the same seed. For benches only."""
    return _drawn("key", whose, seed)


def degradation(marked: Path, frames: Iterable[Any], count: int) -> float:
    """Return PSNR-Y in decibels of a copy's first frames against the clip as delivered: what an attack costs."""
    pairs = zip(range(count), frames_of(marked), frames, strict=False)
    errors = [_squared(plane_view(before, 0), plane_view(after, 0)) for _, before, after in pairs]
    return decibels(float(np.mean(errors)))


def decibels(mean_squared_error: float) -> float:
    """Return the peak signal-to-noise ratio of a squared error in grey levels; 99 for none at all."""
    return round(float(10 * np.log10(255**2 / mean_squared_error)), 2) if mean_squared_error > 0 else 99.0


def _squared(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    return float(np.square(before.astype(np.int16) - after).mean())


def _small(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if max(luma.shape) <= LONG_SIDE:
        return luma
    size = fit(luma.shape[1], luma.shape[0], LONG_SIDE)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), np.uint8)


def _drawn(*what: object) -> bytes:
    return hashlib.sha256("/".join(map(str, what)).encode()).digest()
