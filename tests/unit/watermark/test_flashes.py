"""Flashes of drawn clips: a strobe is counted, what flickers little, slowly or in a corner is not."""

import numpy as np
import pytest

from watermark.flashes import FlashCounter

FPS = 30
DARK, LIGHT = 40, 200


def count(frames, *, full_range: bool = False) -> FlashCounter:
    counter = FlashCounter(full_range=full_range)
    for number, frame in enumerate(frames):
        counter.see(number * 1000 // FPS, np.asarray(frame, np.uint8))
    return counter


def strobe(hertz: float, seconds: float = 3, dark: int = DARK, light: int = LIGHT, share: float = 1.0):
    """Frames in which the left `share` of the picture is light for half of each period."""
    for number in range(round(seconds * FPS)):
        frame = np.full((90, 160), dark)
        if number * hertz / FPS % 1 >= 0.5:
            frame[:, : round(160 * share)] = light
        yield frame


@pytest.mark.parametrize(("hertz", "flashes"), [(1, 1), (3, 3), (5, 5), (10, 10)])
def test_a_strobe_is_counted_by_the_second(hertz, flashes):
    found = count(strobe(hertz))
    assert abs(found.most_in_a_second - flashes) <= 1
    assert found.most_in_a_second > 3 or hertz <= 3, "more than three are never missed"


@pytest.mark.parametrize(
    "frames",
    [
        strobe(10, share=0.2),
        strobe(10, dark=120, light=128),
        strobe(10, dark=225, light=235),
        (np.full((90, 160), 40 + 1.7 * number) for number in range(90)),
        (np.full((90, 160), 100) for _ in range(90)),
    ],
    ids=["in a corner", "faint", "bright on bright", "a slow fade", "nothing"],
)
def test_what_does_not_flash_is_not_counted(frames):
    found = count(frames)
    assert (found.most_in_a_second, found.from_ms) == (0, None)


def test_a_bright_thing_that_moves_is_no_flash():
    def moving():
        for number in range(90):
            frame = np.full((90, 160), DARK)
            frame[20:70, number : number + 60] = LIGHT
            yield frame

    assert count(moving()).most_in_a_second <= 1


def test_it_says_where_the_worst_second_begins():
    calm = [np.full((90, 160), DARK)] * 60
    assert count([*calm, *strobe(6, 2)]).from_ms in range(2_000, 2_600)


def test_a_quarter_of_the_picture_is_enough_and_full_range_is_read_as_such():
    assert count(strobe(8, share=0.3)).most_in_a_second > 3
    # 5 to 14 is black in limited range, and 0.0 to 0.002 of the light in full range: neither flashes.
    assert count(strobe(8, dark=5, light=14), full_range=True).most_in_a_second == 0
    assert count(strobe(8, dark=16, light=98), full_range=True).most_in_a_second > 3
