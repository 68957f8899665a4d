"""Clips drawn by script: numbered frames with marked corners, so that a test can tell what it reads back.

Nothing here is fetched or committed: every file is made at run time from these functions.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from watermark.sampling import Choice
from watermark.sources import TimedFrame

#: Colours of the corner squares in BGR, clockwise from the top left.
CORNERS = {"red": (40, 40, 220), "green": (40, 200, 40), "blue": (220, 60, 40), "white": (235, 235, 235)}
NUMBER_BITS = 10
_EXACT = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A tone of 440 Hz with a burst of 2 kHz during the first 100 ms of every second."""

    seconds: float = 1.0
    codec: str = "aac"
    rate: int = 48_000
    layout: str = "stereo"
    start_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """What to draw. `width` and `height` are those of the picture as displayed, before the sample aspect ratio."""

    width: int = 320
    height: int = 240
    frames: int = 30
    fps: int = 30
    #: Frame times instead of `fps`, in milliseconds, for a variable frame rate.
    times_ms: tuple[int, ...] | None = None
    start_ms: int = 0
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    options: tuple[tuple[str, str], ...] = (("preset", "ultrafast"), ("crf", "18"))
    #: Degrees counter-clockwise that a player must turn the coded picture.
    rotation: int = 0
    mirrored: bool = False
    sar: Fraction | None = None
    #: range, primaries, transfer and matrix, in the numbers of ITU-T H.273 (range: 1 limited, 2 full).
    colour: tuple[int, int, int, int] | None = None
    sounds: tuple[Sound, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    #: Strength of a moving texture (standard deviation of luma), for clips that must cost what real ones cost.
    texture: float = 0.0


def draw_clip(path: Path, plan: ClipPlan) -> Path:
    """Write the clip and return `path`; the container follows the suffix."""
    with av.open(str(path), "w") as output:
        output.metadata.update(dict(plan.metadata))
        video = _add_video(output, plan)
        audios = [(_add_audio(output, sound), sound) for sound in plan.sounds]
        packets = _encode_video(video, plan)
        for stream, sound in audios:
            packets += _encode_audio(stream, sound)
        packets.sort(key=lambda packet: packet.dts * packet.time_base)
        output.mux(packets)
    return path


def draw_sound(path: Path, sound: Sound) -> Path:
    """Write a file that has sound only."""
    with av.open(str(path), "w") as output:
        output.mux(_encode_audio(_add_audio(output, sound), sound))
    return path


def draw_picture(width: int, height: int, number: int, texture: float = 0.0) -> NDArray[np.uint8]:
    """Draw frame `number`: BGR uint8 [height, width, 3] with marked corners and the number as a row of bits."""
    ramp = (
        np.linspace(60, 150, width, dtype=np.float32)[None, :] + np.linspace(0, 40, height, dtype=np.float32)[:, None]
    )
    if texture:
        ramp = ramp + _texture(width, height, number, texture)
    image = np.repeat(np.clip(ramp, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    radius = min(width, height) // 8
    centre = (radius + (number * 4) % max(1, width - 2 * radius), height // 4)
    cv2.circle(image, centre, radius, (60, 160, 210), -1, cv2.LINE_AA)
    for (y, x), colour in zip(_corner_slices(width, height), CORNERS.values(), strict=True):
        image[y, x] = colour
    for bit, cell in enumerate(_number_cells(width, height)):
        image[cell] = 235 if number >> bit & 1 else 16
    return image


def read_number(image: NDArray[np.uint8]) -> int:
    """Read a frame's number from luma [height, width] or BGR [height, width, 3] of any size."""
    luma = image if image.ndim == 2 else image.mean(axis=2)
    height, width = luma.shape
    cells = [luma[cell].mean() for cell in _number_cells(width, height, inset=0.25)]
    return sum(1 << bit for bit, mean in enumerate(cells) if mean > 125)


def read_corners(image: NDArray[np.uint8]) -> tuple[str, ...]:
    """Name the nearest corner colour, clockwise from the top left; ("red", "green", "blue", "white") is upright."""
    found = []
    for y, x in _corner_slices(image.shape[1], image.shape[0], inset=0.25):
        mean = image[y, x].reshape(-1, 3).mean(axis=0)
        found.append(min(CORNERS, key=lambda name: float(np.abs(mean - np.array(CORNERS[name])).sum())))
    return tuple(found)


def truncate(source: Path, target: Path, share: float) -> Path:
    """Copy the first `share` of the bytes."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def patch_box(path: Path, kind: bytes, offset: int, data: bytes, *, occurrence: int = 0) -> None:
    """Overwrite bytes of an MP4 box, `offset` counted from the end of its four-letter name."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(occurrence + 1):
        at = content.index(kind, at + 1)
    content[at + 4 + offset : at + 4 + offset + len(data)] = data
    path.write_bytes(content)


def claim_samples(path: Path, count: int) -> None:
    """Make a drawn MP4 without sound claim `count` frames of one byte each in a single chunk."""
    number = count.to_bytes(4, "big")
    patch_box(path, b"stsz", 4, (1).to_bytes(4, "big") + number)
    patch_box(path, b"stts", 8, number)
    patch_box(path, b"stsc", 12, number)


def claim_size(path: Path, width: int, height: int) -> None:
    """Make the header of a drawn MP4 lie about its frame size; the bit stream keeps the true one."""
    sides = width.to_bytes(2, "big") + height.to_bytes(2, "big")
    patch_box(path, b"avc1", 24, sides, occurrence=1 if path.read_bytes().count(b"avc1") > 1 else 0)


def trim_by_edit_list(path: Path, milliseconds: int) -> None:
    """Hide the first milliseconds of every track of a drawn MP4 by its edit list; each track must have one."""
    content = bytearray(path.read_bytes())
    movie_scale = _number(content, content.index(b"mvhd") + 16)
    track = edit = 0
    while (edit := content.find(b"elst", edit + 1)) >= 0:
        track = content.index(b"mdhd", edit)
        scale = _number(content, track + 16)
        length, start = _number(content, edit + 12), _number(content, edit + 16)
        content[edit + 12 : edit + 20] = (length - milliseconds * movie_scale // 1000).to_bytes(4, "big") + (
            start + milliseconds * scale // 1000
        ).to_bytes(4, "big")
    path.write_bytes(content)


def burst_times(path: Path) -> list[float]:
    """Return when each 2 kHz burst of a drawn clip's sound starts, in seconds of the file's own clock."""
    samples, start = [], None
    with av.open(str(path)) as clip:
        rate = clip.streams.audio[0].rate
        resampler = av.AudioResampler("flt", "mono", rate)
        for frame in clip.decode(audio=0):
            start = float(frame.time) if start is None else start
            samples += [ready.to_ndarray()[0] for ready in resampler.resample(frame)]
    loud = np.abs(np.concatenate(samples)) > 0.3
    window = np.convolve(loud, np.ones(rate // 200), "same") > 0
    edges = np.flatnonzero(window[1:] & ~window[:-1])
    return [float(start + edge / rate + 1 / 400) for edge in edges] if start is not None else []


def _number(content: bytearray, at: int) -> int:
    return int.from_bytes(content[at : at + 4], "big")


def _corner_slices(width: int, height: int, inset: float = 0.0) -> list[tuple[slice, slice]]:
    side = max(2, min(width, height) // 6)
    margin = int(side * inset)
    low, top = slice(margin, side - margin), slice(height - side + margin, height - margin)
    right = slice(width - side + margin, width - margin)
    return [(low, low), (low, right), (top, right), (top, low)]


def _number_cells(width: int, height: int, inset: float = 0.0) -> list[tuple[slice, slice]]:
    cell, left, top, tall = width * 0.8 / NUMBER_BITS, width * 0.1, height * 0.45, height * 0.15
    rows = slice(int(top + inset * tall), max(int(top + inset * tall) + 1, int(top + tall - inset * tall)))
    starts = [left + bit * cell for bit in range(NUMBER_BITS)]
    return [
        (rows, slice(int(x + inset * cell), max(int(x + inset * cell) + 1, int(x + cell - inset * cell))))
        for x in starts
    ]


def _texture(width: int, height: int, number: int, strength: float) -> NDArray[np.float32]:
    cloud, still = _ground(width, height)
    shift = number * 3 % 300
    moving = cloud[shift % 60 : shift % 60 + height, shift : shift + width]
    return np.asarray(strength * (moving + still), dtype=np.float32)


@lru_cache(maxsize=2)
def _ground(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A coarse cloud to move over, and grain that stands still."""
    rng = np.random.default_rng(7)
    coarse = rng.standard_normal((height // 8 + 40, width // 8 + 80)).astype(np.float32)
    fine = rng.standard_normal((height + 64, width + 64)).astype(np.float32)
    cloud = np.asarray(cv2.resize(coarse, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    return cloud, np.asarray(cv2.GaussianBlur(fine, (0, 0), 1.2)[:height, :width], dtype=np.float32)


def _times(plan: ClipPlan) -> tuple[Fraction, Sequence[int]]:
    if plan.times_ms is not None:
        return Fraction(1, 1000), [plan.start_ms + time for time in plan.times_ms]
    if not plan.start_ms:
        return Fraction(1, plan.fps), range(plan.frames)
    base = Fraction(1, plan.fps * 1000)
    return base, [plan.start_ms * plan.fps + index * 1000 for index in range(plan.frames)]


def _add_video(output: Any, plan: ClipPlan) -> Any:
    coded = (plan.height, plan.width) if plan.rotation % 180 else (plan.width, plan.height)
    stream = output.add_stream(plan.codec, rate=plan.fps, width=coded[0], height=coded[1], pix_fmt=plan.pix_fmt)
    stream.options = dict(plan.options)
    stream.codec_context.time_base = _times(plan)[0]
    stream.codec_context.thread_count = 1
    if plan.sar is not None:
        stream.codec_context.sample_aspect_ratio = plan.sar
    if plan.colour is not None:
        context = stream.codec_context
        context.color_range, context.color_primaries, context.color_trc, context.colorspace = plan.colour
    if plan.rotation or plan.mirrored:
        stream.set_display_rotation(plan.rotation, hflip=plan.mirrored)
    return stream


def _encode_video(stream: Any, plan: ClipPlan) -> list[Any]:
    base, times = _times(plan)
    packets = []
    for number, time in enumerate(times):
        image = draw_picture(plan.width, plan.height, number, plan.texture)
        if plan.mirrored:
            image = image[:, ::-1]
        image = np.ascontiguousarray(np.rot90(image, -(plan.rotation // 90)))
        frame = av.VideoFrame.from_ndarray(image, "bgr24")
        colours = {"dst_color_range": plan.colour[0], "dst_colorspace": plan.colour[3]} if plan.colour else {}
        frame = frame.reformat(format=plan.pix_fmt, interpolation=_EXACT, **colours)
        frame.pts, frame.time_base = time, base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _add_audio(output: Any, sound: Sound) -> Any:
    stream = output.add_stream(sound.codec, rate=sound.rate)
    stream.codec_context.layout = sound.layout
    return stream


def _encode_audio(stream: Any, sound: Sound) -> list[Any]:
    time = np.arange(int(sound.seconds * sound.rate)) / sound.rate
    burst = (time % 1.0) < 0.1
    tone = (0.05 * np.sin(2 * np.pi * 440 * time) + 0.6 * burst * np.sin(2 * np.pi * 2000 * time)).astype(np.float32)
    resampler = av.AudioResampler(stream.codec_context.format, sound.layout, sound.rate)
    channels = av.AudioLayout(sound.layout).nb_channels
    packets = []
    for start in range(0, len(tone), 1024):
        block = np.repeat(tone[None, start : start + 1024], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = start + sound.start_ms * sound.rate // 1000
        for ready in resampler.resample(frame):
            packets += stream.encode(ready)
    return packets + stream.encode(None)


class EvenWatch:
    """Chooses the first frame, the first at or after every 1/fps of a second, and the last; whatever they show."""

    def __init__(self, fps: int) -> None:
        self.fps = fps

    def choose(self, frames: Iterable[TimedFrame]) -> Iterator[Choice]:
        due, pending = 0, None
        for timed in frames:
            pending = timed
            if timed.time_ms >= due:
                yield Choice(timed=timed, shot=0)
                due, pending = ((timed.time_ms * self.fps) // 1000 + 1) * 1000 // self.fps, None
        if pending is not None:
            yield Choice(timed=pending, shot=0)
