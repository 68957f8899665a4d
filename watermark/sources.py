"""An untrusted file opened for decoding: one demuxer, known decoders, bounded frames, times from the first frame.

Opens no second file and no network address, whatever the file asks for. Must run in the child process that opens
untrusted files when the file is not our own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.error
from av.stream import Disposition

from watermark.containers import Container, inspect
from watermark.limits import VideoLimits, VideoRefused
from watermark.orientation import UPRIGHT, Orientation, orientation_of

VIDEO_DECODERS: Final = frozenset(
    {
        "h264",
        "hevc",
        "libdav1d",
        "vp8",
        "vp9",
        "libvpx",
        "libvpx-vp9",
        "mpeg4",
        "mjpeg",
        "prores",
        "dnxhd",
        "mpeg2video",
    }
)
AUDIO_DECODERS: Final = frozenset(
    {"aac", "mp3float", "mp3", "opus", "libopus", "vorbis", "flac", "alac", "ac3", "eac3"}
    | {
        f"pcm_{kind}"
        for kind in ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "u8", "alaw", "mulaw")
    }
)
#: How many times wider than tall, or taller than wide, a sample may be; more is an attack or a mistake.
MAX_STRETCH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFrame:
    """A decoded frame in coded orientation; `ticks` is its time in the stream's own base, strictly rising."""

    index: int
    time_ms: int
    ticks: int
    frame: av.VideoFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An open file and the tracks chosen from it."""

    container: Container
    handle: Any
    video: Any
    audio: Any | None
    limits: VideoLimits

    @property
    def time_base(self) -> Fraction:
        """Seconds in one tick of the video track."""
        base: Fraction | None = self.video.time_base
        return base or Fraction(1, 1000)


@contextmanager
def refusing(code: str = "decode_failed") -> Iterator[None]:
    """Turn what the media libraries raise into VideoRefused."""
    try:
        yield
    except (av.error.FFmpegError, UnicodeError, ValueError, OverflowError, ZeroDivisionError) as error:
        raise VideoRefused(code, "the file could not be decoded") from error
    except MemoryError as error:
        raise VideoRefused(code, "the file needs more memory than a decoder is given") from error


@contextmanager
def open_source(path: Path, limits: VideoLimits, *, threads: int = 2, hasty: bool = False) -> Iterator[Source]:
    """Open `path`, choose its tracks and bound its decoder.

    A `hasty` decoder leaves out frames that no other builds on, and smoothing: good enough for a blurred view only.
    Raises VideoRefused as `inspect` does, and `decode_failed`, `too_many_tracks`, `too_much_metadata`,
    `no_video_track`, `unsupported_codec`, `too_many_pixels`, `too_small`.
    """
    container = inspect(path, limits)
    with refusing():
        handle = av.open(str(path.absolute()), "r", container.value, _options(limits), metadata_errors="replace")
    with handle:
        streams = list(handle.streams)
        if len(streams) > limits.max_tracks:
            raise VideoRefused(
                "too_many_tracks", f"the file has more than {limits.max_tracks} tracks", limits.max_tracks
            )
        _check_metadata(handle, streams, limits)
        video, audio = _choose_video(streams), _choose_audio(streams)
        check_picture(video.codec_context.width, video.codec_context.height, limits)
        _set_up_decoder(video.codec_context, limits, threads, hasty=hasty)
        yield Source(container=container, handle=handle, video=video, audio=audio, limits=limits)


def check_picture(width: int, height: int, limits: VideoLimits) -> None:
    """Raise VideoRefused `too_many_pixels` or `too_small` unless a frame of this size is permitted."""
    if width * height > limits.max_pixels:
        raise VideoRefused("too_many_pixels", f"a frame has more than {limits.max_pixels} pixels", limits.max_pixels)
    if min(width, height) < limits.min_side:
        raise VideoRefused("too_small", f"a side of the picture is under {limits.min_side} pixels", limits.min_side)


def decode_frames(source: Source) -> Iterator[TimedFrame]:
    """Yield every displayed frame in order of display; raises VideoRefused as `FrameClock` and the decoder do."""
    clock = FrameClock(source)
    packets = source.handle.demux(source.video)
    while True:
        with refusing():
            packet = next(packets, None)
        if packet is None:
            return
        yield from clock.decode(packet)


class FrameClock:
    """Decodes the packets of one video track, times the frames and counts them against the limits."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limits = source.limits
        self._first: int | None = None
        self._last = 0
        self._step = 1
        self.count = 0

    def decode(self, packet: Any) -> Iterator[TimedFrame]:
        """Yield the frames that `packet` completes.

        Raises VideoRefused: `truncated`, `decode_failed`, `too_many_pixels`, `too_many_frames`, `too_long`.
        """
        if packet.is_corrupt:
            raise VideoRefused("truncated", "the file ends within a frame")
        with refusing():
            frames = packet.decode()
        for frame in frames:
            yield self._stamp(frame)

    def _stamp(self, frame: av.VideoFrame) -> TimedFrame:
        index, self.count = self.count, self.count + 1
        if self.count > self._limits.max_frames:
            raise VideoRefused(
                "too_many_frames", f"the file has more than {self._limits.max_frames} frames", self._limits.max_frames
            )
        if frame.width * frame.height > self._limits.max_pixels:
            check_picture(frame.width, frame.height, self._limits)
        stated = frame.pts if frame.pts is not None else frame.dts
        if self._first is None:
            self._first = self._last = stated or 0
        else:
            # Players show a frame without a time, or with one that was passed, after the one before it.
            self._last = stated if stated is not None and stated > self._last else self._last + self._step
        self._step = max(1, frame.duration or self._step)
        time_ms = round((self._last - self._first) * self._source.time_base * 1000)
        if time_ms > self._limits.max_duration_ms:
            raise VideoRefused(
                "too_long", f"the clip lasts more than {self._limits.max_duration_ms} ms", self._limits.max_duration_ms
            )
        return TimedFrame(index=index, time_ms=time_ms, ticks=self._last, frame=frame)


def orientation(frame: av.VideoFrame) -> Orientation:
    """Return how this frame must be turned to be displayed."""
    # Any: the stubs describe a mapping of names, which it is not.
    side_data: Any = frame.side_data
    matrix = next((data for data in side_data if data.type.name == "DISPLAYMATRIX"), None)
    return UPRIGHT if matrix is None else orientation_of(bytes(matrix))


def sample_aspect(source: Source) -> Fraction:
    """Return the width of a coded sample over its height; raises VideoRefused `unsupported_picture` when absurd."""
    aspect: Fraction | None = source.video.sample_aspect_ratio
    if not aspect:
        return Fraction(1)
    if not Fraction(1, MAX_STRETCH) <= aspect <= MAX_STRETCH:
        raise VideoRefused("unsupported_picture", f"samples are stretched more than {MAX_STRETCH} times", MAX_STRETCH)
    return aspect


def _options(limits: VideoLimits) -> dict[str, str]:
    return {
        "protocol_whitelist": "file",
        "codec_whitelist": ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS)),
        "max_pixels": str(limits.max_pixels),
        "max_streams": str(4 * limits.max_tracks),
        "ignore_chapters": "1",
        "threads": "1",
    }


def _set_up_decoder(context: Any, limits: VideoLimits, threads: int, *, hasty: bool) -> None:
    context.options = {"max_pixels": str(limits.max_pixels)} | ({"skip_loop_filter": "all"} if hasty else {})
    context.thread_count = threads
    context.thread_type = "AUTO"
    if hasty:
        context.skip_frame = "NONREF"


def _check_metadata(handle: Any, streams: list[Any], limits: VideoLimits) -> None:
    total = sum(len(key) + len(value) for holder in (handle, *streams) for key, value in holder.metadata.items())
    if total > limits.max_metadata_bytes:
        message = f"the file carries more than {limits.max_metadata_bytes} bytes of metadata"
        raise VideoRefused("too_much_metadata", message, limits.max_metadata_bytes)


def _choose_video(streams: list[Any]) -> Any:
    found = [
        stream for stream in streams if stream.type == "video" and not stream.disposition & Disposition.attached_pic
    ]
    if not found:
        raise VideoRefused("no_video_track", "the file has no video track")
    chosen = found[0]
    if chosen.codec_context is None or chosen.codec_context.codec.name not in VIDEO_DECODERS:
        raise VideoRefused("unsupported_codec", f"the video codec {_codec_name(chosen)} is not accepted")
    return chosen


def _choose_audio(streams: list[Any]) -> Any | None:
    """Return the first sound track that can be read; a file whose tracks all cannot is refused, not muted."""
    found = [stream for stream in streams if stream.type == "audio"]
    readable = [s for s in found if s.codec_context is not None and s.codec_context.codec.name in AUDIO_DECODERS]
    if found and not readable:
        raise VideoRefused("unsupported_codec", f"the audio codec {_codec_name(found[0])} is not accepted")
    return readable[0] if readable else None


def _codec_name(stream: Any) -> str:
    return "of this file" if stream.codec_context is None else str(stream.codec_context.codec.name)
