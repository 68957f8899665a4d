"""The visible mark in copies that were moved: found where the geometry says, silent where it was cut off."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from watermark.frames import Planes
from watermark.geometry import Geometry
from watermark.placing import DWELL_MS
from watermark.reading import LayerState, check_visible
from watermark.sighting import VisibleState, presence
from watermark.visible import Drawing, StartLabel, VisibleMarker, VisibleSpec

WIDTH, HEIGHT = 640, 360
SPEC = VisibleSpec(
    platform="Countersign", creator="maya", locale="en", mark_id=0xABC, key=b"k" * 32, size=(WIDTH, HEIGHT)
)
PLACES = Drawing(SPEC, WIDTH, HEIGHT)
FIELD = 16 / 9


def ground(time_ms):
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    luma = 120 + 70 * np.sin(columns / 70 + time_ms / 700) + 30 * np.sin(rows / 23)
    return luma.clip(16, 235).astype(np.uint8)


def marked(spec=SPEC, until=10_000):
    marker, chroma = VisibleMarker(spec, WIDTH, HEIGHT), np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    for time_ms in range(0, until, 800):
        luma = ground(time_ms)
        marker.mark(Planes(index=0, time_ms=time_ms, y=luma, u=chroma, v=chroma.copy()))
        yield time_ms, luma


#: What was done to the picture, as a map from the original's pixels to the copy's, and the copy's size.
COPIES = {
    "mirrored": ([[-1, 0, WIDTH], [0, 1, 0]], (WIDTH, HEIGHT)),
    "cropped": ([[1, 0, -40], [0, 1, -20]], (560, 320)),
    "cropped and mirrored": ([[-1, 0, 600], [0, 1, -20]], (560, 320)),
    "cropped and enlarged": ([[1.4, 0, -56], [0, 1.4, -28]], (784, 448)),
    "in a tall canvas": ([[0.6, 0, 0], [0, 0.6, 200]], (384, 640)),
    "turned a little": ([[0.995, -0.0998, 18], [0.0998, 0.995, -30]], (WIDTH, HEIGHT)),
    "on its side": ([[0, -1, HEIGHT], [1, 0, 0]], (HEIGHT, WIDTH)),
    "squeezed": ([[0.5, 0, -20], [0, 1, -10]], (300, 350)),
}


def copy_of(frames, name, across=0.0, down=0.0):
    """The copy, and its geometry as the mark's reader tells it, off by some short sides."""
    matrix, size = COPIES[name]
    matrix = np.array(matrix, np.float64)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    copies = [(t, cv2.warpAffine(luma, shifted, size, flags=cv2.INTER_AREA)) for t, luma in frames]
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2] / HEIGHT
    back[:, 2] += across, down
    return copies, Geometry.of(back, *size, FIELD)


@pytest.mark.parametrize("name", COPIES)
def test_it_is_found_where_the_geometry_says_and_nowhere_else(name):
    copies, geometry = copy_of(marked(until=5_000), name, 0.006, -0.006)
    seen = presence(copies, SPEC, geometry)
    assert (seen.state, seen.score > 0.5) == (VisibleState.FOUND, True)
    assert presence(copies, SPEC).state is not VisibleState.FOUND
    assert presence(copies, replace(SPEC, key=b"o" * 32), geometry).state is VisibleState.NOT_FOUND


@pytest.mark.parametrize("name", ["mirrored", "cropped and mirrored", "in a tall canvas"])
def test_it_is_not_found_on_the_same_copy_of_an_unmarked_picture(name):
    copies, geometry = copy_of([(t, ground(t)) for t in range(0, 5_000, 800)], name)
    assert presence(copies, SPEC, geometry).state is VisibleState.NOT_FOUND


def part(left, width, frames):
    """A strip of the picture, at full height."""
    back = np.array([[1, 0, left], [0, 1, 0]]) / HEIGHT
    return [(t, luma[:, left : left + width]) for t, luma in frames], Geometry.of(back, width, HEIGHT, FIELD)


def test_a_place_that_was_cut_off_is_not_one_where_the_mark_is_missing():
    x, _ = PLACES.places.at(0)
    first = [frame for frame in marked() if frame[0] < DWELL_MS]
    left = (0, max(40, x - 4)) if x >= WIDTH // 3 else (x + PLACES.stamp.size[0], WIDTH - x - PLACES.stamp.size[0])
    copies, geometry = part(*left, first)
    seen = presence(copies, SPEC, geometry)
    assert (seen.frames, seen.cut_off > 0) == (0, True)
    layer = check_visible(copies, SPEC, geometry)
    assert (layer.state, layer.details) == (LayerState.NOT_CHECKED, {"reason": "cut_off"})


def test_a_place_inside_the_copy_without_the_mark_is():
    x, _ = PLACES.places.at(0)
    begin = max(0, x - 10)
    width = min(WIDTH - begin, PLACES.stamp.size[0] + 30)
    unmarked = [(t, ground(t)) for t in range(0, DWELL_MS, 800)]
    assert check_visible(*_with(part(begin, width, unmarked))).state is LayerState.NOT_FOUND
    assert check_visible(*_with(part(begin, width, list(marked(until=DWELL_MS))))).state is LayerState.FOUND


def _with(copy):
    return copy[0], SPEC, copy[1]


def test_a_copy_of_another_shape_is_not_judged_where_nobody_knows_how_it_lies():
    copies, _ = part(100, 400, list(marked()))
    assert check_visible(copies, SPEC).details == {"reason": "geometry_unknown"}


def test_a_copy_that_starts_later_is_looked_at_by_its_own_time():
    later = [(t - 4000, luma) for t, luma in marked() if t >= 4000]
    assert presence(later, SPEC).state is not VisibleState.FOUND
    assert presence(later, SPEC, offset_ms=4000).state is VisibleState.FOUND
    # An offset that is wrong, as in a still picture, takes nothing away.
    assert presence(list(marked()), SPEC, offset_ms=-3000).state is VisibleState.FOUND


def test_a_start_label_is_missed_only_where_it_would_be_seen():
    spec = replace(SPEC, start=StartLabel(text="AI GENERATED", until_ms=2000))
    frames, without = list(marked(spec)), list(marked())
    mirrored, geometry = copy_of(frames, "mirrored")
    assert presence(mirrored, spec, geometry).start > 0.5
    assert presence(copy_of(without, "mirrored")[0], spec, geometry).state is VisibleState.DAMAGED
    below = [(t, luma[120:]) for t, luma in frames]
    cut = Geometry.of(np.array([[1, 0, 0], [0, 1, 120]]) / HEIGHT, WIDTH, HEIGHT - 120, FIELD)
    assert presence(below, spec, cut).start is None
    later = [(t - 4000, luma) for t, luma in frames if t >= 4000]
    assert presence(later, spec, offset_ms=4000).state is VisibleState.FOUND


def test_a_geometry_that_cannot_be_says_nothing_worse_than_not_found():
    frames = list(marked(until=DWELL_MS))
    for rows in (((0, 0, 0), (0, 0, 0)), ((1e9, 0, 0), (0, 1e9, 0)), ((1e-9, 0, 0), (0, 1e-9, 0))):
        layer = check_visible([(t, luma[:, ::-1]) for t, luma in frames], SPEC, Geometry(matrix=rows))
        assert layer.state is not LayerState.FOUND
