"""Clips that the caller hands in as files: their first seconds, upright, in their own size and rate, without sound."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av

from watermark.limits import VideoLimits
from watermark.planes import Canvas, eight_bit, plane_view
from watermark.probing import Probe, probe
from watermark.rewriting import encode_frames, picture_of
from watermark.sources import decode_frames, open_source
from watermark.writing import Encoding, FramePlanes

#: The caller's own files, of which the first seconds are taken, and copies of those without any loss.
OWN_FILES: Final = VideoLimits(max_bytes=1 << 38, max_duration_ms=10_800_000, max_frames=1_000_000)
#: Attacks cut off 1.4 s; something must be left.
SHORTEST: Final = 2.0
#: Constant rate factor 0 of x264 changes no sample.
_LOSSLESS: Final = Encoding(preset="ultrafast", crf=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A file of the caller's; `name` is its stem, fit for a table and a path."""

    name: str
    path: Path
    sha256: str
    probe: Probe

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames that are marked, in pixels; even."""
        return self.probe.plane_width, self.probe.plane_height

    @property
    def seconds(self) -> float:
        """How long the file lasts."""
        return self.probe.duration_ms / 1000

    @property
    def described(self) -> str:
        """Return what it is, for a table."""
        width, height = self.size
        return f"your own: {width} x {height}, {self.probe.fps:g} frames a second"

    def frames(self, start: float, end: float) -> Iterator[av.VideoFrame]:
        """Yield the frames shown between two times in seconds, upright and in eight bits, valid until the next is.

        Raises VideoRefused.
        """
        picture = picture_of(self.probe)
        canvas = Canvas(picture.width, picture.height, picture.layout, self.probe.orientation)
        with open_source(self.path, OWN_FILES) as opened:
            first: int | None = None
            for timed in decode_frames(opened):
                first = timed.ticks if first is None else first
                if timed.time_ms >= end * 1000:
                    return
                if timed.time_ms >= start * 1000:
                    frame = canvas.draw(eight_bit(timed.frame, self.probe.coded_width, self.probe.coded_height))
                    tick = opened.time_base / picture.time_base
                    frame.pts, frame.duration = round((timed.ticks - first) * tick), round(timed.frame.duration * tick)
                    frame.time_base = picture.time_base
                    yield frame

    def write(self, path: Path, seconds: float) -> None:
        """Write the first seconds, silent, without loss. Raises VideoRefused."""
        frames = (_planes(frame, index) for index, frame in enumerate(self.frames(0, seconds)))
        encode_frames(frames, picture_of(self.probe), path, encoding=_LOSSLESS)


def open_video(path: Path) -> Video:
    """Look at a file of the caller's. Raises VideoRefused where it is no clip, ValueError where it is too short."""
    described = probe(path, OWN_FILES)
    if described.duration_ms < SHORTEST * 1000:
        raise ValueError(f"the clip lasts {described.duration_ms / 1000:g} s: attacks that cut need {SHORTEST:g} s")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Video(name=re.sub(r"[^\w.()+-]+", "_", path.stem), path=path, sha256=digest, probe=described)


def _planes(frame: av.VideoFrame, index: int) -> FramePlanes:
    y, u, v = (plane_view(frame, number) for number in range(3))
    time_ms, ticks = round((frame.time or 0) * 1000), frame.pts or 0
    return FramePlanes(index=index, time_ms=time_ms, y=y, u=u, v=v, frame=frame, ticks=ticks, duration=frame.duration)
