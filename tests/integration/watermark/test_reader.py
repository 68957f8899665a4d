"""What detectors and mark readers get to see: the right frames, at the right times, upright and in true colours."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from clips import ClipPlan, Sound, draw_clip, draw_picture, read_corners, read_number, trim_by_edit_list

from watermark.limits import VideoLimits, VideoRefused
from watermark.planes import has_eight_bit_luma
from watermark.reader import luma, sample
from watermark.sampling import SamplingRules, Watch
from watermark.sources import decode_frames, open_source

LIMITS = VideoLimits()
UPRIGHT = ("red", "green", "blue", "white")
VP9 = {"codec": "libvpx-vp9", "options": (("deadline", "realtime"), ("cpu-used", "8"))}


def look(path, fps=3.0, long_side=1280):
    """The frames of the floor alone: no change is great enough."""
    watch = Watch(SamplingRules(floor_fps=fps, part_change=256, whole_change=766, extra_per_second=1))
    return sample(path, watch, long_side=long_side, limits=LIMITS)


def sampled(path, fps=3.0, long_side=1280):
    return [
        (frame.index, frame.time_ms, read_number(frame.pixels), read_corners(frame.pixels))
        for frame in look(path, fps, long_side)
    ]


@pytest.mark.parametrize(
    "plan",
    [
        ClipPlan(),
        ClipPlan(width=240, height=426),
        ClipPlan(rotation=90),
        ClipPlan(rotation=180),
        ClipPlan(rotation=270),
        ClipPlan(mirrored=True),
        ClipPlan(pix_fmt="yuv420p10le"),
        ClipPlan(pix_fmt="yuv422p"),
        ClipPlan(pix_fmt="yuv444p", width=321, height=239),
        ClipPlan(width=321, height=239, **VP9),
        ClipPlan(colour=(2, 1, 1, 1)),
        ClipPlan(colour=(1, 9, 14, 9), pix_fmt="yuv420p10le"),
        ClipPlan(codec="prores_ks", pix_fmt="yuv422p10le", options=()),
    ],
)
def test_frames_come_upright_in_true_colours(tmp_path, plan):
    path = draw_clip(tmp_path / ("a.webm" if "vpx" in plan.codec else "a.mov"), plan)
    frames = list(look(path))
    assert [frame.time_ms for frame in frames] == [0, 333, 667, 967]
    for frame in frames:
        assert frame.pixels.shape == (plan.height, plan.width, 3)
        assert frame.pixels.flags.c_contiguous
        drawn = draw_picture(plan.width, plan.height, frame.index)
        assert np.abs(frame.pixels.astype(int) - drawn).mean() < 1.5
        assert (read_number(frame.pixels), read_corners(frame.pixels)) == (frame.index, UPRIGHT)
        side = min(plan.width, plan.height) // 6 - 4
        for corner in (np.s_[4:side, 4:side], np.s_[4:side, -side:-4], np.s_[-side:-4, -side:-4]):
            # Read by another matrix, these saturated colours would be off by ten and more.
            assert np.abs(frame.pixels[corner].mean(axis=(0, 1)) - drawn[corner].mean(axis=(0, 1))).max() < 5


def test_uniform_samples_and_always_the_last(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(frames=45, fps=30))
    assert [(index, time) for index, time, *_ in sampled(path, fps=3)] == [
        (0, 0),
        (10, 333),
        (20, 667),
        (30, 1000),
        (40, 1333),
        (44, 1467),
    ]
    assert [time for _, time, *_ in sampled(path, fps=1)] == [0, 1000, 1467]
    assert len(sampled(path, fps=240)) == 45


def test_one_frame_is_first_and_last(tmp_path):
    assert sampled(draw_clip(tmp_path / "a.mp4", ClipPlan(frames=1))) == [(0, 0, 0, UPRIGHT)]


def test_a_variable_rate_keeps_its_times(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(times_ms=(0, 20, 100, 133, 400, 410, 900, 910)))
    assert [time for time, _ in luma(path, limits=LIMITS)] == [0, 20, 100, 133, 400, 410, 900, 910]
    assert [time for _, time, *_ in sampled(path, fps=5)] == [0, 400, 900, 910]


def test_times_count_from_the_first_displayed_frame(tmp_path):
    late = draw_clip(tmp_path / "a.mp4", ClipPlan(start_ms=500, sounds=(Sound(seconds=2),)))
    assert [time for _, time, *_ in sampled(late)] == [0, 333, 667, 967]
    cut = draw_clip(tmp_path / "b.mp4", ClipPlan(frames=60, options=(("preset", "veryfast"), ("crf", "20"))))
    trim_by_edit_list(cut, 300)
    assert [(time, number) for _, time, number, _ in sampled(cut, fps=1)] == [(0, 9), (1000, 39), (1667, 59)]


def test_stretched_samples_are_shown_square(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(sar=Fraction(4, 3)))
    shapes = {frame.pixels.shape for frame in look(path, 1)}
    assert shapes == {(240, 427, 3)}
    turned = draw_clip(tmp_path / "b.mp4", ClipPlan(sar=Fraction(4, 3), rotation=90))
    frames = list(look(turned, 1))
    # Coded 240 x 320 is widened to 320 x 320 and then turned.
    assert {frame.pixels.shape for frame in frames} == {(320, 320, 3)}
    assert read_corners(frames[0].pixels) == UPRIGHT


def test_the_long_side_bounds_and_never_enlarges(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(width=240, height=426))
    assert next(look(path, 1, 213)).pixels.shape == (213, 120, 3)
    assert next(look(path, 1, 9999)).pixels.shape == (426, 240, 3)
    assert [number for *_, number, _ in sampled(path, long_side=213)] == [0, 10, 20, 29]


def test_the_same_file_gives_the_same_pixels(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(texture=8))
    first, second = ([frame.pixels for frame in look(path, 5, 200)] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_pq_is_brought_to_ordinary_brightness(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(pix_fmt="yuv420p10le", colour=(1, 9, 16, 9)))
    pixels = next(look(path, 1, 320)).pixels
    # PQ code 150 of 255 is about reference white; drawn grey of 100 is a mid tone.
    drawn = draw_picture(320, 240, 0)
    grey = (np.ptp(drawn.astype(int), axis=2) == 0) & (drawn[:, :, 0] > 98) & (drawn[:, :, 0] < 102)
    assert 105 < pixels[grey].mean() < 125


@pytest.mark.parametrize("layout", ["yuv420p", "yuv422p", "yuv420p10le"])
def test_luma_is_that_of_the_file(tmp_path, layout):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(pix_fmt=layout, frames=5))
    planes = [(time, plane.copy()) for time, plane in luma(path, limits=LIMITS)]
    assert [time for time, _ in planes] == [0, 33, 67, 100, 133]
    for number, (_, plane) in enumerate(planes):
        assert (plane.dtype, plane.shape, read_number(plane)) == (np.uint8, (240, 320), number)
        drawn = draw_picture(320, 240, number)
        grey = np.ptp(drawn.astype(int), axis=2) == 0
        expected = 16 + drawn[:, :, 0].astype(float) * 219 / 255
        assert np.abs(plane - expected)[grey].mean() < 1.5


def test_luma_is_upright_and_not_copied(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(rotation=270))
    for number, (_, plane) in enumerate(luma(path, limits=LIMITS)):
        assert plane.shape == (240, 320)
        assert read_number(plane) == number
        assert plane.base is not None


def test_luma_may_be_thinned_and_shrunk(tmp_path):
    path = draw_clip(tmp_path / "a.mp4", ClipPlan(width=640, height=360, frames=60))
    read = [(time, plane.shape, read_number(plane)) for time, plane in luma(path, limits=LIMITS, fps=2, long_side=320)]
    assert read == [(0, (180, 320), 0), (500, (180, 320), 15), (1000, (180, 320), 30), (1500, (180, 320), 45)]


@pytest.mark.parametrize(
    ("limits", "code"),
    [(VideoLimits(max_frames=10), "too_many_frames"), (VideoLimits(max_duration_ms=500), "too_long")],
)
def test_reading_stops_at_the_limits(tmp_path, limits, code):
    frames = luma(draw_clip(tmp_path / "a.mp4", ClipPlan()), limits=limits)
    assert [read_number(next(frames)[1]) for _ in range(10)] == list(range(10))
    with pytest.raises(VideoRefused) as caught:
        [None for _ in itertools.islice(frames, 7)]
    assert caught.value.code == code


def test_the_layouts_whose_first_plane_is_luma(tmp_path):
    for layout, expected in (("yuv420p", True), ("yuv444p", True), ("yuv422p10le", False)):
        plan = ClipPlan(pix_fmt=layout, frames=1)
        with open_source(draw_clip(tmp_path / f"{layout}.mp4", plan), LIMITS) as source:
            assert has_eight_bit_luma(next(decode_frames(source)).frame) is expected
