"""Figures against worked examples and published tables."""

import numpy as np
import pytest

from detectors.figures import (
    equal_error_rate,
    error_rates,
    exact_interval,
    expected_calibration_error,
    reliability,
    roc_auc,
)

SCORES = np.array([0.1, 0.4, 0.35, 0.8])
LABELS = np.array([False, False, True, True])


def test_auc_counts_pairs_in_the_right_order_and_ties_half():
    assert roc_auc(SCORES, LABELS) == 0.75
    assert roc_auc(np.array([0.5, 0.5]), np.array([True, False])) == 0.5
    assert roc_auc(-SCORES, LABELS) == 0.25


def test_rates_at_a_line_count_the_line_itself_as_flagged():
    assert error_rates(SCORES, LABELS, 0.4) == (0.5, 0.5)
    assert error_rates(SCORES, LABELS, 0.5) == (0.0, 0.5)


def test_the_equal_error_rate_of_a_clean_split_is_nought():
    assert equal_error_rate(np.array([0.1, 0.2, 0.7, 0.9]), LABELS) == (0.0, 0.7)
    assert equal_error_rate(SCORES, LABELS)[0] == 0.5


@pytest.mark.parametrize("figure", [roc_auc, equal_error_rate])
def test_one_kind_alone_is_refused(figure):
    with pytest.raises(ValueError, match="both"):
        figure(SCORES, np.ones(4, bool))


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    # Clopper and Pearson's limits, as statistics packages give them.
    [
        (0, 10, 0.0, 0.3085),
        (10, 10, 0.6915, 1.0),
        (1, 10, 0.0025, 0.4450),
        (5, 100, 0.0164, 0.1128),
        (0, 380, 0, 0.0097),
    ],
)
def test_exact_intervals(events, trials, low, high):
    assert exact_interval(events, trials) == pytest.approx((low, high), abs=5e-5)


def test_an_interval_without_trials_is_refused():
    with pytest.raises(ValueError, match="share"):
        exact_interval(0, 0)


def test_reliability_sets_what_was_said_against_what_was_true():
    said = np.array([0.05, 0.15, 0.95, 1.0])
    bins = reliability(said, np.array([False, True, True, True]))
    assert [each.count for each in bins] == [1, 1, 2]
    assert [each.true for each in bins] == [0, 1, 1]
    assert expected_calibration_error(bins) == pytest.approx((0.05 + 0.85 + 2 * 0.025) / 4)
