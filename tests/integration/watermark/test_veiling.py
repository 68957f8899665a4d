"""What reviewers see first: small, grey, blurred, silent, and in time with the clip."""

import time
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest
from clips import ClipPlan, EvenWatch, Sound, draw_clip, read_corners, read_number

from watermark.limits import VideoLimits, VideoRefused
from watermark.probing import probe
from watermark.reader import luma, sample
from watermark.veiling import stills, veil

LIMITS = VideoLimits()


def detail(picture: np.ndarray) -> float:
    return float(np.abs(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)).mean())


@pytest.mark.parametrize(
    ("plan", "size"),
    [
        (ClipPlan(width=640, height=360, frames=20), (240, 136)),
        (ClipPlan(width=360, height=640, frames=20), (136, 240)),
        (ClipPlan(width=640, height=360, frames=20, rotation=90), (240, 136)),
        (ClipPlan(width=480, height=360, frames=20, sar=Fraction(4, 3)), (240, 136)),
        (ClipPlan(width=64, height=48, frames=20), (64, 48)),
    ],
)
def test_a_veil_is_small_grey_blurred_and_silent(tmp_path, plan, size):
    source = draw_clip(tmp_path / "in.mp4", replace(plan, texture=10, sounds=(Sound(),)))
    report = veil(source, tmp_path / "veil.mp4", LIMITS)
    found = probe(tmp_path / "veil.mp4", LIMITS)
    assert ((found.width, found.height), found.audio, found.video_codec) == (size, None, "h264")
    assert abs(report.duration_ms - 667) <= 70
    frame = next(sample(tmp_path / "veil.mp4", EvenWatch(1), long_side=240, limits=LIMITS)).pixels
    assert np.ptp(frame.astype(int), axis=2).max() <= 2
    original = next(sample(source, EvenWatch(1), long_side=max(size), limits=LIMITS)).pixels.mean(axis=2)
    assert detail(frame[:, :, 0]) < detail(original) / 3
    assert (tmp_path / "veil.mp4").stat().st_size < 40_000


def test_a_veil_shows_what_the_clip_shows_when_it_shows_it(tmp_path):
    source = draw_clip(
        tmp_path / "in.mp4", ClipPlan(width=640, height=360, frames=60, options=(("preset", "veryfast"),))
    )
    veil(source, tmp_path / "veil.mp4", LIMITS)
    seen = {time_ms: plane.mean() for time_ms, plane in luma(tmp_path / "veil.mp4", limits=LIMITS)}
    real = {time_ms: plane.mean() for time_ms, plane in luma(source, limits=LIMITS)}
    assert set(seen) <= set(real)
    assert max(b - a for a, b in pairwise(sorted(seen))) <= 250
    assert all(abs(seen[time_ms] - real[time_ms]) < 3 for time_ms in seen)


def test_frames_that_nothing_builds_on_are_not_lost_when_there_are_only_such(tmp_path):
    # One reference frame and then B frames only, so that a hasty pass would leave the first picture standing.
    options = (
        ("preset", "ultrafast"),
        ("x264-params", "bframes=16:b-adapt=0:b-pyramid=none:scenecut=0:keyint=infinite"),
    )
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(fps=30, frames=60, options=options))
    veil(source, tmp_path / "veil.mp4", LIMITS)
    times = [time_ms for time_ms, _ in luma(tmp_path / "veil.mp4", limits=LIMITS)]
    assert max(b - a for a, b in pairwise(times)) <= 70


def test_a_veil_of_no_video_is_refused_and_leaves_no_file(tmp_path):
    (tmp_path / "in.mp4").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(VideoRefused):
        veil(tmp_path / "in.mp4", tmp_path / "veil.mp4", LIMITS)
    assert not (tmp_path / "veil.mp4").exists()


def decoded(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def test_stills_show_the_frame_on_display_at_each_time(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(rotation=90, frames=45))
    made = stills(source, [1000, 0, 34, 33, 32, 99_999, 0], long_side=320, blur=0, limits=LIMITS)
    assert [read_number(decoded(data)) for data in made] == [30, 0, 1, 1, 0, 44, 0]
    assert {decoded(data).shape for data in made} == {(240, 320, 3)}
    assert {read_corners(decoded(data)) for data in made} == {("red", "green", "blue", "white")}


def test_stills_are_small_and_blurred_in_proportion(tmp_path):
    source = draw_clip(tmp_path / "in.mp4", ClipPlan(width=640, height=360, frames=3, texture=10))
    sharp, soft = (decoded(stills(source, [0], long_side=160, blur=share, limits=LIMITS)[0]) for share in (0, 0.03))
    assert sharp.shape == soft.shape == (90, 160, 3)
    assert detail(soft) < detail(sharp) / 5


def test_no_times_give_no_stills(tmp_path):
    assert stills(draw_clip(tmp_path / "in.mp4", ClipPlan(frames=3)), [], long_side=160, blur=0, limits=LIMITS) == []


@pytest.mark.full
def test_a_veil_costs_under_a_second_for_ten(tmp_path):
    plan = ClipPlan(width=1280, height=720, frames=300, texture=6, options=(("preset", "veryfast"), ("crf", "21")))
    source = draw_clip(tmp_path / "in.mp4", plan)
    start = time.process_time()
    veil(source, tmp_path / "veil.mp4", LIMITS)
    # Half as much again for a machine that has other work.
    assert time.process_time() - start < 1.5
