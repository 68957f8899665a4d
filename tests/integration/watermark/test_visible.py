"""The visible mark: where it must be, in every language, and nowhere else."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from watermark.frames import Planes
from watermark.lettering import render
from watermark.placing import KeptClear, keep_out
from watermark.sighting import VisibleState, presence
from watermark.stamp import LABELS, draw_stamp, draw_start, handle
from watermark.visible import CannotDraw, StartLabel, VisibleMarker, VisibleSpec

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
    frames = marked(own, 1280, 720, until=3000)
    small = [(t, cv2.resize(y, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)) for t, y in frames]
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


@pytest.mark.parametrize("creator", ["\u4f60", "sunny\u4f60_day", "sunny\U0001f31e_day"])
def test_a_handle_that_no_font_can_write_whole_is_left_out_whole(creator):
    assert np.array_equal(
        draw_stamp(spec(creator=creator), 640, 360).letters, draw_stamp(spec(creator=""), 640, 360).letters
    )


def test_a_handle_turns_nothing_about_but_itself():
    # Right-to-left letters at its edges would turn the platform's name, were they one line of text.
    apart = draw_stamp(spec(creator=""), 1280, 720)
    beside = draw_stamp(spec(creator="سلام"), 1280, 720)
    # The two differ in how far marks reach below the line; the platform's own letters begin the same.
    rows = min(apart.letters.shape[0], beside.letters.shape[0]) - 12
    assert np.array_equal(apart.letters[:rows, :240], beside.letters[:rows, :240])
    assert handle("\u202eسلام") == "@سلام"


def ground(kind, width=1280, height=720):
    rows, columns = np.mgrid[:height, :width]
    match kind:
        case int():
            luma = np.full((height, width), kind)
        case "halves":
            luma = np.where(columns < width // 2, 16, 235)
        case _:
            luma = np.where((rows // kind[0] + columns // kind[0]) % 2, 235, 16)
    half = np.full((height // 2, width // 2), 128, np.uint8)
    return Planes(index=0, time_ms=0, y=luma.astype(np.uint8), u=half.copy(), v=half.copy())


@pytest.mark.parametrize("kind", [16, 64, 126, 149, 151, 200, 235, "halves", (1,), (2,), (6,), (16,), (50,)])
def test_letters_can_be_read_on_any_ground(kind):
    """Strokes stand off from what is right about them by a third of the range, and nearly everywhere."""
    planes = ground(kind)
    marker = VisibleMarker(spec(), 1280, 720)
    marker.mark(planes)
    stamp, (x, y) = marker._drawing.stamp, marker._drawing.places.at(0)
    width, height = stamp.size
    seen = planes.y[y : y + height, x : x + width].astype(int)
    letters, about = seen[stamp.letters > 0.9], seen[stamp.outline > 0.9]
    light, dark = (letters, about) if np.median(letters) > np.median(about) else (about, letters)
    assert np.median(light) - np.median(dark) >= 73
    assert np.mean(light > dark.mean()) > 0.99
    assert presence([(0, planes.y)], spec(size=(1280, 720))).score > 0.8


def test_the_mark_turns_over_when_its_ground_does_and_holds_while_it_wavers():
    marker = VisibleMarker(spec(), 640, 360)
    tones = []
    for level in (140, 160, 140, 230, 160, 140, 30):
        planes = ground(level, 640, 360)
        marker.mark(planes)
        tones.append(marker._brush._tone.dark)
    assert tones == [False, False, False, True, True, True, False]


def test_a_place_on_whose_ground_the_mark_turned_over_still_has_it():
    own = spec(size=(640, 360))
    marker = VisibleMarker(own, 640, 360)
    frames = []
    for time_ms in range(0, 2400, 400):
        planes = replace(ground(30 if time_ms < 1200 else 230, 640, 360), time_ms=time_ms)
        marker.mark(planes)
        frames.append((time_ms, planes.y))
    assert presence(frames, own).state is VisibleState.FOUND


def test_the_first_frame_carries_it_fully():
    own = spec()
    assert presence(marked(own, until=1), own).score > 0.3


def test_it_moves_from_one_frame_to_the_next_and_is_whole_on_both():
    marker, pictures = VisibleMarker(spec(), 640, 360), []
    for time_ms in (1200, 2460, 2499, 2500, 2540, 4999):
        planes = replace(ground(30, 640, 360), time_ms=time_ms)
        marker.mark(planes)
        pictures.append(planes.y)
    assert len({np.sort(luma, axis=None).tobytes() for luma in pictures}) == 1
    assert [np.array_equal(one, other) for one, other in pairwise(pictures)] == [True, True, False, True, True]


def test_a_language_that_cannot_be_drawn_is_refused():
    with pytest.raises(CannotDraw):
        render("生成", 32, "zh")


def moved(frames, across, down):
    return [(time_ms, np.roll(luma, (down, across), (0, 1))) for time_ms, luma in frames]


@pytest.mark.parametrize(("across", "down"), [(12, 0), (0, 10), (-30, 24)])
def test_a_mark_that_stands_elsewhere_is_not_found(across, down):
    own = spec(size=(640, 360))
    assert presence(moved(marked(own), across, down), own).state is VisibleState.NOT_FOUND


@pytest.mark.parametrize("cover", ["black", "blur", "letters"])
def test_a_mark_painted_over_is_not_found(cover):
    own = spec(size=(640, 360))
    marker = VisibleMarker(own, 640, 360)
    (width, height), frames = marker._drawing.stamp.size, []
    for time_ms, luma in marked(own):
        x, y = marker._drawing.places.at(time_ms // 2500)
        part = luma[y : y + height, x : x + width].copy()
        if cover == "black":
            part[:] = 16
        elif cover == "blur":
            part[:] = cv2.blur(part, (25, 25))
        else:
            others = render("NOT AI AT ALL", height // 2, "en")[:height, :width]
            part[:] = 120
            part[: others.shape[0], : others.shape[1]][others > 0.5] = 235
        luma[y : y + height, x : x + width] = part
        frames.append((time_ms, luma))
    assert presence(frames, own).state is VisibleState.NOT_FOUND


def test_one_place_of_five_without_it_is_damage():
    frames = [(t, picture(640, 360, t).y if 5000 <= t < 7500 else y) for t, y in marked(spec(), until=12_500)]
    assert presence(frames, spec()).state is VisibleState.DAMAGED


BOXES = keep_out([KeptClear(start_ms=0, end_ms=9_000, x=0.0, y=0.5, width=1.0, height=0.5)])


def test_the_verifier_finds_it_where_boxes_sent_it_and_nowhere_else():
    own, heedless = spec(avoid=BOXES, size=(640, 360)), spec(size=(640, 360))
    frames = marked(own)
    assert presence(frames, own).state is VisibleState.FOUND
    assert presence(frames, heedless).state is not VisibleState.FOUND


@pytest.mark.parametrize(("copy", "original"), [((640, 360), (854, 480)), ((500, 400), (1280, 720))])
def test_the_size_that_was_marked_tells_the_places_in_any_copy(copy, original):
    own = spec(avoid=BOXES, size=original)
    copies = [(t, cv2.resize(y, copy, interpolation=cv2.INTER_AREA)) for t, y in marked(own, *original, until=3000)]
    reading = presence(copies, own)
    assert (reading.state, reading.score > 0.7) == (VisibleState.FOUND, True)


START = StartLabel(text="AI GENERATED", until_ms=2000)


@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_a_start_label_is_there_for_its_time_and_is_asked_for(size):
    own = spec(start=START, size=size)
    frames, without = marked(own, *size, until=3000), marked(replace(own, start=None), *size, until=3000)
    reading = presence(frames, own)
    assert (reading.state, reading.start > 0.7) == (VisibleState.FOUND, True)
    assert presence(without, own).state is not VisibleState.FOUND
    late = [(t, y) if t else (t, w) for (t, y), (_, w) in zip(frames, without, strict=True)]
    assert presence(late, own).state is VisibleState.DAMAGED
    after = [pair for pair in zip(frames, without, strict=True) if pair[0][0] >= START.until_ms]
    assert all((y[: size[1] // 8] == w[: size[1] // 8]).all() for (_, y), (_, w) in after)


@pytest.mark.parametrize("size", [(1280, 720), (720, 1280), (600, 600)])
def test_capitals_of_the_start_label_are_at_least_five_percent_of_the_short_side(size):
    drawn = draw_start("AI GENERATED", *size).letters
    rows = np.flatnonzero(drawn.max(axis=1) > 0.5)
    assert rows.max() - rows.min() + 1 >= 0.05 * min(size)


def test_a_start_label_too_long_to_be_large_is_refused():
    with pytest.raises(CannotDraw, match="too long"):
        draw_start("THIS WAS GENERATED BY A MACHINE", 600, 600)
    assert draw_start("MADE BY\nA MACHINE", 600, 600).letters.any()


@pytest.mark.parametrize("size", [(16, 16), (48, 640), (640, 48)])
def test_frames_too_small_for_words_are_marked_without_harm(size):
    assert len(marked(spec(start=START), *size, until=500)) == 2
