"""Where the visible mark stands: secret, whole, moving, clear of boxes, and never led away by them."""

import numpy as np
import pytest

from watermark.placing import CELLS, DWELL_MS, LEAST_FREE, KeptClear, Places, Rect, keep_out, start_place

KEY = b"k" * 32
FRAME, MARK = (1280, 720), (480, 140)
EVERYWHERE = ("f" * 64,)


def box(x, y, width, height, start_ms=0, end_ms=DWELL_MS):
    return KeptClear(start_ms=start_ms, end_ms=end_ms, x=x, y=y, width=width, height=height)


def cells(grid):
    return np.unpackbits(np.frombuffer(bytes.fromhex(grid), np.uint8)).reshape(CELLS, CELLS).astype(bool)


def at(mark_id, avoid=(), slot=0, frame=FRAME, apart=None, apart_until_ms=DWELL_MS):
    return Places(KEY, mark_id, frame, MARK, avoid, apart, apart_until_ms).at(slot)


def covers(place, x, y, width, height):
    left, top = place[0] / FRAME[0], place[1] / FRAME[1]
    right, bottom = left + MARK[0] / FRAME[0], top + MARK[1] / FRAME[1]
    return left < x + width and x < right and top < y + height and y < bottom


def test_a_box_becomes_the_cells_it_touches():
    (grid,) = keep_out([box(0.25, 0.5, 0.125, 0.0625)])
    rows, columns = np.nonzero(cells(grid))
    # A hundredth on every side reaches into the cells about it.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 9, 3, 6)


def test_boxes_hold_for_their_stretches_of_time_only():
    grids = keep_out([box(0, 0, 0.1, 0.1, DWELL_MS, DWELL_MS + 1), box(0.9, 0.9, 0.1, 0.1, 3 * DWELL_MS - 1, 9_000)])
    assert [bool(grid) for grid in grids] == [False, True, True, True]
    assert keep_out([]) == ()


def test_a_box_that_reaches_out_of_the_frame_is_kept_within_it():
    (grid,) = keep_out([box(-0.2, 0.95, 0.3, 0.3, -400, 10)])
    assert cells(grid)[15, 0]
    assert not cells(grid)[:14].any()


@pytest.mark.parametrize("face", [(0.42, 0.2, 0.16, 0.3), (0.0, 0.8, 1.0, 0.15), (0.0, 0.0, 0.4, 1.0)])
def test_the_mark_keeps_clear_of_a_box(face):
    avoid = keep_out([box(*face)])
    heeded = [covers(at(mark_id, avoid), *face) for mark_id in range(100)]
    heedless = [covers(at(mark_id), *face) for mark_id in range(100)]
    assert np.mean(heedless) > 0.2
    assert np.mean(heeded) <= 0.02


def test_the_same_boxes_give_the_same_places_and_the_key_decides_among_them():
    avoid = keep_out([box(0.4, 0.2, 0.2, 0.5)])
    assert at(5, avoid) == at(5, avoid)
    assert Places(b"x" * 32, 5, FRAME, MARK, avoid).at(0) != at(5, avoid)
    assert len({at(mark_id, avoid) for mark_id in range(50)}) > 45


def test_in_a_crowd_it_still_stands_somewhere_whole():
    for mark_id in range(50):
        x, y = at(mark_id, EVERYWHERE)
        assert 0 <= x <= FRAME[0] - MARK[0]
        assert 0 <= y <= FRAME[1] - MARK[1]


def test_nobody_can_lead_the_mark_into_one_corner():
    """All but the lower right is filled: places that are free are too few, so boxes are not heeded."""
    avoid = keep_out([box(0, 0, 1.0, 0.7), box(0, 0, 0.55, 1.0)])
    places = [at(mark_id, avoid) for mark_id in range(150)]
    cornered = [x >= 0.55 * FRAME[0] and y >= 0.7 * FRAME[1] for x, y in places]
    assert 0 < np.mean(cornered) < 0.35


def test_boxes_are_heeded_where_they_leave_an_eighth_of_the_places():
    rng = np.random.default_rng(4)
    for mark_id in range(100):
        avoid = keep_out([box(*rng.uniform(0, 0.7, 2), *rng.uniform(0.1, 0.6, 2)) for _ in range(3)])
        places = Places(KEY, mark_id, FRAME, MARK, avoid)
        free = [place for place in places._drawn(0) if places._covered(place, cells(avoid[0]).astype(float)) == 0]
        assert places.at(0) in (free if len(free) >= LEAST_FREE else places._drawn(0)[:4])


def test_it_keeps_apart_from_the_start_label_while_that_stands():
    label = start_place(FRAME, (700, 100))
    assert not any(label.meets(Rect(*at(mark_id, apart=label), *MARK)) for mark_id in range(200))
    assert any(label.meets(Rect(*at(mark_id, slot=1, apart=label), *MARK)) for mark_id in range(200))
    long = {"apart": label, "apart_until_ms": DWELL_MS + 1}
    assert not any(label.meets(Rect(*at(mark_id, slot=1, **long), *MARK)) for mark_id in range(200))
    assert any(label.meets(Rect(*at(mark_id, slot=2, **long), *MARK)) for mark_id in range(200))


def test_a_start_label_stands_in_the_middle_near_the_top():
    rect = start_place((720, 1280), (500, 60))
    assert rect.x + 250 == pytest.approx(360, abs=2)
    assert (rect.y, rect.y + 60 < 640) == (128, True)
    tiny = start_place((16, 16), (60, 20))
    assert (tiny.x, tiny.y) == (0, 0)
