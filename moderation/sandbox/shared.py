"""Frames and sound through shared memory: the child writes into slots, the parent looks at frames in place.

The parent sealed the memory's size and maps it read-only; every offset the child names is checked before it is used.
"""

import fcntl
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from moderation.sandbox.channel import Broken, Message

#: Two: the child fills one while the parent looks at the other.
SLOTS: Final = 2
SLOT_BYTES: Final = 32 * 1024 * 1024
BATCH_FRAMES: Final = 8
CHANNELS: Final = 3
#: Samples of one piece of sound: 30 seconds.
PIECE_SAMPLES: Final = 480_000

Pixels = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where one frame lies: `offset` bytes into its slot, [height, width, 3] uint8."""

    index: int
    time_ms: int
    shot: int
    height: int
    width: int
    offset: int

    @property
    def size(self) -> int:
        return self.height * self.width * CHANNELS


def largest_side() -> int:
    """The longest side whose square frame still fits a slot."""
    return int((SLOT_BYTES // CHANNELS) ** 0.5)


def create() -> int:
    """Anonymous memory for all slots, of a size nobody can change (a shrunk mapping would kill its reader)."""
    fd = os.memfd_create("frames", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.ftruncate(fd, SLOTS * SLOT_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class Gone(Exception):
    """The parent no longer wants the frames."""


class FrameWriter:
    """The child's side. Waits for a free slot, so memory stays constant however slow the parent is."""

    def __init__(self, fd: int, send: Callable[[Message], None], receive: Callable[[], Message | None]) -> None:
        self._memory = mmap.mmap(fd, SLOTS * SLOT_BYTES)
        self._send = send
        self._receive = receive
        self._free = list(range(SLOTS))
        self._placed: list[Placed] = []
        self._end = 0

    def write(self, index: int, time_ms: int, shot: int, pixels: Pixels) -> None:
        """Copy one frame, uint8 [height, width, 3], into the open slot; hands the slot over when it is full."""
        height, width, _ = pixels.shape
        if self._placed and (len(self._placed) == BATCH_FRAMES or self._end + pixels.nbytes > SLOT_BYTES):
            self.flush()
        self._await_slot()
        placed = Placed(index=index, time_ms=time_ms, shot=shot, height=height, width=width, offset=self._end)
        start = self._free[0] * SLOT_BYTES + placed.offset
        room = np.frombuffer(self._memory, np.uint8, placed.size, start)
        room.reshape(height, width, CHANNELS)[...] = pixels
        self._placed.append(placed)
        self._end += placed.size

    def write_sound(self, start_ms: int, samples: Samples) -> None:
        """Hand over one piece of sound, float32 [count], at most `PIECE_SAMPLES` long."""
        self.flush()
        self._await_slot()
        slot = self._free.pop(0)
        np.frombuffer(self._memory, np.float32, len(samples), slot * SLOT_BYTES)[...] = samples
        self._send({"sound": slot, "start_ms": start_ms, "samples": len(samples)})

    def flush(self) -> None:
        """Hand over what is written, if anything."""
        if not self._placed:
            return
        rows = [[p.index, p.time_ms, p.shot, p.height, p.width, p.offset] for p in self._placed]
        self._send({"batch": self._free.pop(0), "frames": rows})
        self._placed, self._end = [], 0

    def settle(self) -> None:
        """Drop what was not handed over and wait until every slot is back, so that the next job starts afresh."""
        self._placed, self._end = [], 0
        while len(self._free) < SLOTS:
            self._take_back()

    def _await_slot(self) -> None:
        while not self._free:
            self._take_back()

    def _take_back(self) -> None:
        message = self._receive()
        slot = None if message is None else message.get("free")
        if not isinstance(slot, int):
            raise Gone
        self._free.append(slot)


def _whole(value: object) -> int:
    if type(value) is not int:
        raise Broken("not a whole number")
    return value


class FrameReader:
    """The parent's side: checked, read-only views of what the child handed over."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SLOTS * SLOT_BYTES, prot=mmap.PROT_READ)

    def slot(self, message: Message, kind: str = "batch") -> int:
        """The slot a message of this kind names. Raises Broken."""
        slot = _whole(message.get(kind))
        if not 0 <= slot < SLOTS:
            raise Broken("no such slot")
        return slot

    def sound(self, slot: int, message: Message) -> tuple[int, Samples]:
        """Start in ms and a copy of the samples, float32 [count], all within -1 to 1. Raises Broken."""
        start_ms, count = _whole(message.get("start_ms")), _whole(message.get("samples"))
        if not 0 < count <= PIECE_SAMPLES:
            raise Broken("not a piece of sound")
        # Copied before it is checked: the child can still write there.
        samples = np.frombuffer(self._memory, np.float32, count, slot * SLOT_BYTES).copy()
        if not (np.abs(samples) <= 1.0).all():
            raise Broken("sound out of bounds")
        return start_ms, samples

    def placed(self, message: Message, long_side: int) -> list[Placed]:
        """The frames a batch message names, none larger than asked for, each inside its slot. Raises Broken."""
        rows = message.get("frames")
        if not isinstance(rows, list) or not 0 < len(rows) <= BATCH_FRAMES:
            raise Broken("not a batch")
        return [self._place(row, long_side) for row in rows]

    def pixels(self, slot: int, placed: Placed) -> Pixels:
        """A view of one frame, uint8 [height, width, 3], valid until its slot is given back."""
        flat = np.frombuffer(self._memory, np.uint8, placed.size, slot * SLOT_BYTES + placed.offset)
        return flat.reshape(placed.height, placed.width, CHANNELS)

    def _place(self, row: object, long_side: int) -> Placed:
        if not isinstance(row, list) or len(row) != 6:
            raise Broken("not a frame")
        index, time_ms, shot, height, width, offset = (_whole(value) for value in row)
        placed = Placed(index=index, time_ms=time_ms, shot=shot, height=height, width=width, offset=offset)
        if min(index, time_ms, shot) < 0 or not (0 < height <= long_side and 0 < width <= long_side):
            raise Broken("a frame out of bounds")
        if offset < 0 or offset + placed.size > SLOT_BYTES:
            raise Broken("a frame outside its slot")
        return placed
