"""The rule of exposure: whatever people do, caps hold, and a severe case is followed by none for a while."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation import exposure
from moderation.exposure import Caps, Exposure, Standing, caps_of, reckon
from moderation.settings import Reviewing, Settings

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CAPS = Caps(day=30 * MINUTE, run=6 * MINUTE, cooling=10 * MINUTE, pause=5 * MINUTE, severe_from=80)


def seen(begins: float, ends: float, severity: int = 10, case: str = "case_1") -> Exposure:
    return Exposure(case_id=case, severity=severity, started_at=START + begins * MINUTE, ended_at=START + ends * MINUTE)


def at(minutes: float, *exposures: Exposure, case: str | None = None) -> Standing:
    return reckon(exposures, START + minutes * MINUTE, CAPS, case)


def test_nobody_begins_with_anything():
    fresh = at(0)
    assert (fresh.day_ms, fresh.run_ms, fresh.capped, fresh.left) == (0, 0, False, CAPS.run)
    assert fresh.severe_allowed(START)


def test_looks_add_up_until_a_pause_and_the_day_goes_on():
    exposures = seen(0, 2), seen(3, 5), seen(9, 10)
    assert at(10, *exposures).run_ms == 300_000, "four minutes between two reveals are no pause"
    assert at(14.9, *exposures).run_ms == 300_000
    assert at(15, *exposures).run_ms == 0
    assert at(15, *exposures).day_ms == 300_000
    assert at(16, *exposures, seen(15, 15.5)).run_ms == 30_000


def test_the_cap_of_a_run_is_lifted_by_a_pause_and_that_of_a_day_by_the_night():
    assert at(7, seen(0, 6)).capped
    assert at(7, seen(0, 6)).rested_at == START + 11 * MINUTE
    assert not at(11, seen(0, 6)).capped
    day = [seen(11 * n, 11 * n + 6) for n in range(5)]
    assert at(100, *day).capped
    assert at(100, *day).left == timedelta(0)
    assert not at(16 * 60 + 6.1, *day).capped, "the first one is more than a day back"


def test_a_severe_case_is_felt_until_it_has_cooled_but_not_while_it_is_in_hand():
    severe = seen(0, 0.5, severity=80)
    assert at(5, severe).cooling_until == START + 10.5 * MINUTE
    assert not at(5, severe).severe_allowed(START + 5 * MINUTE)
    assert at(5, severe, case="case_1").severe_allowed(START + 5 * MINUTE)
    assert not at(5, severe, case="case_2").severe_allowed(START + 5 * MINUTE)
    assert at(10.5, severe).severe_allowed(START + 10.5 * MINUTE)
    assert at(5, seen(0, 0.5, severity=79)).severe_allowed(START + 5 * MINUTE)


def test_looks_that_overlap_are_one_run():
    assert at(10, seen(0, 8), seen(1, 2)).run_ms == 540_000, "the longer one ended last"


def test_a_look_counts_whole_milliseconds_and_never_none():
    short = Exposure(case_id="c", severity=1, started_at=START, ended_at=START + timedelta(microseconds=1))
    assert reckon([short], START + MINUTE, CAPS).day_ms == 1


def test_each_refusal_says_which():
    now = START + 5 * MINUTE
    with pytest.raises(exposure.Capped):
        at(7, seen(0, 6)).demand_reveal(now)
    with pytest.raises(exposure.Cooling) as cooling:
        at(5, seen(0, 0.5, severity=90)).demand_reveal(now)
    assert cooling.value.params == {"until": "2026-11-02T09:10:30+00:00"}
    with pytest.raises(exposure.OnBreak):
        Standing(day_ms=0, run_ms=0, day_cap_ms=9, run_cap_ms=9, break_since=START).demand_reveal(now)
    at(5, seen(0, 0.5)).demand_reveal(now)


STEPS = st.lists(
    st.tuples(st.floats(0, 30), st.floats(0.01, 4), st.integers(70, 90), st.integers(0, 3)), min_size=1, max_size=60
)


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_whoever_asks_before_each_reveal_never_passes_a_cap(steps):
    """A person waits, asks, and looks as long as they like or may; each of `steps` is one wish."""
    now, exposures = START, []
    for waited, wished, severity, case in steps:
        now += waited * MINUTE
        found = reckon(exposures, now, CAPS, f"case_{case}")
        try:
            found.demand_reveal(now)
        except exposure.Conflict:
            continue
        if not found.severe_allowed(now) and severity >= CAPS.severe_from:
            raise AssertionError("a reveal was granted although no severe case may be dealt")
        length = min(wished * MINUTE, found.left)
        exposures.append(Exposure(case_id=f"case_{case}", severity=severity, started_at=now, ended_at=now + length))
        now += length
    for last in exposures:
        window = [each for each in exposures if last.ended_at - exposure.DAY < each.ended_at <= last.ended_at]
        assert sum((each.length for each in window), timedelta(0)) <= CAPS.day
    run = timedelta(0)
    for before, each in zip([None, *exposures], exposures, strict=False):
        rested = before is None or each.started_at - before.ended_at >= CAPS.pause
        run = each.length + (timedelta(0) if rested else run)
        assert run <= CAPS.run
        severe = [
            other
            for other in exposures
            if other.severity >= CAPS.severe_from
            and other.case_id != each.case_id
            and other.ended_at <= each.started_at < other.ended_at + CAPS.cooling
        ]
        assert severe == []


def test_a_severe_case_that_was_answered_is_followed_by_no_other_for_a_while_though_looks_go_on():
    caps = replace(CAPS, sparing=2 * MINUTE)
    soon = reckon([], START + MINUTE, caps, answered=START)
    assert soon.spared_until == START + 2 * MINUTE
    assert not soon.severe_allowed(START + MINUTE)
    soon.demand_reveal(START + MINUTE)
    assert reckon([], START + 2 * MINUTE, caps, answered=START).severe_allowed(START + 2 * MINUTE)
    unveiled = reckon([seen(0, 0.5, severity=80)], START + MINUTE, caps, answered=START)
    assert unveiled.spared_until == unveiled.cooling_until == START + 10.5 * MINUTE


def test_specialists_have_lower_caps_and_never_higher_ones():
    usual = caps_of(Settings())
    assert usual.of(specialist=False) == usual
    lower = usual.of(specialist=True)
    assert (lower.day, lower.run) == (30 * MINUTE, 5 * MINUTE)
    strict = Settings(review=Reviewing(exposure_day_minutes=10, specialist_share=1))
    assert caps_of(strict).of(specialist=True).day == 10 * MINUTE
    assert CAPS.of(specialist=True) == CAPS
