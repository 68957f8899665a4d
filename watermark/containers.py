"""What a file claims before any demuxer sees it: its container, whether it is whole, how much it says it holds.

Demuxers allocate what a header claims, so that a file of some kilobytes can ask for gigabytes; here nothing is
allocated from a claim. Must not decode.
"""

import mmap
import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from watermark.limits import VideoLimits, VideoRefused


class Container(StrEnum):
    """The containers that are read; the value is the name of the one demuxer that may open the file."""

    MP4 = "mov"
    MATROSKA = "matroska"
    AVI = "avi"


#: Top-level boxes a QuickTime or MP4 file may begin with (ISO/IEC 14496-12, QuickTime File Format).
_FIRST_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"free", b"skip", b"wide", b"pnot"}
#: Brands of still pictures, which share the container.
_PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif", b"avis"}
_OTHER_VIDEO = (b"FLV", b"OggS", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba", b"GIF8", b"\x00\x00\x01\xb3")
_DATA_BOXES = {b"mdat", b"free", b"skip", b"uuid"}
#: Boxes whose entries a demuxer expands into one index record per sample, wherever they are nested.
_CLAIMS = re.compile(rb"trak|stsz|stz2|stts|ctts|stsc|stco|co64|trun|cmov|soun|vide")
_MAX_BOXES = 200_000
_MAX_CLAIMS = 200_000
_MAX_EDITS = 64
#: Index records per permitted frame; sound has several packets for each.
_SAMPLES_PER_FRAME = 20
#: A demuxer keeps uncompressed sound in pieces of this many samples.
_PCM_PIECE = 1024


def inspect(path: Path, limits: VideoLimits) -> Container:
    """Name the container of `path`.

    Raises VideoRefused: `empty_file`, `too_large`, `not_video`, `unsupported_container`, `truncated`,
    `too_many_frames`, `too_many_tracks`.
    """
    size = path.stat().st_size
    if size == 0:
        raise VideoRefused("empty_file", "the file is empty")
    if size > limits.max_bytes:
        raise VideoRefused("too_large", f"the file has more than {limits.max_bytes} bytes", limits.max_bytes)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        container = _recognise(data[:192])
        if container is Container.MP4:
            _check_mp4(data, limits)
        elif container is Container.MATROSKA:
            _check_whole_matroska(data[:4096], size)
        else:
            _check_whole(8 + int.from_bytes(data[4:8], "little"), size)
    return container


def _recognise(head: bytes) -> Container:
    if head[4:8] in _FIRST_BOXES:
        if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
            raise VideoRefused("not_video", "the file is a still picture")
        return Container.MP4
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Container.MATROSKA
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Container.AVI
    transport_stream = head[:1] == head[188:189] == b"\x47"
    if transport_stream or head.startswith(_OTHER_VIDEO):
        raise VideoRefused("unsupported_container", "only MP4, QuickTime, WebM, Matroska and AVI files are accepted")
    raise VideoRefused("not_video", "the file is not a video")


def _check_whole(claimed: int, size: int) -> None:
    if claimed > size:
        raise VideoRefused("truncated", "the file ends before its own header says it does")


def _check_whole_matroska(head: bytes, size: int) -> None:
    """Compare the segment's stated length, where it states one, with the file's (RFC 8794, section 4)."""
    at = head.find(b"\x18\x53\x80\x67")
    if at < 0 or at + 12 > len(head):
        raise VideoRefused("truncated", "the file ends within its header")
    first = head[at + 4]
    length = 9 - first.bit_length()
    if first == 0:
        raise VideoRefused("decode_failed", "the file's header is damaged")
    value = int.from_bytes(head[at + 4 : at + 4 + length], "big") & ((1 << 7 * length) - 1)
    if value != (1 << 7 * length) - 1:
        _check_whole(at + 4 + length + value, size)


def _check_mp4(data: mmap.mmap, limits: VideoLimits) -> None:
    kinds = set()
    samples = tracks = edits = 0
    for kind, start, end in _top_boxes(data):
        kinds.add(kind)
        if kind not in _DATA_BOXES:
            header = data[start:end]
            samples += _claimed_samples(header)
            tracks += header.count(b"trak") if kind == b"moov" else 0
            edits = max(edits, _claimed_edits(header))
    if b"moov" not in kinds:
        raise VideoRefused("truncated", "the file ends before its index")
    if tracks > limits.max_tracks:
        raise VideoRefused("too_many_tracks", f"the file has more than {limits.max_tracks} tracks", limits.max_tracks)
    if edits > _MAX_EDITS or samples * max(1, edits) > _SAMPLES_PER_FRAME * limits.max_frames:
        raise VideoRefused("too_many_frames", f"the file has more than {limits.max_frames} frames", limits.max_frames)


def _top_boxes(data: mmap.mmap) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each top-level box; a box that goes past the end of the file is a refusal."""
    at, size = 0, len(data)
    for _ in range(_MAX_BOXES):
        if size - at < 8:
            return
        length, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = size - at
        if length < header:
            raise VideoRefused("decode_failed", "the file's boxes are damaged")
        _check_whole(at + length, size)
        yield kind, at + header, at + length
        at += length
    raise VideoRefused("unsupported_container", f"the file has more than {_MAX_BOXES} parts")


def _claimed_samples(header: bytes) -> int:
    """Return how many index records a demuxer would make from `header`, an upper bound.

    The names are looked for wherever they stand: demuxers follow boxes into places where none belong.
    """
    marks = [(match.group(), match.start()) for match in islice(_CLAIMS.finditer(header), _MAX_CLAIMS + 1)]
    if len(marks) > _MAX_CLAIMS:
        raise VideoRefused("unsupported_container", f"the file's index has more than {_MAX_CLAIMS} parts")
    if any(kind == b"cmov" for kind, _ in marks):
        raise VideoRefused("unsupported_container", "compressed movie headers are not accepted")
    starts = [index for index, (kind, _) in enumerate(marks) if kind == b"trak"]
    tracks = pairwise([0, *starts, len(marks)])
    return sum(_track_samples(header, marks[first:last]) for first, last in tracks)


def _track_samples(header: bytes, marks: list[tuple[bytes, int]]) -> int:
    """Return the index records of one track, or of the fragments before the first track."""
    kinds = {kind for kind, _ in marks}
    times = [_table(header, at, 2) for kind, at in marks if kind in {b"stts", b"ctts"}]
    sizes = [_number(header, at + 12) for kind, at in marks if kind in {b"stsz", b"stz2"}]
    fragments = sum(_number(header, at + 8) for kind, at in marks if kind == b"trun")
    if b"soun" in kinds and b"vide" not in kinds and len(times) == 1 and times[0][:, 1].tolist() == [1]:
        # Uncompressed sound: one record per piece of a chunk, however many samples there are.
        chunks = sum(_number(header, at + 8) for kind, at in marks if kind in {b"stco", b"co64"})
        longest = max(
            (int(_table(header, at, 3)[:, 1].max(initial=0)) for kind, at in marks if kind == b"stsc"), default=0
        )
        return fragments + chunks * (longest // _PCM_PIECE + 1)
    return fragments + max(sizes + [int(table[:, 0].sum(dtype=np.int64)) for table in times], default=0)


def _table(header: bytes, at: int, width: int) -> NDArray[np.uint32]:
    """Read the table of the box named at `at`: uint32 [entries, width], no longer than the bytes that are there."""
    entries = min(_number(header, at + 8), max(0, len(header) - at - 12) // (4 * width))
    return np.frombuffer(header, ">u4", entries * width, min(at + 12, len(header))).reshape(-1, width)


def _claimed_edits(header: bytes) -> int:
    return max((_number(header, match.start() + 8) for match in re.finditer(b"elst", header)), default=0)


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")
