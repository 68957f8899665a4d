"""The visible mark: where it must be, in every language, and nowhere else."""

import cv2
import numpy as np
import pytest

from watermark.frames import Planes
from watermark.lettering import render
from watermark.stamp import LABELS, draw_stamp
from watermark.visible import CannotDraw, VisibleMarker, VisibleSpec, VisibleState, presence

KEY = b"k" * 32


def spec(**changes):
    known = {"platform": "Countersign", "creator": "sunny_day", "locale": "en", "mark_id": 0xABCDEF012345, "key": KEY}
    return VisibleSpec(**(known | changes))


def picture(width, height, time_ms):
    rows, columns = np.mgrid[:height, :width]
    luma = 120 + 70 * np.sin(columns / 70 + time_ms / 700) + 30 * np.sin(rows / 23)
    half = ((height + 1) // 2, (width + 1) // 2)
    return Planes(
        index=0,
        time_ms=time_ms,
        y=luma.clip(16, 235).astype(np.uint8),
        u=np.full(half, 120, np.uint8),
        v=np.full(half, 130, np.uint8),
    )


def marked(own, width=640, height=360, until=6000):
    marker = VisibleMarker(own, width, height)
    frames = []
    for time_ms in range(0, until, 250):
        planes = picture(width, height, time_ms)
        marker.mark(planes)
        frames.append((time_ms, planes.y))
    return frames


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (256, 144), (641, 359), (1280, 720)])
@pytest.mark.parametrize("locale", sorted(LABELS))
def test_the_mark_is_found_where_it_was_put(size, locale):
    own = spec(locale=locale, creator="سلمى_99" if locale == "ar" else "éléonore")
    assert presence(marked(own, *size, until=3000), own).state is VisibleState.FOUND


def test_it_is_found_on_a_copy_of_half_the_size():
    own = spec()
    small = [(t, cv2.resize(y, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)) for t, y in marked(own, 1280, 720)]
    assert presence(small, own).state is VisibleState.FOUND


def test_an_unmarked_clip_has_none():
    frames = [(t, picture(640, 360, t).y) for t in range(0, 6000, 250)]
    assert presence(frames, spec()).state is VisibleState.NOT_FOUND


@pytest.mark.parametrize("change", [{"mark_id": 1}, {"key": b"x" * 32}])
def test_another_clips_mark_is_not_this_clips(change):
    assert presence(marked(spec()), spec(**change)).state is VisibleState.NOT_FOUND


def test_a_mark_painted_over_for_half_the_time_is_damaged():
    frames = marked(spec(), until=10_000)
    half = [(t, y if t < 5000 else picture(640, 360, t).y) for t, y in frames]
    assert presence(frames, spec()).state is VisibleState.FOUND
    assert presence(half, spec()).state is VisibleState.DAMAGED


def test_no_frames_are_no_mark():
    assert presence([], spec()).state is VisibleState.NOT_FOUND


def test_it_moves():
    marker = VisibleMarker(spec(), 640, 360)
    places = {marker._drawing.places.at(slot) for slot in range(8)}
    assert len(places) == 8


def test_it_is_always_whole_inside_the_frame():
    for size in ((640, 360), (144, 256), (360, 640)):
        marker = VisibleMarker(spec(creator="w" * 40), *size)
        height, width = marker._drawing.stamp.letters.shape
        for slot in range(60):
            x, y = marker._drawing.places.at(slot)
            assert 0 <= x <= size[0] - width
            assert 0 <= y <= size[1] - height


def test_capitals_of_the_label_are_at_least_five_percent_of_the_short_side():
    stamp = draw_stamp(spec(platform="-", creator=""), 1280, 720)
    rows = np.flatnonzero(stamp.letters[:, :30].max(axis=1) > 0.5)
    assert rows.max() - rows.min() + 1 >= 0.05 * 720


def test_the_creator_is_capped_and_control_characters_are_dropped():
    plain = draw_stamp(spec(creator="abc"), 640, 360).letters
    hostile = draw_stamp(spec(creator="a\u202eb\u0000\u200fc"), 640, 360).letters
    assert np.array_equal(plain, hostile)
    assert draw_stamp(spec(creator="w" * 500), 640, 360).letters.shape[1] <= 640


def test_a_handle_that_no_font_has_leaves_the_rest_standing():
    assert np.array_equal(
        draw_stamp(spec(creator="\u4f60"), 640, 360).letters, draw_stamp(spec(creator=""), 640, 360).letters
    )


def test_letters_show_on_black_and_on_white():
    for level in (16, 235):
        own = spec()
        marker = VisibleMarker(own, 640, 360)
        half = np.full((180, 320), 128, np.uint8)
        planes = Planes(index=0, time_ms=0, y=np.full((360, 640), level, np.uint8), u=half.copy(), v=half.copy())
        marker.mark(planes)
        assert int(planes.y.max()) - int(planes.y.min()) > 120


def test_the_first_frame_carries_it_fully():
    own = spec()
    assert presence(marked(own, until=1), own).score > 0.3


def test_a_language_that_cannot_be_drawn_is_refused():
    with pytest.raises(CannotDraw):
        render("生成", 32, "zh")
