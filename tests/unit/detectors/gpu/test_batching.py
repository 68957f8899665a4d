"""Frames of many clips in one run: the same numbers whatever stands beside them, and one clip's fault is its own."""

import random
import threading
import time

import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable
from detectors.gpu.batching import Batcher, OutOfMemory, Overloaded

SIDE = 8
WEIGHTS = np.random.default_rng(1).standard_normal((SIDE * SIDE, 5)).astype(np.float32)
POISON = 255


def network(batch):
    """A product in float32: rows of different batch shapes may differ in the last digit, as real networks' do."""
    return (batch.reshape(len(batch), -1).astype(np.float32) / 255) @ WEIGHTS


def frames(seed: int, count: int):
    return list(np.random.default_rng(seed).integers(0, 200, (count, SIDE, SIDE), dtype=np.uint8))


def poisoned():
    return np.full((SIDE, SIDE), POISON, np.uint8)


def ask(batcher: Batcher, shown, patience_s: float = 30):
    ticket = batcher.begin(patience_s=patience_s)
    batcher.put(ticket, shown)
    return batcher.collect(ticket)


@pytest.fixture
def batching():
    """Make batchers and stop them afterwards; no thread may be left."""
    made = []

    def make(run=network, **settings):
        made.append(Batcher("probe", run, **{"frames_per_run": 4, **settings}))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()
    assert not [thread.name for thread in threading.enumerate() if thread.name == "batcher-probe"]


def in_parallel(batcher: Batcher, clips, order: random.Random):
    """Hand clips in from threads of their own, piece by piece with pauses drawn from `order`."""
    answers: dict[int, object] = {}

    def one(number: int, shown, pieces: list[int], pauses: list[float]) -> None:
        try:
            ticket = batcher.begin(patience_s=30)
            start = 0
            for piece, pause in zip(pieces, pauses, strict=True):
                time.sleep(pause)
                batcher.put(ticket, shown[start : start + piece])
                start += piece
            answers[number] = batcher.collect(ticket)
        except DetectorError as error:
            answers[number] = error

    threads = []
    for number, shown in clips.items():
        pieces = []
        while sum(pieces) < len(shown):
            pieces.append(min(order.randint(1, 5), len(shown) - sum(pieces)))
        pauses = [order.random() * 0.003 for _ in pieces]
        threads.append(threading.Thread(target=one, args=(number, shown, pieces, pauses)))
    order.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("seed", range(6))
def test_a_clips_numbers_do_not_depend_on_other_clips_in_flight(batching, seed):
    clips = {number: frames(number, 3 + number) for number in range(8)}
    alone = {number: ask(batching(), shown) for number, shown in clips.items()}
    together = in_parallel(batching(max_wait_s=0.001), clips, random.Random(seed))
    for number in clips:
        np.testing.assert_array_equal(together[number], alone[number])


def test_every_run_has_one_shape_and_clips_share_runs(batching):
    shapes = []

    def watched(batch):
        shapes.append(batch.shape)
        return network(batch)

    batcher = batching(watched, max_wait_s=0.05)
    in_parallel(batcher, {number: frames(number, 3) for number in range(4)}, random.Random(0))
    assert set(shapes) == {(4, SIDE, SIDE)}
    assert len(shapes) < 4 * 3
    assert batcher.load.frames == 12
    assert batcher.load.padded == 4 * len(shapes) - 12


def test_a_frame_that_cannot_be_run_fails_its_own_clip_alone(batching):
    def choking(batch):
        if (batch == POISON).all(axis=(1, 2)).any():
            raise RuntimeError("a frame that no kernel takes")
        return network(batch)

    clips = {0: frames(0, 6), 1: [*frames(1, 3), poisoned(), *frames(2, 3)], 2: frames(3, 6)}
    for seed in range(4):
        answers = in_parallel(batching(choking, max_wait_s=0.02), clips, random.Random(seed))
        assert isinstance(answers[1], DetectorError)
        assert not isinstance(answers[1], DetectorUnavailable)
        np.testing.assert_array_equal(answers[0], ask(batching(), clips[0]))
        np.testing.assert_array_equal(answers[2], ask(batching(), clips[2]))


def test_a_row_that_is_no_number_fails_its_own_clip_alone(batching):
    def dividing(batch):
        rows = network(batch)
        rows[(batch == POISON).all(axis=(1, 2))] = np.nan
        return rows

    answers = in_parallel(
        batching(dividing, max_wait_s=0.02), {0: frames(0, 4), 1: [poisoned()], 2: frames(1, 4)}, random.Random(1)
    )
    assert isinstance(answers[1], DetectorError)
    assert len(answers[0]) == len(answers[2]) == 4


def test_a_frame_of_another_form_is_refused_and_never_stretched(batching):
    with pytest.raises(DetectorError, match="another form"):
        ask(batching(), [frames(0, 1)[0], np.zeros((SIDE, 1), np.uint8)])


def test_runs_halve_when_the_device_is_full_and_stay_so(batching):
    sizes = []

    def small(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise OutOfMemory("no room")
        return network(batch)

    batcher = batching(small, frames_per_run=8, max_wait_s=0.02)
    shown = frames(0, 8)
    np.testing.assert_allclose(ask(batcher, shown), network(np.stack(shown)), atol=1e-4)
    assert sizes[:2] == [8, 4]
    assert batcher.shape == 2
    assert batcher.load.halvings == 2
    ask(batcher, shown)
    assert set(sizes[2:]) == {2}


def test_no_room_for_one_frame_is_the_systems_fault(batching):
    def full(batch):
        raise OutOfMemory("no room")

    with pytest.raises(DetectorUnavailable, match="no room for one frame"):
        ask(batching(full), frames(0, 3))


def test_waiting_frames_are_bounded_and_whoever_brings_more_waits(batching):
    go = threading.Event()

    def slow(batch):
        go.wait(10)
        return network(batch)

    batcher = batching(slow, frames_per_run=2, room=4)
    most = []
    threading.Timer(0.3, go.set).start()
    watching = threading.Thread(
        target=lambda: most.extend(batcher.load.waiting for _ in range(30) if not time.sleep(0.01))
    )
    watching.start()
    assert len(ask(batcher, frames(0, 20))) == 20
    watching.join()
    assert max(most) == 4


def test_a_clip_that_waited_long_enough_is_told_that_the_system_is_slow(batching):
    go = threading.Event()
    calls = []

    def stuck(batch):
        calls.append(len(batch))
        go.wait(10)
        return network(batch)

    batcher = batching(stuck, frames_per_run=2, room=4)
    with pytest.raises(Overloaded):
        ask(batcher, frames(0, 3), patience_s=0.1)
    with pytest.raises(Overloaded):  # no room, and none comes
        ask(batcher, frames(1, 9), patience_s=0.1)
    go.set()
    np.testing.assert_array_equal(ask(batcher, frames(2, 2)), network(np.stack(frames(2, 2))))
    assert sum(calls) <= 2 * 4  # what nobody waits for any more was not run


def test_time_that_a_clip_takes_itself_is_not_waiting(batching):
    batcher = batching()
    ticket = batcher.begin(patience_s=0.5)
    for frame in frames(0, 4):
        batcher.put(ticket, [frame])
        time.sleep(0.2)  # decoding, say
    assert len(batcher.collect(ticket)) == 4


def test_closing_tells_those_who_wait_and_refuses_new_clips(batching):
    started, go = threading.Event(), threading.Event()

    def slow(batch):
        started.set()
        go.wait(10)
        return network(batch)

    batcher = batching(slow, frames_per_run=1)
    told = []

    def wait() -> None:
        try:
            ask(batcher, frames(0, 3))
        except DetectorUnavailable as error:
            told.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    started.wait(5)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    waiting.join(5)
    go.set()
    closing.join(5)
    assert told == ["probe is shutting down"]
    with pytest.raises(DetectorUnavailable, match="shutting down"):
        ask(batcher, frames(0, 1))


def test_a_clip_without_frames_has_no_rows(batching):
    assert len(ask(batching(), [])) == 0


def test_an_answer_of_the_wrong_shape_is_no_answer(batching):
    with pytest.raises(DetectorError, match="answered with shape"):
        ask(batching(lambda batch: network(batch)[:2]), frames(0, 3))
