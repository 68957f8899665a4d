"""The fingerprint of an incoming clip: PDQ of the frames that were kept. Hashes and times only; keeps no picture."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Frame
from moderation.db import Transaction, queries
from watermark.fingerprint import SAME_PICTURE, SIDE, distance
from watermark.pdq import orientations

SQL = queries("hashlists")
#: PDQ's own line: a plainer frame resembles too much.
QUALITY: Final = 50
#: A frame this soon after the last one counts only when it shows another picture.
STEP_MS: Final = 450
#: Longer side at which a clip is looked at for its print alone; hashes are made from 64 x 64 points.
LONG_SIDE: Final = 256
_MAGIC: Final = b"CPR1"
_HEAD: Final = struct.Struct("<II")
#: A time, a quality and eight hashes.
_FRAME_BYTES: Final = 4 + 1 + 8 * 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipPrint:
    """The frames of a clip that PDQ can tell apart.

    `times` int32 [n] in ms; `quality` uint8 [n], 50-100; `hashes` uint8 [n, 8, 32], the frame as it is and in its seven
    other orientations. `plain` counts the frames left out because they show too little.
    """

    times: NDArray[np.int32]
    quality: NDArray[np.uint8]
    hashes: NDArray[np.uint8]
    plain: int

    def __len__(self) -> int:
        return len(self.times)

    def to_bytes(self) -> bytes:
        """Serialise: magic, counts, times, qualities, hashes; little-endian."""
        head = _MAGIC + _HEAD.pack(len(self), self.plain)
        return head + self.times.astype("<i4").tobytes() + self.quality.tobytes() + self.hashes.tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> "ClipPrint":
        """Read what `to_bytes` wrote. Raises ValueError for anything else."""
        start = len(_MAGIC) + _HEAD.size
        if not content.startswith(_MAGIC) or len(content) < start:
            raise ValueError("this is not the print of a clip")
        count, plain = _HEAD.unpack(content[len(_MAGIC) : start])
        if len(content) != start + count * _FRAME_BYTES:
            raise ValueError("a print's length does not fit its count")
        times, quality, hashes = np.split(np.frombuffer(content, np.uint8, offset=start), np.cumsum([4, 1]) * count)
        return cls(
            times=times.view("<i4").astype(np.int32),
            quality=quality,
            hashes=hashes.reshape(count, 8, 32),
            plain=plain,
        )


class PrintTaker:
    """Takes a clip's print as its frames pass by, in order of time. Keeps no reference to a frame."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, NDArray[np.uint8]]] = []
        self._plain = 0

    def see(self, frames: Sequence[Frame]) -> None:
        """Hash frames, BGR uint8 [height, width, 3]; of frames that follow closely only those with a new picture."""
        for frame in frames:
            hashes, quality = hash_picture(frame.pixels)
            if quality < QUALITY:
                self._plain += 1
            elif not self._kept or self._tells_more(frame.time_ms, hashes[0]):
                self._kept.append((frame.time_ms, quality, hashes))

    def finish(self) -> ClipPrint:
        """The print of what was seen."""
        return ClipPrint(
            times=np.array([time for time, _, _ in self._kept], np.int32),
            quality=np.array([quality for _, quality, _ in self._kept], np.uint8),
            hashes=np.array([hashes for *_, hashes in self._kept], np.uint8).reshape(-1, 8, 32),
            plain=self._plain,
        )

    def _tells_more(self, time_ms: int, hash_: NDArray[np.uint8]) -> bool:
        last, _, hashes = self._kept[-1]
        return time_ms - last >= STEP_MS or int(distance(hash_, hashes[0])) > SAME_PICTURE


def hash_picture(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """PDQ of a BGR picture, uint8 [height, width, 3], in its eight orientations, uint8 [8, 32]; and its quality."""
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return hash_luma(np.asarray(grey, np.uint8))


def hash_luma(luma: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The same of a picture's luma, uint8 [SIDE, SIDE]."""
    hashes, quality = orientations(luma)
    return np.packbits(hashes, axis=1), quality


def keep_print(tx: Transaction, clip_id: str, found: ClipPrint, now: datetime) -> None:
    """Store a clip's print; the first one stays."""
    plain = np.ascontiguousarray(found.hashes[:, 0]).tobytes()
    row = {"org": tx.org, "clip": clip_id, "hashes": plain, "body": found.to_bytes(), "now": now}
    tx.pg.execute(SQL.insert_print, row)


def read_print(tx: Transaction, clip_id: str) -> ClipPrint | None:
    """A clip's print, None when none was taken yet."""
    row = tx.pg.execute(SQL.print_of_clip, {"clip": clip_id}).fetchone()
    return ClipPrint.from_bytes(bytes(row[0])) if row else None
