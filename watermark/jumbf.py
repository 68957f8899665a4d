"""Boxes around C2PA manifests: where a file of the MP4 family keeps its store, and what a store holds (ISO 19566-5).

Reads lengths and labels only, within bounds; what a manifest says is the library's to read and to doubt.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

#: The UUID of the box that holds a manifest in MP4 and its kin (C2PA 2.x, embedding in BMFF).
MANIFEST_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
#: Before the store in that box: UUID, version and flags, the purpose's name, an offset of eight bytes.
_PURPOSE = b"manifest\x00"
_PREFIX = len(MANIFEST_BOX) + 4 + len(_PURPOSE) + 8
#: A file of the door's limits has a few boxes at its top; a hostile one has as many as it likes.
_MOST_BOXES = 4096


class BoxesBroken(ValueError):
    """The boxes do not nest as they must."""


class StoreTooLarge(ValueError):
    """The store is larger than the caller has use for."""


def find_store(path: Path, *, most: int) -> bytes | None:
    """The manifest store that a file of the MP4 family embeds; None when it is of another family or holds none.

    Raises StoreTooLarge beyond `most` bytes, BoxesBroken when the store is cut off, OSError when nothing can be read.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return None
        for start, end in _top_boxes(file):
            file.seek(start)
            prefix = file.read(min(_PREFIX, end - start))
            if prefix[:16] == MANIFEST_BOX and prefix[20 : 20 + len(_PURPOSE)] == _PURPOSE:
                if end - start - _PREFIX > most:
                    raise StoreTooLarge(f"a manifest store of more than {most} bytes")
                return _whole(file.read(end - start - _PREFIX))
    return None


def active_only(store: bytes) -> bytes:
    """The same store with its active manifest alone, which stands last. Raises BoxesBroken."""
    parts = list(_children(store))
    if len(parts) < 2:
        raise BoxesBroken("the store holds no manifest")
    content = parts[0] + parts[-1]
    return (8 + len(content)).to_bytes(4) + b"jumb" + content


def _top_boxes(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where the content of each UUID box at the top of the file begins and ends."""
    size, at = os.fstat(file.fileno()).st_size, 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, inner = int.from_bytes(head[:4]), 8
        if length == 1:
            length, inner = int.from_bytes(head[8:]), 16
        end = size if length == 0 else at + length
        if end < at + inner or end > size:
            return
        if head[4:8] == b"uuid":
            yield at + inner, end
        at = end


def _whole(content: bytes) -> bytes:
    """The first box of `content`: what follows a store is padding."""
    length = int.from_bytes(content[:4])
    if content[4:8] != b"jumb" or not 8 <= length <= len(content):
        raise BoxesBroken("the manifest store is cut off")
    return content[:length]


def _children(store: bytes) -> Iterator[bytes]:
    at, end = 8, len(_whole(store))
    while at < end:
        length = int.from_bytes(store[at : at + 4])
        if length < 8 or at + length > end:
            raise BoxesBroken("a box of the manifest store is cut off")
        yield store[at : at + length]
        at += length
