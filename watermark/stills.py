"""Single pictures, such as screenshots: recognised and measured by their headers before a decoder sees them.

Runs in the confined child for files of strangers. Of an animation only the first picture is read.
"""

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.limits import VideoLimits, VideoRefused

#: Enough to tell the kind; the size may stand far behind, after a JPEG's metadata.
_HEAD_BYTES = 32
#: Parts of a JPEG that are looked through for the one that states the size.
_MOST_SEGMENTS = 4_000
_PNG = b"\x89PNG\r\n\x1a\n"
#: Markers that state a JPEG's size: every kind of frame (ITU-T T.81, table B.1).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def is_picture(path: Path) -> bool:
    """Tell whether the file begins as PNG, JPEG or WebP does."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.startswith((_PNG, b"\xff\xd8\xff")) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_picture(path: Path, limits: VideoLimits) -> NDArray[np.uint8]:
    """Return the luma of a PNG, JPEG or WebP file, uint8 [height, width], turned as it is displayed.

    Raises VideoRefused: `too_large`, `too_many_pixels`, `too_small`, `decode_failed`.
    """
    return _decoded(path, limits, cv2.IMREAD_GRAYSCALE)


def read_colours(path: Path, limits: VideoLimits) -> NDArray[np.uint8]:
    """Return the same file's colours, uint8 [height, width, 3] in BGR, turned as it is displayed."""
    return _decoded(path, limits, cv2.IMREAD_COLOR)


def _decoded(path: Path, limits: VideoLimits, how: int) -> NDArray[np.uint8]:
    if path.stat().st_size > limits.max_bytes:
        raise VideoRefused("too_large", f"the file has more than {limits.max_bytes} bytes", limits.max_bytes)
    content = path.read_bytes()
    width, height = _size(content)
    if width * height > limits.max_pixels:
        raise VideoRefused("too_many_pixels", f"the picture has over {limits.max_pixels} pixels", limits.max_pixels)
    if min(width, height) < limits.min_side:
        raise VideoRefused("too_small", f"a side of the picture is under {limits.min_side} pixels", limits.min_side)
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    except (cv2.error, MemoryError) as error:
        raise VideoRefused("decode_failed", "the picture could not be decoded") from error
    if decoded is None or sorted(decoded.shape[:2]) != sorted((width, height)):
        raise VideoRefused("decode_failed", "the picture could not be decoded")
    return np.asarray(decoded, np.uint8)


def _size(content: bytes) -> tuple[int, int]:
    """Return the width and height that the header states. Raises VideoRefused `decode_failed`."""
    try:
        if content.startswith(_PNG):
            return _png_size(content)
        return _webp_size(content) if content.startswith(b"RIFF") else _jpeg_size(content)
    except (struct.error, IndexError) as error:
        raise VideoRefused("decode_failed", "the picture ends within its header") from error


def _png_size(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _webp_size(content: bytes) -> tuple[int, int]:
    """RFC 9649, sections 2.5 to 2.7."""
    kind = content[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(content[24:27], "little"), 1 + int.from_bytes(content[27:30], "little")
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", content, 26)
    return width & 0x3FFF, height & 0x3FFF


def _jpeg_size(content: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(_MOST_SEGMENTS):
        while content[at] == 0xFF and content[at + 1] == 0xFF:
            at += 1
        marker = content[at + 1]
        if content[at] != 0xFF or marker in {0xD9, 0xDA}:
            break
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        (length,) = struct.unpack_from(">H", content, at + 2)
        at += 2 + length
    raise VideoRefused("decode_failed", "the picture states no size")
