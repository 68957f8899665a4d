"""Samples laid out as series: the fast way for the usual case says what the slow way says."""

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.base import State
from moderation.facts import Sample, SignalFact
from moderation.policy.timeline import series_of

samples = st.lists(
    st.builds(
        Sample, st.integers(0, 5).map(lambda at: at * 250), st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([None, 0])
    ),
    max_size=6,
)


@settings(max_examples=100, deadline=None)
@given(samples, st.integers(0, 2000))
def test_every_series_holds_the_extremes_of_each_instant(drawn, end_ms):
    ordered = SignalFact(state=State.MEASURED, samples=tuple(drawn)).samples
    found = {series.track: series for series in series_of(ordered, lambda _: end_ms)}
    assert set(found) == {sample.track for sample in drawn}
    for track, series in found.items():
        own = [sample for sample in drawn if sample.track == track]
        times = sorted({sample.time_ms for sample in own})
        at = [[sample.value for sample in own if sample.time_ms == time] for time in times]
        assert series.times == tuple(times)
        assert series.highs == tuple(map(max, at))
        assert series.lows == tuple(map(min, at))
        assert (series.top, series.bottom) == (max(map(max, at)), min(map(min, at)))
        assert series.ends == (*times[1:], max(end_ms, times[-1] + 1))
