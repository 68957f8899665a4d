"""The one decode-encode pass: every frame is turned upright, marked and written as H.264 in MP4, the sound kept.

Never leaves YUV and never holds the clip. Carries over nothing of the input but pictures, sound, timing and colour
tags: no names, places or devices.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from av.error import ArgumentError, InvalidDataError

from watermark.frames import FrameMarker, Planes, mark_frames
from watermark.limits import VideoLimits, VideoRefused
from watermark.planes import Canvas, eight_bit, plane_view
from watermark.probing import ColourTags, Probe, probe
from watermark.sound import SoundCarrier
from watermark.sources import FrameClock, Source, TimedFrame, open_source, refusing
from watermark.writing import ClipWriter, Encoding, FramePlanes, Laps, PassReport, Picture, encode_frames, write_frames

__all__ = ["Encoding", "PassReport", "Picture", "encode_frames", "picture_of", "rewrite"]

#: A finer clock would overflow the 32 bits that MP4 gives it.
_FINEST_CLOCK: Final = 1_000_000


def rewrite(
    source: Path,
    target: Path,
    make_markers: Callable[[Probe], Sequence[FrameMarker]],
    *,
    encoding: Encoding,
    limits: VideoLimits,
    tags: Mapping[str, str] | None = None,
    on_frame: Callable[[int], None] | None = None,
    silent: bool = False,
) -> PassReport:
    """Write `source`, marked, to `target` as H.264 in MP4 with its index in front; its sound too unless `silent`.

    The same bytes for the same input, markers, encoding and `tags`, which are the container's metadata: it gets none
    of the input's. `on_frame` is told how many frames are done. On any failure `target` is removed. Raises
    VideoRefused, and whatever a marker raises.
    """
    described = probe(source, limits)
    markers = make_markers(described)
    laps, picture = Laps(), picture_of(described)
    with (
        _refusing_damage(),
        open_source(source, limits, threads=encoding.threads) as found,
        ClipWriter(target, picture, encoding, laps, tags) as writer,
    ):
        opened = replace(found, audio=None) if silent else found
        sound = SoundCarrier(opened, writer.output, described.origin)
        frames = _decode(opened, described, sound, laps)
        write_frames(writer, mark_frames(frames, markers), on_frame)
        if writer.frames == 0:
            raise VideoRefused("no_frames", "the file has no frame that can be shown")
        sound.finish()
    return writer.report(sound.fate)


@contextmanager
def _refusing_damage() -> Iterator[None]:
    """Refuse what only the muxer finds damaged: sound is copied without being decoded."""
    try:
        yield
    except (InvalidDataError, ArgumentError) as error:
        raise VideoRefused("decode_failed", "a track of the file is damaged") from error


def picture_of(described: Probe) -> Picture:
    """Return what the encoder must know of the frames that `rewrite` makes of this file."""
    base, colour = described.time_base, described.colour
    if colour.matrix == 0:
        # RGB has no matrix; its planes are made with that of BT.709.
        colour = ColourTags(full_range=False, primaries=colour.primaries, transfer=colour.transfer, matrix=1)
    return Picture(
        width=described.plane_width,
        height=described.plane_height,
        fps=Fraction(described.fps).limit_denominator(1001),
        colour=colour,
        sar=described.sar.limit_denominator(65_535),
        time_base=base if base.denominator <= _FINEST_CLOCK else Fraction(1, 90_000),
    )


def _decode(opened: Source, described: Probe, sound: SoundCarrier, laps: Laps) -> Iterator[Planes]:
    """Yield the planes of every displayed frame; sound met on the way goes straight to `sound`."""
    clock, place = FrameClock(opened), _Place(opened, described)
    packets = opened.handle.demux(*(stream for stream in (opened.video, opened.audio) if stream is not None))
    while True:
        with refusing():
            packet = next(packets, None)
        if packet is None:
            return
        if packet.stream is opened.audio:
            sound.take(packet)
            laps.end("sound")
            continue
        for timed in clock.decode(packet):
            laps.end("decode")
            planes = place.planes(timed)
            laps.end("convert")
            yield planes
        laps.end("decode")


class _Place:
    """Puts the frames of one file where they belong: upright, in eight bits, on the target's clock."""

    def __init__(self, opened: Source, described: Probe) -> None:
        self._described = described
        self._base = opened.time_base
        picture = picture_of(described)
        self._goal = picture.time_base
        self._canvas = Canvas(picture.width, picture.height, picture.layout, described.orientation)

    def planes(self, timed: TimedFrame) -> FramePlanes:
        described = self._described
        with refusing():
            frame = self._canvas.draw(eight_bit(timed.frame, described.coded_width, described.coded_height))
        return FramePlanes(
            index=timed.index,
            time_ms=timed.time_ms,
            y=plane_view(frame, 0),
            u=plane_view(frame, 1),
            v=plane_view(frame, 2),
            full_range=described.colour.full_range,
            frame=frame,
            ticks=round((timed.ticks * self._base - described.origin) / self._goal),
            duration=round(timed.frame.duration * self._base / self._goal),
        )
