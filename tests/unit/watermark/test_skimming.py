"""Skimming: cheaper than a full decode, and no film fits between the frames that are looked at."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from watermark.limits import VideoLimits
from watermark.skimming import Hidden, most_between, skim

LIMITS = VideoLimits()


def write(path: Path, options: dict[str, str], frames: int = 60) -> Path:
    noise = np.random.default_rng(3)
    ground = noise.integers(0, 255, (96, 400, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30), options={"preset": "veryfast"} | options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(frames):
            pixels = np.ascontiguousarray(ground[:, 2 * number : 2 * number + 160])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def skimmed(path: Path) -> list[int]:
    return [time_ms for time_ms, _ in skim(path, limits=LIMITS, step_ms=125, long_side=64)]


def test_an_ordinary_film_is_seen_all_along(tmp_path: Path):
    times = skimmed(write(tmp_path / "x.mp4", {}))
    assert times[0] == 0
    assert times[-1] >= 1800
    assert max(np.diff(times)) <= 300


def test_a_film_with_many_frames_between_two_is_not_skimmed(tmp_path: Path):
    hiding = {"x264-params": "bframes=12:b-adapt=0:b-pyramid=none:keyint=60:scenecut=0"}
    with pytest.raises(Hidden):
        skimmed(write(tmp_path / "x.mp4", hiding))


def test_the_longest_run_left_out_counts():
    assert most_between([0, 1, 2, 3], [0, 1, 2, 3]) == 0
    assert most_between([0, 1, 2, 3, 4, 5], [0, 4, 5]) == 3
    assert most_between([0, 1, 2, 3], [0]) == 3
    assert most_between([0, 1, 2, 3], [3]) == 3
    assert most_between([], []) == 0
