"""What a video file is, counted and measured rather than believed, before anything else is done with it."""

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
from av.stream import Discard

from watermark.limits import VideoLimits, VideoRefused
from watermark.orientation import UPRIGHT, Orientation
from watermark.sources import FrameClock, Source, check_picture, open_source, orientation, refusing, sample_aspect

__all__ = ["AudioTrack", "ColourTags", "Probe", "VideoLimits", "VideoRefused", "probe"]

#: Sound packets per permitted frame.
_AUDIO_PACKETS_PER_FRAME = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """Colour description in the numbers of ITU-T H.273; 2 is "unspecified". `full_range`: luma uses 0-255."""

    full_range: bool
    primaries: int
    transfer: int
    matrix: int

    @property
    def hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self.transfer in {16, 18}


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTrack:
    """The sound track that is kept.

    `start_ms` counts from the first displayed frame: it is negative when sound comes first.
    """

    codec: str
    channels: int
    rate: int
    start_ms: int
    duration_ms: int
    #: When the first sample is heard, in seconds of the file's own clock.
    origin: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a file is: `coded` size as decoded, `plane` size as marked and written, `width` x `height` as displayed."""

    container: str
    video_codec: str
    coded_width: int
    coded_height: int
    #: Of the planes that markers get: turned upright, not stretched, each side rounded up to even.
    plane_width: int
    plane_height: int
    #: As displayed: turned upright and with square samples.
    width: int
    height: int
    orientation: Orientation = UPRIGHT
    #: Width of a sample over its height, in displayed orientation.
    sar: Fraction
    pix_fmt: str
    bit_depth: int
    colour: ColourTags
    fps: float
    variable_rate: bool
    frames: int
    duration_ms: int
    #: How long after the earliest track the first frame is displayed.
    start_ms: int
    #: When the earliest track starts, in seconds of the file's own clock.
    origin: Fraction
    #: Seconds in one tick of the video track's clock.
    time_base: Fraction
    audio: AudioTrack | None
    tracks: int


@dataclass(slots=True)
class _Count:
    """What demuxing every packet showed; times in ticks of the track's own base."""

    times: list[int] = field(default_factory=list)
    latest: int | None = None
    #: Of the frame displayed last.
    last_duration: int = 0
    audio_packets: int = 0
    audio_first: int | None = None
    audio_end: int = 0
    picture: av.VideoFrame | None = None


def probe(path: Path, limits: VideoLimits) -> Probe:
    """Describe the file at `path`: every packet is counted, the first frame decoded. Raises VideoRefused."""
    with open_source(path, limits, threads=1) as source:
        count = _count_packets(source)
        if count.picture is None:
            raise VideoRefused(
                "decode_failed" if count.times else "no_frames", "the file has no frame that can be shown"
            )
        return _describe(source, count, count.picture)


def _count_packets(source: Source) -> _Count:
    count, clock, limits = _Count(), FrameClock(source), source.limits
    for packet in _packets(source):
        if packet.stream is source.audio:
            _count_sound(count, packet, limits)
            continue
        if packet.size and not packet.is_discard:
            _count_frame(count, packet, limits)
        if count.picture is None:
            count.picture = next((timed.frame for timed in clock.decode(packet)), None)
        elif packet.is_corrupt:
            raise VideoRefused("truncated", "the file ends within a frame")
    return count


def _packets(source: Source) -> Any:
    chosen = [stream for stream in (source.video, source.audio) if stream is not None]
    for stream in source.handle.streams:
        if stream not in chosen:
            stream.discard = Discard.all
    packets = source.handle.demux(*chosen)
    while True:
        with refusing():
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def _count_frame(count: _Count, packet: Any, limits: VideoLimits) -> None:
    time = packet.pts if packet.pts is not None else packet.dts
    if time is None:
        time = count.times[-1] + 1 if count.times else 0
    if count.latest is None or time > count.latest:
        count.latest, count.last_duration = time, packet.duration or 0
    count.times.append(time)
    if len(count.times) > limits.max_frames:
        raise VideoRefused("too_many_frames", f"the file has more than {limits.max_frames} frames", limits.max_frames)


def _count_sound(count: _Count, packet: Any, limits: VideoLimits) -> None:
    if packet.size == 0 or packet.pts is None:
        return
    count.audio_packets += 1
    if count.audio_packets > _AUDIO_PACKETS_PER_FRAME * limits.max_frames:
        raise VideoRefused("too_many_frames", "the sound track has too many packets", limits.max_frames)
    count.audio_first = packet.pts if count.audio_first is None else count.audio_first
    count.audio_end = max(count.audio_end, packet.pts + (packet.duration or 0))


def _describe(source: Source, count: _Count, picture: av.VideoFrame) -> Probe:
    base, times = source.time_base, sorted(count.times)
    step = count.last_duration or (round((times[-1] - times[0]) / (len(times) - 1)) if len(times) > 1 else 0)
    duration = (times[-1] - times[0] + (step or round(Fraction(1, 25) / base))) * base
    audio = _describe_audio(source, count, times[0] * base)
    _check_times(source.limits, times, base, duration, audio)
    check_picture(picture.width, picture.height, source.limits)
    turn, aspect = orientation(picture), sample_aspect(source)
    upright = (picture.height, picture.width) if turn.transpose else (picture.width, picture.height)
    sar = 1 / aspect if turn.transpose else aspect
    width, height = square_size(*upright, sar)
    return Probe(
        container=source.container.name.lower(),
        video_codec=source.video.codec_context.codec.canonical_name,
        coded_width=picture.width,
        coded_height=picture.height,
        plane_width=upright[0] + upright[0] % 2,
        plane_height=upright[1] + upright[1] % 2,
        width=width,
        height=height,
        orientation=turn,
        sar=sar,
        pix_fmt=picture.format.name,
        bit_depth=max((component.bits for component in picture.format.components), default=8),
        colour=_colour_tags(picture),
        fps=round(float(len(times) / duration), 3),
        variable_rate=_varies(times, base),
        frames=len(times),
        duration_ms=round(duration * 1000),
        start_ms=max(0, -audio.start_ms) if audio else 0,
        origin=min(times[0] * base, audio.origin) if audio else times[0] * base,
        time_base=base,
        audio=audio,
        tracks=len(source.handle.streams),
    )


def square_size(width: int, height: int, sar: Fraction) -> tuple[int, int]:
    """Return the size with square samples; the stretched side grows and the other stays, as browsers do."""
    return (round(width * sar), height) if sar >= 1 else (width, round(height / sar))


def _describe_audio(source: Source, count: _Count, first_frame: Fraction) -> AudioTrack | None:
    if source.audio is None or count.audio_first is None:
        return None
    context, base = source.audio.codec_context, source.audio.time_base
    # The demuxer's start time leaves out the encoder's priming samples, which are not heard.
    start = source.audio.start_time if source.audio.start_time is not None else count.audio_first
    return AudioTrack(
        codec=context.codec.canonical_name,
        channels=context.layout.nb_channels,
        rate=context.sample_rate,
        start_ms=round((start * base - first_frame) * 1000),
        duration_ms=round((count.audio_end - start) * base * 1000),
        origin=start * base,
    )


def _check_times(
    limits: VideoLimits, times: list[int], base: Fraction, duration: Fraction, audio: AudioTrack | None
) -> None:
    start, end = Fraction(0), duration * 1000
    if audio:
        start, end = min(start, Fraction(audio.start_ms)), max(end, Fraction(audio.start_ms + audio.duration_ms))
    if end - start > limits.max_duration_ms:
        raise VideoRefused("too_long", f"the clip lasts more than {limits.max_duration_ms} ms", limits.max_duration_ms)
    if len(times) < limits.min_frames:
        raise VideoRefused("too_few_frames", f"the file has fewer than {limits.min_frames} frames", limits.min_frames)
    # A tenth of a second of grace: a few frames close together are a slip of the writer's.
    if len(times) - 1 > limits.max_fps * ((times[-1] - times[0]) * base + Fraction(1, 10)):
        raise VideoRefused("fps_too_high", f"the clip has more than {limits.max_fps} frames a second", limits.max_fps)


def _colour_tags(picture: av.VideoFrame) -> ColourTags:
    return ColourTags(
        full_range=picture.color_range == 2 or picture.format.name.startswith("yuvj"),
        primaries=picture.color_primaries,
        transfer=picture.color_trc,
        matrix=picture.colorspace,
    )


def _varies(times: list[int], base: Fraction) -> bool:
    """Tell whether the steps differ by more than a container's rounding to milliseconds explains."""
    steps = [float((after - before) * base) for before, after in pairwise(times)]
    return len(steps) > 1 and max(steps) - min(steps) > max(0.0021, median(steps) / 10)
