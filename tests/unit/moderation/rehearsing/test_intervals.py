"""Shares and their intervals against published figures."""

from math import comb

import pytest

from moderation.rehearsing.intervals import share_of


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_published_wilson_intervals(hits, of, low, high):
    share = share_of(hits, of)
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)
    turned = share_of(of - hits, of)
    assert (turned.low, turned.high) == pytest.approx((1 - share.high, 1 - share.low))


def test_without_cases_anything_is_possible():
    share = share_of(0, 0)
    assert (share.share, share.low, share.high, share.enough) == (None, 0.0, 1.0, False)


def test_a_whole_population_leaves_nothing_open_and_half_of_it_less_than_none():
    assert (share_of(3, 10, population=10).low, share_of(3, 10, population=10).high) == (0.3, 0.3)
    alone, half, tenth = share_of(30, 100), share_of(30, 100, population=200), share_of(30, 100, population=100_000)
    assert alone.low < half.low < 0.3 < half.high < alone.high
    assert (tenth.low, tenth.high) == pytest.approx((alone.low, alone.high), abs=1e-3)


def test_a_sample_of_a_finite_population_covers_the_truth_as_often_as_it_says():
    """Exact: over every possible sample of 40 out of 100, for every truth that is not near an end (hypergeometric)."""
    coverages = [coverage(100, true, 40) for true in range(5, 96)]
    assert sum(coverages) / len(coverages) == pytest.approx(0.95, abs=0.005)
    assert min(coverages) > 0.9


def coverage(population: int, true: int, drawn: int) -> float:
    covered = 0
    for hits in range(max(0, drawn - population + true), min(drawn, true) + 1):
        share = share_of(hits, drawn, population=population)
        if share.low <= true / population <= share.high:
            covered += comb(true, hits) * comb(population - true, drawn - hits)
    return covered / comb(population, drawn)


@pytest.mark.parametrize(("hits", "of", "population"), [(2, 1, None), (-1, 3, None), (1, 3, 2)])
def test_counts_that_cannot_be(hits, of, population):
    with pytest.raises(ValueError, match="of"):
        share_of(hits, of, population=population)
