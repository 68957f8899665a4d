"""Does to a clip of our own what an attack says: filters, changes, encodes. Not for files of strangers.

Frames are pulled through all programs one at a time, so that no more of a copy is made than its reader looks at; what
is made is what a file would hold.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import av.filter
import cv2
import numpy as np

from moderation.attacks.changes import Attack, Encoder, Picture, Step

#: Encoders of 4:2:0 want even sides.
_EVEN: Final = "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0"
#: What an encoder is told of frames whose times say the rest.
_RATE: Final = 25


def frames_of(path: Path) -> Iterator[Any]:
    """Decode a clip of our own, one frame at a time."""
    with av.open(str(path)) as opened:
        pictures = opened.streams.video[0]
        pictures.codec_context.thread_count = 1
        yield from opened.decode(pictures)


def attacked(frames: Iterable[Any], attack: Attack, spent: list[float] | None = None) -> Iterator[Any]:
    """Yield the decoded frames of the copy that an attack makes; of as many frames as are asked for.

    `spent` is given this thread's CPU seconds for making the copy: all but the decoding of what it holds.
    """
    for number, step in enumerate(attack.steps, start=1):
        packets = _encoded(_changed(_filtered(frames, step.filters), step), step.encoder)
        if spent is not None and number == len(attack.steps):
            packets = _metered(packets, spent)
        frames = _decoded(packets, step.encoder)
    yield from frames


def _metered(packets: Iterator[Any], spent: list[float]) -> Iterator[Any]:
    while True:
        began = time.thread_time()
        packet = next(packets, None)
        spent.append(time.thread_time() - began)
        if packet is None:
            return
        yield packet


def screenshot(frames: Iterable[Any], at_seconds: float, keep: float, quality: int = 80) -> Picture:
    """Return the luma, uint8 [h, w], of the frame at a time, saved as JPEG; `keep` of each side, off the middle."""
    frame = next(frame for frame in frames if frame.time >= at_seconds)
    picture = frame.to_ndarray(format="bgr24")
    height, width = (round(side * keep) for side in picture.shape[:2])
    top, left = (int((side - kept) * 0.4) for side, kept in zip(picture.shape[:2], (height, width), strict=True))
    cut = picture[top : top + height, left : left + width]
    _, jpeg = cv2.imencode(".jpg", cut, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE), np.uint8)


def _filtered(frames: Iterable[Any], filters: tuple[str, ...]) -> Iterator[Any]:
    graph: Any = None
    for frame in frames:
        if graph is None:
            graph = _graph(frame, filters)
        try:
            graph.vpush(frame)
        except av.EOFError:
            # A filter that cuts wants no more.
            break
        yield from _ready(graph)
    if graph is not None:
        with suppress(av.EOFError):
            graph.vpush(None)
        yield from _ready(graph)


def _graph(frame: Any, filters: tuple[str, ...]) -> Any:
    graph = av.filter.Graph()
    graph.threads = 1
    nodes: list[Any] = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    ]
    for each in (*filters, _EVEN, "format=yuv420p"):
        name, _, arguments = each.partition("=")
        nodes.append(graph.add(name, arguments))
    nodes.append(graph.add("buffersink"))
    graph.link_nodes(*nodes).configure()
    return graph


def _ready(graph: Any) -> Iterator[Any]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return


def _changed(frames: Iterator[Any], step: Step) -> Iterator[Any]:
    for frame in frames:
        if step.change is None:
            yield frame
            continue
        picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
        changed = av.VideoFrame.from_ndarray(step.change(picture), format="bgr24").reformat(format="yuv420p")
        changed.pts, changed.time_base = frame.pts, frame.time_base
        yield changed


def _encoded(frames: Iterable[Any], encoder: Encoder) -> Iterator[Any]:
    context: Any = None
    for frame in frames:
        if context is None:
            context = _opened(encoder, frame)
        frame.pict_type = av.video.frame.PictureType.NONE
        yield from context.encode(frame)
    if context is not None:
        yield from context.encode(None)


def _opened(encoder: Encoder, frame: Any) -> Any:
    context: Any = av.CodecContext.create(encoder.codec, "w")
    context.width, context.height = frame.width, frame.height
    context.pix_fmt = "yuvj420p" if encoder.codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate = Fraction(1, encoder.clock), Fraction(_RATE)
    context.thread_count = 1
    options = dict(encoder.options)
    if "qmin" in options:
        context.qmin, context.qmax = int(options.pop("qmin")), int(options.pop("qmax"))
    context.options = options
    return context


def _decoded(packets: Iterable[Any], encoder: Encoder) -> Iterator[Any]:
    context: Any = av.CodecContext.create(_DECODERS.get(encoder.codec, encoder.codec), "r")
    context.thread_count = 1
    for packet in packets:
        yield from _timed(context.decode(packet), encoder)
    yield from _timed(context.decode(None), encoder)


def _timed(frames: Iterable[Any], encoder: Encoder) -> Iterator[Any]:
    for frame in frames:
        frame.time_base = Fraction(1, encoder.clock)
        yield frame


_DECODERS: Final = {
    "libx264": "h264",
    "libx265": "hevc",
    "libvpx-vp9": "vp9",
    "libvpx": "vp8",
    "libsvtav1": "libdav1d",
}
