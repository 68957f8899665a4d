"""Decodes the sound track of an untrusted file for those who listen: one channel, 16 kHz, on the clip's time axis.

Writes nothing and decodes no picture. Must run in the child process that opens untrusted files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
import numpy as np
from av.stream import Discard
from numpy.typing import NDArray

from watermark.limits import VideoLimits, VideoRefused
from watermark.sources import AUDIO_DECODERS, Source, open_source, refusing

#: Samples in a second of what is heard.
RATE: Final = 16_000
#: Containers of recordings, as libavformat names them.
RECORDINGS: Final = "wav,flac,mp3,ogg,mov,matroska"
#: A hole in the track's times is filled with silence from here on; less is jitter.
_HOLE: Final = Fraction(1, 20)
#: Codecs pad: so many samples over the longest clip are no attack.
_GRACE: Final = RATE

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A sound track: float32 [count], mono, 16 kHz; `start_ms` from the first displayed frame, negative before it."""

    start_ms: int
    samples: Floats


def listen(path: Path, *, limits: VideoLimits) -> Heard | None:
    """Return what players play beside the pictures; None when the file has no sound track, or one without a sample.

    Every channel is mixed into one and resampled by libswresample. What an edit list hides is left out; holes become
    silence, and where stated times run backwards the samples simply follow one another. At most
    `limits.max_duration_ms` (and a second) of sound is held.
    Raises VideoRefused: `decode_failed` for sound that cannot be decoded, `too_long`, and as `open_source`.
    """
    with open_source(path, limits, threads=1) as source:
        if source.audio is None:
            return None
        tape, first_frame = _Tape(limits), None
        for packet in _packets(source):
            if packet.stream is source.video:
                first_frame = _earlier(first_frame, packet)
            else:
                for frame in _decoded(packet):
                    tape.take(frame)
        tape.finish()
        if tape.start is None or not tape.count:
            return None
        start_ms = round((tape.start - (first_frame or Fraction(0))) * 1000)
        return Heard(start_ms=start_ms, samples=tape.samples())


def listen_to_recording(path: Path, *, limits: VideoLimits) -> Heard | None:
    """Return the first sound track of a file that needs no pictures: WAVE, FLAC, MP3, Ogg, MP4 or Matroska.

    Bounded and mixed as in `listen`. Raises VideoRefused: `too_large`, `not_video`, `decode_failed`, `too_long`.
    """
    options = {
        "protocol_whitelist": "file",
        "format_whitelist": RECORDINGS,
        "codec_whitelist": ",".join(sorted(AUDIO_DECODERS)),
        "threads": "1",
    }
    if path.stat().st_size > limits.max_bytes:
        raise VideoRefused("too_large", f"the file has more than {limits.max_bytes} bytes", limits.max_bytes)
    try:
        handle = av.open(str(path.absolute()), "r", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoRefused("not_video", "the file is no recording that is accepted") from error
    with handle:
        tape = _Tape(limits)
        for stream in list(handle.streams.audio)[:1]:
            with refusing():
                for frame in handle.decode(stream):
                    tape.take(frame)
        tape.finish()
        return Heard(start_ms=0, samples=tape.samples()) if tape.count else None


def _packets(source: Source) -> Iterator[Any]:
    for stream in source.handle.streams:
        if stream not in (source.video, source.audio):
            stream.discard = Discard.all
    packets = source.handle.demux(source.video, source.audio)
    while True:
        with refusing():
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _earlier(known: Fraction | None, packet: Any) -> Fraction | None:
    """Return when the first displayed frame is displayed, in seconds of the file's clock, by the packets so far."""
    time = packet.pts if packet.pts is not None else packet.dts
    if time is None or not packet.size or packet.is_discard:
        return known
    seconds: Fraction = time * packet.time_base
    return seconds if known is None else min(known, seconds)


def _decoded(packet: Any) -> list[Any]:
    if packet.is_corrupt:
        raise VideoRefused("truncated", "the file ends within its sound")
    with refusing():
        return list(packet.decode())


class _Tape:
    """Takes decoded frames of sound and lays them end to end."""

    def __init__(self, limits: VideoLimits) -> None:
        self._limits = limits
        self._most = limits.max_duration_ms * RATE // 1000 + _GRACE
        self._pieces: list[Floats] = []
        self._resampler: Any = None
        self._form: tuple[str, str, int] | None = None
        #: When the first sample is heard, and when the next one is due, in seconds of the file's clock.
        self.start: Fraction | None = None
        self._due = Fraction(0)
        self.count = 0

    def take(self, frame: Any) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if not frame.sample_rate or not frame.samples:
            return
        if form != self._form:
            self.finish()
            self._form = form
            with refusing():
                self._resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        self._place(frame)
        # The samples are placed by their count: times that a resampler made up would only blur that.
        frame.pts = None
        with refusing():
            resampled = self._resampler.resample(frame)
        self._keep(resampled)
        self._due += Fraction(frame.samples, frame.sample_rate)

    def finish(self) -> None:
        """Take what the resampler still holds."""
        if self._resampler is not None:
            with refusing():
                rest = self._resampler.resample(None)
            self._keep(rest)
            self._resampler = None

    def samples(self) -> Floats:
        """Return everything, float32 [count], within -1 to 1."""
        return np.clip(np.concatenate(self._pieces), -1.0, 1.0)

    def _place(self, frame: Any) -> None:
        stated = None if frame.pts is None else frame.pts * Fraction(frame.time_base)
        if self.start is None:
            self.start = self._due = stated or Fraction(0)
        elif stated is not None and stated - self._due > _HOLE:
            self._add(np.zeros(self._within(round((stated - self._due) * RATE)), np.float32))
            self._due = stated

    def _keep(self, frames: list[Any]) -> None:
        for frame in frames:
            self._add(np.nan_to_num(frame.to_ndarray().reshape(-1)).astype(np.float32))

    def _add(self, samples: Floats) -> None:
        self.count += self._within(len(samples))
        self._pieces.append(samples)

    def _within(self, more: int) -> int:
        """Return `more`, unless the tape would grow beyond the longest clip."""
        if self.count + more > self._most:
            most = self._limits.max_duration_ms
            raise VideoRefused("too_long", f"the sound lasts more than {most} ms", most)
        return more
