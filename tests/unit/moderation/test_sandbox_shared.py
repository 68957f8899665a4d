"""Frames through shared memory: nothing the child says makes the parent look outside a slot, and memory is constant."""

import os

import numpy as np
import pytest

from moderation.sandbox import shared
from moderation.sandbox.channel import Broken
from moderation.sandbox.shared import BATCH_FRAMES, SLOT_BYTES, SLOTS, FrameReader, FrameWriter, Gone


@pytest.fixture
def memory():
    fd = shared.create()
    yield fd
    os.close(fd)


class Wire:
    """Both ends in one process: what the writer sends, and slots given back at once or not at all."""

    def __init__(self, *, give_back: bool = True) -> None:
        self.sent: list[dict[str, object]] = []
        self.owed: list[int] = []
        self.give_back = give_back

    def send(self, message: dict[str, object]) -> None:
        self.sent.append(message)
        self.owed.append(message["batch"])

    def receive(self) -> dict[str, object] | None:
        return {"free": self.owed.pop(0)} if self.give_back else None


def test_frames_arrive_as_they_were_written(memory):
    wire = Wire()
    writer, reader = FrameWriter(memory, wire.send, wire.receive), FrameReader(memory)
    frames = [np.random.default_rng(n).integers(0, 256, (30 + n, 20, 3), np.uint8) for n in range(5)]
    for number, frame in enumerate(frames):
        writer.write(number * 10, number * 333, number // 2, frame[:, ::-1])
    writer.flush()
    writer.settle()
    (message,) = wire.sent
    slot, placed = reader.slot(message), reader.placed(message, 64)
    assert [(at.index, at.time_ms, at.shot) for at in placed] == [
        (0, 0, 0),
        (10, 333, 0),
        (20, 666, 1),
        (30, 999, 1),
        (40, 1332, 2),
    ]
    for at, frame in zip(placed, frames, strict=True):
        assert np.array_equal(reader.pixels(slot, at), frame[:, ::-1])


def test_batches_are_split_by_count_and_by_room(memory):
    wire = Wire()
    writer = FrameWriter(memory, wire.send, wire.receive)
    for number in range(BATCH_FRAMES + 1):
        writer.write(number, number, 0, np.zeros((4, 4, 3), np.uint8))
    writer.flush()
    writer.settle()
    side = shared.largest_side()
    for number in range(3):
        writer.write(number, number, 0, np.zeros((side, side, 3), np.uint8))
    writer.flush()
    writer.settle()
    assert [len(message["frames"]) for message in wire.sent] == [BATCH_FRAMES, 1, 1, 1, 1]


def test_the_child_waits_for_a_free_slot(memory):
    wire = Wire(give_back=False)
    writer = FrameWriter(memory, wire.send, wire.receive)
    for number in range(SLOTS * BATCH_FRAMES):
        writer.write(number, number, 0, np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(Gone):
        writer.write(99, 99, 0, np.zeros((4, 4, 3), np.uint8))
    assert len(wire.sent) == SLOTS


def test_the_parents_view_is_read_only(memory):
    wire = Wire()
    writer, reader = FrameWriter(memory, wire.send, wire.receive), FrameReader(memory)
    writer.write(0, 0, 0, np.zeros((4, 4, 3), np.uint8))
    writer.flush()
    pixels = reader.pixels(0, reader.placed(wire.sent[0], 4)[0])
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0, 0] = 1


def test_nobody_can_shrink_the_memory_under_its_reader(memory):
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 4096)
    with pytest.raises(PermissionError):
        os.ftruncate(memory, 2 * SLOTS * SLOT_BYTES)


GOOD = [0, 0, 0, 4, 4, 0]


@pytest.mark.parametrize("slot", [-1, SLOTS, 1.0, True, "0", None, [0]])
def test_a_slot_that_is_none_is_refused(memory, slot):
    with pytest.raises(Broken):
        FrameReader(memory).slot({"batch": slot})


@pytest.mark.parametrize(
    "frames",
    [
        None,
        {},
        [],
        [GOOD] * (BATCH_FRAMES + 1),
        [[0, 0, 0, 4, 4]],
        [[0, 0, 0, 4, 4, 0, 0]],
        [[-1, 0, 0, 4, 4, 0]],
        [[0, -1, 0, 4, 4, 0]],
        [[0, 0, -1, 4, 4, 0]],
        [[0, 0, 0, 0, 4, 0]],
        [[0, 0, 0, -4, -4, 0]],
        [[0, 0, 0, 65, 4, 0]],
        [[0, 0, 0, 4, 65, 0]],
        [[0, 0, 0, 4, 4, -1]],
        [[0, 0, 0, 4, 4, SLOT_BYTES - 47]],
        [[0, 0, 0, 4, 4, 2**63]],
        [[0, 0, 0, 4.0, 4, 0]],
        [[0, 0, 0, True, 4, 0]],
        [[0, 0, None, 4, 4, 0]],
        [["0", 0, 0, 4, 4, 0]],
        [GOOD, None],
    ],
)
def test_a_frame_outside_its_slot_or_size_is_refused(memory, frames):
    reader = FrameReader(memory)
    assert reader.placed({"batch": 0, "frames": [GOOD, [0, 0, 0, 64, 64, SLOT_BYTES - 64 * 64 * 3]]}, 64)
    with pytest.raises(Broken):
        reader.placed({"batch": 0, "frames": frames}, 64)
