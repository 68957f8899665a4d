"""Every kind of awkward or hostile file of contract section 5, made by script: `python bad_files.py FOLDER`.

`BAD` are refused at the door, `AWKWARD` are handled as a user expects, `LATE` break off behind the door.
Nothing is fetched.
"""

import random
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import ClipPlan, Sound, claim_samples, claim_size, draw_clip, draw_sound, truncate

Maker = Callable[[Path], object]

SMALL = ClipPlan(width=160, height=96, frames=30)
SECOND = (Sound(seconds=1.0),)
HOSTILE_TEXT = "../../etc/passwd\x07\x1b[2J\u202etxt.exe<script>alert(1)</script>'; DROP TABLE clips;--\r\nX: y"


def _text(path: Path) -> None:
    path.write_text("This is a letter, not a film.\n" * 100)


def _bytes(content: bytes) -> Maker:
    return lambda path: path.write_bytes(content)


def _picture(path: Path) -> None:
    """A PNG of one black pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )


def _cut(share: float, *, index_first: bool = False, suffix: str = ".mp4") -> Maker:
    def make(path: Path) -> None:
        whole = path.with_name(f"whole-{share}-{index_first}{suffix}")
        draw_clip(whole, SMALL)
        if index_first:
            whole = _index_first(whole)
        truncate(whole, path, share)

    return make


def _index_first(path: Path) -> Path:
    front = path.with_name("front-" + path.name)
    with av.open(str(path)) as source, av.open(str(front), "w", options={"movflags": "+faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return front


def _no_frames(path: Path) -> None:
    """An MP4 whose video track has a description and no samples."""
    with av.open(str(path), "w", options={"movflags": "empty_moov+default_base_moof+frag_keyframe"}) as output:
        stream = output.add_stream("libx264", rate=30, width=160, height=96, pix_fmt="yuv420p")
        stream.codec_context.open()
        output.start_encoding()


def _many_claimed(path: Path) -> None:
    draw_clip(path, SMALL)
    claim_samples(path, 2**31 - 1)


def _large_claimed(path: Path) -> None:
    """The container claims 60,000 x 60,000, the bit stream is 160 x 96: what is decoded counts."""
    draw_clip(path, SMALL)
    claim_size(path, 60_000, 60_000)


def _packets(width: int, height: int, frames: int) -> Iterator[Any]:
    """H.264 with its parameters in the stream, so that the size may change from packet to packet."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.time_base = width, height, "yuv420p", Fraction(1, 30)
    context.options = {"preset": "ultrafast", "x264-params": "bframes=0"}
    black = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 16, np.uint8), "yuv420p")
    for number in range(frames):
        black.pts = number
        yield from context.encode(black)
    yield from context.encode(None)


def _growing(path: Path) -> None:
    """A header and ten frames of 160 x 96, then a frame of 4096 x 4096: half a gigabyte a second from a few bytes."""
    with av.open(str(path), "w", format="avi") as output:
        stream = output.add_stream("libx264", rate=30, width=160, height=96, pix_fmt="yuv420p")
        for number, packet in enumerate((*_packets(160, 96, 10), *_packets(4096, 4096, 1))):
            packet.stream, packet.time_base = stream, Fraction(1, 30)
            packet.pts = packet.dts = number
            output.mux(packet)


def _sheet(path: Path) -> None:
    """Black 4096 x 2304: 60 frames in some kilobytes that are 850 MB once decoded."""
    draw = _packets(4096, 2304, 60)
    with av.open(str(path), "w", format="avi") as output:
        stream = output.add_stream("libx264", rate=30, width=4096, height=2304, pix_fmt="yuv420p")
        for number, packet in enumerate(draw):
            packet.stream, packet.time_base = stream, Fraction(1, 30)
            packet.pts = packet.dts = number
            output.mux(packet)


def _clip(**plan: Any) -> Maker:
    return lambda path: draw_clip(path, ClipPlan(**{"width": 160, "height": 96, "frames": 30, **plan}))


def _playlist(text: str) -> Maker:
    """A playlist that names a real clip beside it: a reader that follows it finds a video."""

    def make(path: Path) -> None:
        draw_clip(path.with_name("beside.mp4"), SMALL)
        path.write_text(text.format(clip=path.with_name("beside.mp4")))

    return make


BAD: dict[str, tuple[str, Maker]] = {
    "empty.mp4": ("empty_file", _bytes(b"")),
    "letter.mp4": ("not_video", _text),
    "picture.mp4": ("not_video", _picture),
    "archive.mp4": ("not_video", _bytes(b"PK\x03\x04" + bytes(2000))),
    "program.mp4": ("not_video", _bytes(b"\x7fELF" + bytes(2000))),
    "flash.mp4": ("unsupported_container", _bytes(b"FLV\x01\x05\0\0\0\x09" + bytes(2000))),
    "transport.mp4": ("unsupported_container", lambda path: draw_clip(path.with_suffix(".ts"), SMALL).rename(path)),
    "noise.mp4": ("decode_failed|truncated", _bytes(b"\0\0\0\x18ftypisom" + random.Random(1).randbytes(20_000))),
    "header_only.mp4": ("truncated", _bytes(b"\0\0\0\x14ftypisom\0\0\2\0isom")),
    "cut_10.mp4": ("truncated", _cut(0.1)),
    "cut_50.mp4": ("truncated", _cut(0.5)),
    "cut_99.mp4": ("truncated", _cut(0.99)),
    "cut_front_50.mp4": ("truncated", _cut(0.5, index_first=True)),
    "cut_front_95.mp4": ("truncated", _cut(0.95, index_first=True)),
    "cut_50.mkv": ("truncated", _cut(0.5, suffix=".mkv")),
    "sound_only.mp4": ("no_video_track", lambda path: draw_sound(path, Sound())),
    "no_frames.mp4": ("no_frames", _no_frames),
    "many_claimed.mp4": ("too_many_frames", _many_claimed),
    "large.mp4": ("too_many_pixels", _clip(width=4096, height=4096, frames=1)),
    "tiny.mp4": ("too_small", _clip(width=8, height=8)),
    "long.mp4": ("too_long", _clip(times_ms=(0, 40, 3_600_000))),
    "fast.mp4": ("fps_too_high", _clip(fps=1000, frames=500)),
    "tracks.mp4": ("too_many_tracks", _clip(sounds=SECOND * 9)),
    "shouting.mp4": ("too_much_metadata", _clip(metadata=(("comment", "A" * 1_000_000),))),
    "concat.mp4": ("not_video", _playlist("ffconcat version 1.0\nfile '{clip}'\n")),
    "playlist.mp4": (
        "not_video",
        _playlist("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{clip}\n#EXT-X-ENDLIST\n"),
    ),
    "address.mp4": ("not_video", _playlist("http://127.0.0.1:1/clip.mp4\n{clip}\n")),
}

AWKWARD: dict[str, Maker] = {
    "plain.mp4": _clip(sounds=SECOND),
    "silent.mp4": _clip(),
    "odd.mp4": _clip(width=161, height=97, codec="mpeg4", options=()),
    "ten_bit.mp4": _clip(pix_fmt="yuv420p10le"),
    "hdr.mp4": _clip(codec="libx265", pix_fmt="yuv420p10le", colour=(1, 9, 16, 9), options=(("preset", "ultrafast"),)),
    "four_two_two.mp4": _clip(pix_fmt="yuv422p"),
    "sixty.mp4": _clip(fps=60, frames=60),
    "varying.mp4": _clip(times_ms=(0, 33, 66, 200, 210, 500, 900, 933)),
    "turned.mp4": _clip(rotation=90, sounds=SECOND),
    "stretched.mp4": _clip(sar=Fraction(4, 3)),
    "several_tracks.mp4": _clip(sounds=SECOND * 4),
    "one_frame.mp4": _clip(frames=1),
    "named.mp4": _clip(metadata=(("title", HOSTILE_TEXT), ("artist", "\u202e" * 200))),
    "matroska.mkv": _clip(sounds=SECOND),
    "web.webm": _clip(codec="libvpx-vp9", options=(("deadline", "realtime"), ("cpu-used", "8"))),
    "large_claimed.mp4": _large_claimed,
    "sheet.avi": _sheet,
}

#: Pass the door, whose probe decodes one frame only, and break off later: a fault of the clip, for a person.
LATE: dict[str, Maker] = {"growing.avi": _growing}


def mutations(clip: bytes, count: int, seed: int = 20) -> Iterator[bytes]:
    """The same `count` damaged copies of a clip each time: bytes changed, cut out, doubled, in the index above all."""
    rng = random.Random(seed)
    index = clip.index(b"moov")
    for number in range(count):
        content = bytearray(clip)
        for _ in range(rng.choice((1, 2, 8, 64))):
            at = rng.randrange(index, len(content)) if number % 3 else rng.randrange(len(content))
            kind = rng.randrange(4)
            if kind == 0:
                content[at] = rng.randrange(256)
            elif kind == 1:
                content[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\0\1"))
            elif kind == 2:
                del content[at : at + rng.randrange(1, 16)]
            else:
                content[at:at] = content[at : at + rng.randrange(1, 64)]
        yield bytes(content)


def make_all(folder: Path) -> None:
    """Make every file in `folder`, each under the name by which it is known here."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (_, make) in BAD.items():
        make(folder / name)
    for name, make in (AWKWARD | LATE).items():
        make(folder / name)


if __name__ == "__main__":
    make_all(Path(sys.argv[1]))
