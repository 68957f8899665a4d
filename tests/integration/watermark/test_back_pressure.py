"""The pass pulls: no frame is made before the one before it was taken, whoever of producer and encoder is slower."""

import time
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import ClipPlan, draw_clip

from watermark.frames import Planes, mark_frames
from watermark.limits import VideoLimits
from watermark.rewriting import Encoding, Picture, encode_frames, rewrite
from watermark.writing import ClipWriter, Laps, write_frames

WIDTH, HEIGHT = 192, 128
PICTURE = Picture(width=WIDTH, height=HEIGHT, fps=Fraction(30))


class Count:
    """How many frames are alive, and the most that ever were."""

    def __init__(self) -> None:
        self.alive = self.most = 0

    def born(self, pixels: np.ndarray) -> None:
        self.alive += 1
        self.most = max(self.most, self.alive)
        weakref.finalize(pixels, self._died)

    def _died(self) -> None:
        self.alive -= 1


def frames(count: int, counted: Count, pause: float = 0.0) -> Iterator[Planes]:
    """Frames of noise, each in memory of its own, `pause` seconds apart."""
    noise = np.random.default_rng(3)
    chroma = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    for index in range(count):
        time.sleep(pause)
        y = noise.integers(60, 190, (HEIGHT, WIDTH), np.uint8)
        counted.born(y)
        yield Planes(index=index, time_ms=index * 1000 // 30, y=y, u=chroma, v=chroma)
        # A generator's own hold on what it gave away.
        del y


class Brightening:
    """A mark that takes its time."""

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause

    def mark(self, planes: Planes) -> None:
        time.sleep(self.pause)
        planes.y[:] += 1


@pytest.mark.parametrize(
    ("preset", "making", "marking"), [("veryslow", 0.0, 0.0), ("ultrafast", 0.004, 0.0), ("ultrafast", 0.0, 0.004)]
)
def test_two_frames_are_alive_at_most_whoever_is_slow(tmp_path, preset, making, marking):
    counted = Count()
    marked = mark_frames(frames(90, counted, making), (Brightening(marking),))
    report = encode_frames(marked, PICTURE, tmp_path / "out.mp4", encoding=Encoding(preset=preset))
    assert report.frames == 90
    # The one that is being made, and the one before it until the loop lets go of it.
    assert counted.most <= 2


def test_the_count_would_tell(tmp_path):
    counted = Count()
    hoarded = iter(list(frames(30, counted)))
    encode_frames(mark_frames(hoarded, ()), PICTURE, tmp_path / "out.mp4", encoding=Encoding(preset="ultrafast"))
    assert counted.most == 30


def test_a_file_is_decoded_no_faster_than_it_is_encoded(tmp_path):
    counted = Count()

    class Counting:
        def mark(self, planes: Planes) -> None:
            counted.born(planes.y)

    source = draw_clip(tmp_path / "in.mp4", ClipPlan(frames=60))
    slow = Encoding(preset="slower")
    rewrite(source, tmp_path / "out.mp4", lambda _: (Counting(),), encoding=slow, limits=VideoLimits())
    assert counted.most <= 2


class Muxer:
    """Stands before a container and counts what comes out of the encoder."""

    def __init__(self, output: Any) -> None:
        self.output, self.packets = output, 0

    def mux(self, packet: Any) -> None:
        self.packets += 1
        self.output.mux(packet)

    def close(self) -> None:
        self.output.close()


def most_inside(preset: str, threads: int, count: int, target: Path) -> int:
    """How many frames the encoder itself had taken and not given back, at most."""
    inside = []
    with ClipWriter(target, PICTURE, Encoding(preset=preset, threads=threads), Laps()) as writer:
        writer.output = muxer = Muxer(writer.output)
        write_frames(writer, frames(count, Count()), lambda done: inside.append(done - muxer.packets))
    assert muxer.packets == count
    return max(inside)


@pytest.mark.parametrize(("preset", "lookahead"), [("ultrafast", 0), ("veryfast", 10)])
@pytest.mark.parametrize("threads", [1, 4])
def test_the_encoder_looks_ahead_by_its_preset_and_threads_and_no_further(tmp_path, preset, lookahead, threads):
    short, long = (most_inside(preset, threads, count, tmp_path / "out.mp4") for count in (60, 120))
    assert short == long
    # What x264 documents as its lookahead, and up to two frames for each thread that works on one.
    assert lookahead <= short <= lookahead + 2 * threads
