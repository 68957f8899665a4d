"""Writing pictures and sound into an MP4 for samples and the canary: the same bytes for the same input."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_EXACT: Final = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_SOUND_RATE: Final = 48_000
_BLOCK: Final = 1024
_BT709: Final = 1
_LIMITED_RANGE: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """Mono int16 samples [count] and how many there are in a second."""

    samples: NDArray[np.int16]
    rate: int

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.samples) / self.rate


def write_footage(path: Path, pictures: Iterable[Picture], *, fps: int, sound: Sound | None = None) -> None:
    """Encode BGR uint8 pictures [height, width, 3] of one even size as H.264, and the sound as AAC, into an MP4."""
    frames = iter(pictures)
    first = next(frames)
    with av.open(str(path), "w", container_options={"fflags": "+bitexact", "movflags": "+faststart"}) as output:
        video = _add_video(output, first.shape[1], first.shape[0], fps)
        audio = _add_audio(output) if sound is not None else None
        packets = list(_encode_pictures(video, _chain(first, frames), fps))
        if audio is not None and sound is not None:
            packets += _encode_sound(audio, sound)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux(packet)


def _chain(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _add_video(output: Any, width: int, height: int, fps: int) -> Any:
    stream = output.add_stream("libx264", rate=fps, width=width, height=height, pix_fmt="yuv420p")
    stream.options = {"preset": "veryfast", "crf": "18", "x264-params": "threads=1"}
    context = stream.codec_context
    context.time_base = Fraction(1, fps)
    # More threads place their frames by chance.
    context.thread_count = 1
    context.color_range, context.colorspace = _LIMITED_RANGE, _BT709
    context.color_primaries, context.color_trc = _BT709, _BT709
    return stream


def _add_audio(output: Any) -> Any:
    stream = output.add_stream("aac", rate=_SOUND_RATE)
    stream.codec_context.layout = "mono"
    return stream


def _encode_pictures(stream: Any, pictures: Iterable[Picture], fps: int) -> Iterator[Any]:
    for number, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24").reformat(
            format="yuv420p",
            interpolation=_EXACT,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts, frame.time_base = number, Fraction(1, fps)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encode_sound(stream: Any, sound: Sound) -> list[Any]:
    resampler = av.AudioResampler("fltp", "mono", _SOUND_RATE)
    packets = []
    for start in range(0, len(sound.samples), _BLOCK):
        block = np.ascontiguousarray(sound.samples[None, start : start + _BLOCK])
        frame = av.AudioFrame.from_ndarray(block, "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = sound.rate, Fraction(1, sound.rate), start
        for ready in resampler.resample(frame):
            packets += stream.encode(ready)
    for ready in resampler.resample(None):
        packets += stream.encode(ready)
    return packets + list(stream.encode(None))
