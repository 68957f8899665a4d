"""Signals become lanes and moments: one source for bars, figures and buttons."""

import pytest

from review_ui.timeline import HEIGHT, MOST_MOMENTS, WIDTH, lanes, looks, moments


def clip(duration: int = 4000, **signals: dict[str, object]) -> dict[str, object]:
    names = {name.replace("__", "."): signal for name, signal in signals.items()}
    return {"signals": names, "segments": [], "duration_ms": duration}


def signal(*samples: tuple[int, float, int | None], state: str = "measured", note: str = "") -> dict[str, object]:
    return {"samples": [list(sample) for sample in samples], "state": state, "model": "m", "note": note}


def test_bars_stand_where_and_as_high_as_their_samples():
    (lane,) = lanes(clip(explicit__score=signal((0, 0.1, None), (1000, 0.25, None), (2000, 0.05, None))))
    assert [bar.x for bar in lane.bars] == [0, WIDTH / 4, WIDTH / 2]
    assert [bar.flagged for bar in lane.bars] == [False, True, False]
    assert [round(bar.height / HEIGHT, 2) for bar in lane.bars] == [0.4, 1.0, 0.2]
    assert all(bar.y + bar.height == pytest.approx(HEIGHT) for bar in lane.bars)
    assert (lane.peak, lane.line, lane.side, lane.flagged) == ("0.25", "0.20", "above", True)


def test_a_small_distance_is_what_matters():
    (lane,) = lanes(clip(face__match_distance=signal((0, 0.9, 1), (500, 0.39, 1))))
    assert (lane.peak, lane.side, [bar.flagged for bar in lane.bars]) == ("0.39", "below", [False, True])
    (years,) = lanes(clip(face__age=signal((0, 34.6, 1))))
    assert (years.peak, years.line, years.flagged) == ("35", "25", False)


def test_no_bar_leaves_the_lane():
    (lane,) = lanes(clip(duration=1000, explicit__score=signal((0, 0.9, None), (400, 1.0, None), (999, 0.1, None))))
    assert all(bar.x + bar.width <= WIDTH + 2 and 0 <= bar.y <= HEIGHT for bar in lane.bars)


def test_silence_is_told_from_zero():
    quiet, failed = lanes(clip(explicit__score=signal(), face__age=signal(state="failed", note="no model")))
    assert (quiet.peak, quiet.bars, quiet.state) == ("", (), "measured")
    assert (failed.state, failed.note) == ("failed", "no model")
    (zero,) = lanes(clip(explicit__score=signal((0, 0.0, None))))
    assert zero.peak == "0.00"


def test_moments_are_the_first_ones_in_order_of_time():
    found = [
        {"signal": "explicit.score", "label": "explicit", "start_ms": at, "end_ms": at + 1, "peak": 0.5}
        for at in range(65_300, 0, -5000)
    ]
    shown = moments({"segments": found})
    assert [moment.key for moment in shown] == list(range(1, MOST_MOMENTS + 1))
    assert [moment.start_ms for moment in shown] == [300 + 5000 * n for n in range(MOST_MOMENTS)]
    last = moments({"segments": [{**found[0]}]})[0]
    assert last.clock == "1:05.3"


def test_looks_cuts_and_what_was_not_looked_at_stand_where_they_were():
    told = {
        "seen_ms": [0, 1000, 4000],
        "shots": [{"shot": 0, "start_ms": 0}, {"shot": 1, "start_ms": 2000}],
        "unseen": [{"start_ms": 3000, "end_ms": 3000}, {"start_ms": 3200, "end_ms": 3600}],
    }
    found = looks({**clip(), "looks": told})
    assert (found.count, found.seen, found.cuts) == (3, (0, WIDTH / 4, WIDTH), (WIDTH / 2,))
    assert found.unseen == ((750, 2.0), (800, pytest.approx(100)))


def test_a_clip_nobody_looked_at_has_no_looks():
    assert looks(clip()) is None
    assert looks({**clip(), "looks": None}) is None
    assert looks({**clip(), "looks": {"seen_ms": [], "shots": [], "unseen": []}}) is None
