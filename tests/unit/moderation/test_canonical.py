"""The quick way to canonical bytes writes the very bytes of the slow one, or leaves it to the slow one."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.base import State
from moderation.canonical import canonical, canonical_record, written_rows
from moderation.facts import FactRecord, Sample, SignalFact, SubmissionFacts

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.integers(0, 10_000).map(lambda number: number / 10_000),
)
trees = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda parts: st.one_of(st.lists(parts, max_size=4), st.dictionaries(texts, parts, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(texts, trees, max_size=5))
def test_both_ways_write_the_same_bytes(tree):
    assert canonical_record(tree) == canonical(tree)


@pytest.mark.parametrize(
    "value",
    [1.0, -0.0, 1e-5, 1e21, 123456789012345.0, 2**53 - 1, '\x7f\x1f\u2028"\\/', {"\ue000": 1, "\U0001f600": 2}, "1.0,"],
)
def test_where_the_two_could_differ_they_do_not(value):
    assert canonical_record({"k": value}) == canonical({"k": value})


rows = st.tuples(st.integers(0, 2**53 - 1), numbers, st.sampled_from([None, 0, 7]))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rows, max_size=6))
def test_rows_of_numbers_are_written_as_anything_else_or_not_at_all(found):
    assert written_rows(found) in (None, canonical(found).decode())


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(texts, st.tuples(texts, st.lists(rows, max_size=4))), st.dictionaries(texts, numbers | texts))
def test_a_record_written_piece_by_piece_has_the_same_bytes(signals, lineage):
    record = FactRecord(
        org="o",
        clip="c",
        judged_at="",
        duration_ms=1,
        phase="public",
        submission=SubmissionFacts(creator="c", title='"samples":null'),
        signals={
            name: SignalFact(state=State.MEASURED, note=note, samples=tuple(Sample(*row) for row in found))
            for name, (note, found) in signals.items()
        },
        lineage=lineage,
    )
    assert record.to_bytes() == canonical(record.to_json())


def test_a_note_cannot_take_the_place_of_samples():
    fact = SignalFact(state=State.MEASURED, note='"samples":null', samples=(Sample(0, 0.5),))
    assert json.loads(fact.written())["samples"] == [[0, 0.5, None]]
    assert fact.written() == canonical(fact.to_json()).decode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**60, "\ud800", {1, 2}])
def test_what_json_cannot_hold_is_refused_either_way(value):
    with pytest.raises(Exception, match=r".") as slow:
        canonical({"k": value})
    with pytest.raises(type(slow.value)):
        canonical_record({"k": value})
