"""Writes frames as H.264 in MP4: by x264 the same bytes for the same frames, whenever it is done.

Carries no metadata of any input and never holds the clip. Must not open untrusted files.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import av
import numpy as np
from av.codec.context import Flags as CodecFlags
from av.container.core import Flags as ContainerFlags

from watermark.encoders import Encoder, Wanted, check, choose, options_for
from watermark.frames import Planes
from watermark.planes import plane_view
from watermark.probing import ColourTags

AudioFate = Literal["kept", "none", "transcoded"]
BT709: Final = ColourTags(full_range=False, primaries=1, transfer=1, matrix=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a clip is encoded: the encoder, its preset and constant rate factor, its threads.

    A preset is one of x264's, or p1 to p7 for `h264_nvenc`. Raises ValueError for what the encoder does not know.
    """

    preset: str = "veryfast"
    crf: int = 21
    threads: int = 2
    encoder: Wanted = "libx264"

    def __post_init__(self) -> None:
        check(self.encoder, self.preset, self.crf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the encoder must know of the frames: even size, aspect of a sample, colour and clock."""

    width: int
    height: int
    fps: Fraction
    colour: ColourTags = BT709
    sar: Fraction = Fraction(1)
    #: Seconds in one tick of a frame's exact time.
    time_base: Fraction = Fraction(1, 90_000)

    @property
    def layout(self) -> str:
        """The pixel format: 8-bit YUV 4:2:0, in the variant that says its range."""
        return "yuvj420p" if self.colour.full_range else "yuv420p"

    @property
    def step(self) -> int:
        """Ticks from one frame to the next at the average rate."""
        return max(1, round(1 / self.fps / self.time_base))


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """What was written. Sizes are those of the planes; CPU seconds as `Laps` counts them."""

    frames: int
    duration_ms: int
    width: int
    height: int
    audio: AudioFate
    encoder: Encoder
    cpu_seconds_by_stage: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlanes(Planes):
    """Planes that live in a frame the encoder can take as it is; times in ticks of the picture's clock."""

    frame: av.VideoFrame
    ticks: int
    duration: int


class Laps:
    """CPU seconds shared out to stages: each lap is this thread's time since the lap before.

    What decoder and encoder do in threads of their own cannot be told apart and is one stage, `codec_threads`.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._last = self._start = time.thread_time()
        self._process_start = time.process_time()

    def end(self, stage: str) -> None:
        """Count the time since the last call as spent on `stage`."""
        now = time.thread_time()
        self._seconds[stage] = self._seconds.get(stage, 0.0) + now - self._last
        self._last = now

    def by_stage(self) -> dict[str, float]:
        """Return the seconds of every stage so far; their sum is what the process used."""
        elsewhere = time.process_time() - self._process_start - (self._last - self._start)
        return {stage: round(seconds, 4) for stage, seconds in self._seconds.items()} | {
            "codec_threads": round(elsewhere, 4)
        }


class ClipWriter:
    """One MP4 being written, as a context: whole on success, removed on failure."""

    def __init__(
        self, target: Path, picture: Picture, encoding: Encoding, laps: Laps, tags: Mapping[str, str] | None = None
    ) -> None:
        """Open `target`; `tags` are all the metadata that its container gets.

        Raises EncoderMissing when the encoder that was asked for does not work here.
        """
        self._encoder = choose(encoding.encoder)
        self._target = target
        self._picture = picture
        self._laps = laps
        self._first = self._end = 0
        self._durations: dict[int, int] = {}
        self.frames = 0
        # Keys of our own choice are only written under a flag; without any, no place for them is made.
        flags = "+faststart+use_metadata_tags" if tags else "+faststart"
        output: Any = av.open(str(target.absolute()), "w", "mp4", container_options={"movflags": flags})
        output.flags |= ContainerFlags.bitexact.value
        output.metadata.update(tags or {})
        self.output = output
        self._stream = _add_stream(self.output, self._encoder, picture, encoding)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._encode(None)
                self.output.close()
                self._laps.end("encode")
        except BaseException:
            self._discard()
            raise
        if kind is not None:
            self._discard()

    def add(self, planes: Planes) -> None:
        """Encode one frame; its planes may be reused afterwards. Raises ValueError for planes of another size."""
        self._laps.end("mark")
        ready = planes if isinstance(planes, FramePlanes) else _copied(planes, self._picture)
        frame = ready.frame
        if (frame.width, frame.height) != (self._picture.width, self._picture.height):
            raise ValueError(
                f"a frame of {frame.width}x{frame.height} in a clip of {self._picture.width}x{self._picture.height}"
            )
        frame.pts, frame.duration, frame.time_base = ready.ticks, ready.duration, self._picture.time_base
        # Which frames are key frames was the input's choice, not ours.
        frame.pict_type = 0
        duration = ready.duration or self._picture.step
        self._durations[ready.ticks] = duration
        self._encode(frame)
        self._first = self._first if self.frames else ready.ticks
        self._end = ready.ticks + duration
        self.frames += 1
        self._laps.end("encode")

    def report(self, audio: AudioFate) -> PassReport:
        """Say what was written, after the context was left."""
        return PassReport(
            frames=self.frames,
            duration_ms=round((self._end - self._first) * self._picture.time_base * 1000),
            width=self._picture.width,
            height=self._picture.height,
            audio=audio,
            encoder=self._encoder,
            cpu_seconds_by_stage=self._laps.by_stage(),
        )

    def _encode(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # The encoder gives the last frame the average duration, not its own.
            packet.duration = self._durations.pop(packet.pts, self._picture.step)
            self.output.mux(packet)

    def _discard(self) -> None:
        with suppress(Exception):
            self.output.close()
        self._target.unlink(missing_ok=True)


def encode_frames(
    frames: Iterable[Planes],
    picture: Picture,
    target: Path,
    *,
    encoding: Encoding,
    on_frame: Callable[[int], None] | None = None,
) -> PassReport:
    """Write frames that a generator hands over, marked or not, to `target` as silent H.264 in MP4.

    One frame is held at a time. A frame within a millisecond of its place at `picture.fps` is put exactly there.
    Raises ValueError for planes of another size or when there is no frame, after removing `target`, and EncoderMissing.
    """
    with ClipWriter(target, picture, encoding, Laps()) as writer:
        write_frames(writer, frames, on_frame)
        if writer.frames == 0:
            raise ValueError("there is no frame to write")
    return writer.report("none")


def write_frames(writer: ClipWriter, frames: Iterable[Planes], on_frame: Callable[[int], None] | None) -> None:
    """Add every frame and tell `on_frame` how many are done."""
    for planes in frames:
        writer.add(planes)
        if on_frame is not None:
            on_frame(writer.frames)


def _add_stream(output: Any, encoder: Encoder, picture: Picture, encoding: Encoding) -> Any:
    stream = output.add_stream(
        encoder,
        rate=picture.fps,
        width=picture.width,
        height=picture.height,
        pix_fmt=picture.layout,
        options=options_for(encoder, encoding.preset, encoding.crf, picture.width),
    )
    context = stream.codec_context
    context.time_base = picture.time_base
    context.thread_count = encoding.threads
    # Threads by frame: by slice, x264 loses compression.
    context.thread_type = "FRAME"
    context.flags |= int(CodecFlags.bitexact)
    context.sample_aspect_ratio = picture.sar
    context.color_range = 2 if picture.colour.full_range else 1
    context.color_primaries = picture.colour.primaries
    context.color_trc = picture.colour.transfer
    context.colorspace = picture.colour.matrix
    return stream


def _copied(planes: Planes, picture: Picture) -> FramePlanes:
    frame = av.VideoFrame(planes.y.shape[1], planes.y.shape[0], picture.layout)
    for index, plane in enumerate((planes.y, planes.u, planes.v)):
        np.copyto(plane_view(frame, index), plane)
    time, regular = Fraction(planes.time_ms, 1000), planes.index / picture.fps
    exact = regular if abs(regular - time) <= Fraction(1, 1000) else time
    return FramePlanes(
        index=planes.index,
        time_ms=planes.time_ms,
        y=planes.y,
        u=planes.u,
        v=planes.v,
        full_range=planes.full_range,
        frame=frame,
        ticks=round(exact / picture.time_base),
        duration=picture.step,
    )
