"""Signals become lanes and moments: one source for bars, figures and buttons."""

import pytest

from moderation.decisions import Leaf, Outcome, RuleTrace
from moderation.timelines import MOST_MOMENTS, Line
from review_ui.timeline import (
    HEIGHT,
    WIDTH,
    acted_on,
    lanes,
    lines_of,
    looks,
    moments,
    silent,
    sound,
    transcript,
)


def clip(duration: int = 4000, **signals: dict[str, object]) -> dict[str, object]:
    names = {name.replace("__", "."): signal for name, signal in signals.items()}
    return {"signals": names, "segments": [], "duration_ms": duration}


def signal(*samples: tuple[int, float, int | None], state: str = "measured", note: str = "") -> dict[str, object]:
    return {"samples": [list(sample) for sample in samples], "state": state, "model": "m", "note": note}


def segment(at: int, end: int, name: str = "explicit.score", peak: float = 0.5) -> dict[str, object]:
    return {"signal": name, "label": name, "start_ms": at, "end_ms": end, "peak": peak}


def fired(name: str, comparator: str, against: float, **more: object) -> RuleTrace:
    leaf = Leaf(says="", truth="true", name=name, comparator=comparator, against=(against,))
    return RuleTrace(policy="p", rule="r", truth="true", outcome=Outcome.REVIEW, leaves=(leaf,), **more)


def test_bars_stand_where_and_as_high_as_their_samples():
    (lane,) = lanes(clip(explicit__score=signal((0, 0.1, None), (1000, 0.25, None), (2000, 0.05, None))))
    assert [bar.x for bar in lane.bars] == [0, WIDTH / 4, WIDTH / 2]
    assert [bar.flagged for bar in lane.bars] == [False, True, False]
    assert [round(bar.height / HEIGHT, 2) for bar in lane.bars] == [0.4, 1.0, 0.2]
    assert all(bar.y + bar.height == pytest.approx(HEIGHT) for bar in lane.bars)
    assert (lane.peak, lane.line, lane.side, lane.flagged) == ("0.25", "0.20", "above", True)


def test_figure_and_bars_are_of_the_same_samples():
    # 0.93 in the text and 0.89 in the bars: they once came from two places.
    (lane,) = lanes(clip(explicit__score=signal((0, 0.89, None), (500, 0.93, None))))
    assert lane.peak == "0.93"
    highest = max(lane.bars, key=lambda bar: bar.height)
    assert highest.height / HEIGHT == pytest.approx(0.93 / 0.93)
    assert lane.over.count("M") == 2
    assert lane.rail.count("M") == 2
    assert lane.under == ""


def test_a_small_distance_is_what_matters_and_stands_higher():
    (lane,) = lanes(clip(face__match_distance=signal((0, 0.9, 1), (500, 0.39, 1))))
    assert (lane.peak, lane.side, [bar.flagged for bar in lane.bars]) == ("0.39", "below", [False, True])
    (years,) = lanes(clip(face__age=signal((0, 34.6, 1))))
    assert (years.peak, years.line, years.flagged) == ("35", "25", False)


@pytest.mark.parametrize(("name", "value"), [("explicit__score", 0.2), ("face__match_distance", 0.6)])
def test_a_bar_is_beyond_its_line_exactly_when_it_counts(name, value):
    for step in (-0.05, 0.0, 0.05):
        (lane,) = lanes(clip(**{name: signal((0, value + step, None))}))
        assert lane.flagged == (lane.bars[0].y <= lane.line_y + 1e-9)
        assert 0 < lane.line_y < HEIGHT


def test_the_line_is_that_of_the_rule_that_acted():
    lines = lines_of([fired("explicit.score", "at_least", 0.7), fired("scene.gore", "above", 0.9)])
    assert (lines["explicit.score"].value, lines["explicit.score"].label) == (0.7, "explicit")
    assert lines["scene.gore"] == Line(label="scene.gore", value=0.9)
    (lane, gore) = lanes(clip(explicit__score=signal((0, 0.6, None)), scene__gore=signal((0, 0.95, None))), lines)
    assert (lane.line, lane.flagged, gore.flagged) == ("0.70", False, True)


@pytest.mark.parametrize(
    "entry",
    [
        fired("explicit.score", "at_least", 0.7, shadow=True),
        fired("explicit.score", "at_least", 0.7, exception="news"),
        fired("explicit.score", "known", 0.7),
        fired("words.sexual", "at_least", 0.5),
        fired("creator.age", "at_least", 18),
    ],
)
def test_what_did_not_act_or_has_no_time_draws_no_line(entry):
    lines = lines_of([entry])
    assert lines["explicit.score"].value == 0.2
    assert not {"words.sexual", "creator.age"} & set(lines)


def test_no_bar_leaves_the_lane():
    (lane,) = lanes(clip(duration=1000, explicit__score=signal((0, 0.9, None), (400, 1.0, None), (999, 0.1, None))))
    assert all(bar.x + bar.width <= WIDTH + 2 and 0 <= bar.y <= HEIGHT for bar in lane.bars)


def test_silence_is_told_from_zero():
    quiet, failed = lanes(clip(explicit__score=signal(), face__age=signal(state="failed", note="no model")))
    assert (quiet.peak, quiet.bars, quiet.state) == ("", (), "measured")
    assert (failed.state, failed.note) == ("failed", "no model")
    (zero,) = lanes(clip(explicit__score=signal((0, 0.0, None))))
    assert zero.peak == "0.00"


def test_what_failed_without_a_lane_is_named():
    assert silent(clip(scene__gore=signal(state="failed"), scene__weapon=signal(state="not_measured"))) == [
        "scene.gore"
    ]


def test_moments_stand_in_order_of_time():
    found = [segment(at, at + 1) for at in range(65_300, 0, -5000)]
    shown = moments({"segments": found})
    assert [moment.key for moment in shown] == list(range(1, MOST_MOMENTS + 1))
    assert [moment.start_ms for moment in shown] == [300 + 5000 * n for n in range(MOST_MOMENTS)]
    last = moments({"segments": [found[0]]})[0]
    assert (last.clock, last.until, last.figure) == ("1:05.3", "1:05.3", "0.50")


def test_of_too_many_moments_those_that_a_rule_acted_on_stay():
    found = [segment(at, at + 1) for at in range(0, 60_000, 5000)] + [segment(59_000, 59_500, "face.age", 15.2)]
    shown = moments({"segments": found}, acted=acted_on([fired("face.age", "below", 18)]))
    assert (len(shown), shown[-1].signal, shown[-1].figure) == (MOST_MOMENTS, "face.age", "15")


def test_stretches_that_follow_closely_are_one_moment_with_the_worst_peak():
    found = [segment(0, 300, peak=0.4), segment(500, 900, peak=0.8), segment(2000, 2300, peak=0.3)]
    near = [segment(0, 300, "face.match_distance", 0.5), segment(100, 200, "face.match_distance", 0.4)]
    shown = moments({"segments": found + near})
    assert [(m.signal, m.start_ms, m.end_ms, m.peak) for m in shown] == [
        ("explicit.score", 0, 900, 0.8),
        ("face.match_distance", 0, 300, 0.4),
        ("explicit.score", 2000, 2300, 0.3),
    ]


def test_sound_is_loudness_and_turns():
    lane = sound(clip(), [0.0, 0.5, 1.0, 2.0], [[2000, 3000, 1], [0, 1000, None]])
    assert [bar.height for bar in lane.loudness] == [0, HEIGHT / 2, HEIGHT, HEIGHT]
    assert lane.turns == ((0, WIDTH / 4), (WIDTH / 2, WIDTH / 4))
    assert lane.path.count("M") == 4
    assert sound(clip(), []) is None


def test_what_is_said_is_told_from_what_is_written():
    texts = [
        {"source": "speech", "time_ms": 1500, "text": "second"},
        {"source": "screen", "time_ms": 0, "text": "written"},
        {"source": "speech", "time_ms": 100, "text": "first"},
    ]
    assert [(said.clock, said.text) for said in transcript(texts)] == [("0:00.1", "first"), ("0:01.5", "second")]


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
