"""Figures of quality against published worked examples, and against counting every case out."""

from collections import Counter
from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.quality.agreement import alpha, kappa
from moderation.quality.betas import beta_cdf, beta_quantile
from moderation.quality.bounds import bound_when_all_agree, cases_to_draw, cases_to_find
from moderation.quality.distributions import drift_between, largest_distance, spread_of
from moderation.quality.prevalence import Stratum, estimate, exact_interval, most_when_none_found

few = settings(max_examples=40, deadline=None)


def pairs_of(table: list[list[int]]) -> list[tuple[str, str]]:
    return [(str(i), str(j)) for i, row in enumerate(table) for j, count in enumerate(row) for _ in range(count)]


def test_kappa_of_cohen_1960():
    """Cohen 1960, table 1, with N = 200: kappa .492."""
    found = kappa(pairs_of([[88, 14, 18], [10, 40, 10], [2, 6, 12]]))
    assert round(found.value, 3) == 0.492


def test_kappas_interval():
    """R's statpsych, `ci.kappa(.05, 31, 12, 4, 58)`, after Fleiss and Paik 2003: 0.6757, 0.5317 to 0.8196."""
    found = kappa(pairs_of([[31, 12], [4, 58]]))
    assert (found.value, found.low, found.high) == pytest.approx((0.6756757, 0.5317210, 0.8196303), abs=1e-7)


def test_no_agreement_is_proven_whole():
    found = kappa([("allow", "allow")] * 10 + [("block", "block")] * 10)
    assert found.value == found.high == 1
    assert 0.6 < found.low < 0.7
    more = kappa([("allow", "allow")] * 100 + [("block", "block")] * 100)
    assert found.low < more.low < 1


def test_one_answer_throughout_says_nothing_of_agreement():
    assert kappa([("allow", "allow")] * 50).value is None
    assert kappa([]).value is None
    assert alpha([("allow", "allow")] * 50).value is None
    assert alpha([("allow",), ("block", None)]).units == 0


# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", sections A, B and C.
BINARY = [(0, 1), (1, 1), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0), (0, 0), (1, 0), (0, 0)]
NOMINAL = zip("aabbdcccedda", "babbbcccedda"[:11] + "d", strict=True)
MISSING = zip(
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    strict=True,
)


@pytest.mark.parametrize(("units", "value"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_of_krippendorff_2011(units, value):
    found = alpha([[None if each is None else str(each) for each in unit] for unit in units])
    assert round(found.value, 3) == value
    assert found.low < found.value < found.high


def test_alphas_interval_is_the_same_every_time():
    units = [("a", "b"), ("a", "a"), ("b", "b"), ("b", "a"), ("a", "a"), ("c", "c")] * 5
    assert alpha(units) == alpha(list(reversed(units)))
    assert alpha(units, seed=1).low != alpha(units, seed=2).low


@few
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=4), min_size=3, max_size=20))
def test_alpha_is_one_less_the_observed_over_the_expected_disagreement(units):
    """By its definition: pairs of answers within units against pairs of all answers."""
    values = [value for unit in units for value in unit]
    expected = sum(one != other for i, one in enumerate(values) for j, other in enumerate(values) if i != j)
    observed = sum(
        sum(one != other for i, one in enumerate(unit) for j, other in enumerate(unit) if i != j) / (len(unit) - 1)
        for unit in units
    )
    found = alpha(units)
    if expected == 0:
        assert found.value is None
    else:
        assert found.value == pytest.approx(1 - observed * (len(values) - 1) / expected)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 5.
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_published_clopper_pearson_intervals(hits, of, low, high):
    found = exact_interval(hits, of)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


@few
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 0.99))
def test_the_beta_distribution_is_the_binomials_tail(a, b, x):
    n = a + b - 1
    tail = sum(comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta_cdf(x, a, b) == pytest.approx(tail, abs=1e-9)
    assert beta_cdf(beta_quantile(0.3, a, b), a, b) == pytest.approx(0.3, abs=1e-9)


def test_one_stratum_is_plain_clopper_pearson():
    one = estimate([Stratum(rate=0.1, released=1480, seen=148, harmful=15)])
    assert (round(one.low, 4), round(one.high, 4)) == (0.0578, 0.1617)
    none = estimate([Stratum(rate=0.1, released=200, seen=20, harmful=0)])
    assert (none.low, round(none.high, 4)) == (0, 0.1684)


def test_harm_in_a_stratum_that_is_seldom_drawn_weighs_more():
    often = Stratum(rate=1.0, released=100, seen=100, harmful=0)
    seldom = Stratum(rate=0.01, released=9900, seen=99, harmful=1)
    found = estimate([often, seldom])
    assert found.share == pytest.approx(0.99 / 99)
    assert found.low < found.share < found.high
    assert found.high > exact_interval(1, 199)[1]


def test_who_was_never_looked_at_counts_as_unseen_and_never_as_harmless():
    found = estimate([Stratum(rate=0.1, released=100, seen=10, harmful=0)], unsampled=300)
    assert found.unseen == 0.75
    nobody = estimate([Stratum(rate=0.1, released=100, seen=0, harmful=0)], unsampled=300)
    assert (nobody.share, nobody.low, nobody.high, nobody.unseen) == (None, 0.0, 1.0, 1.0)
    with pytest.raises(ValueError, match="2 of 1"):
        estimate([Stratum(rate=1.0, released=3, seen=1, harmful=2)])


@few
@given(
    st.lists(st.tuples(st.floats(0.1, 5), st.integers(1, 60)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_no_worse_mixture_than_the_bound_passes_unseen(raw, random):
    """Any harm that a draw misses with the stated chance lies at or below the bound, and one reaches it."""
    whole = sum(weight for weight, _ in raw)
    strata = [(weight / whole, seen) for weight, seen in raw]
    most = most_when_none_found(strata)
    for _ in range(50):
        shares = [random.random() ** 3 for _ in strata]
        missed = 1.0
        for share, (_, seen) in zip(shares, strata, strict=True):
            missed *= (1 - share) ** seen
        if missed >= 0.025:
            assert sum(w * p for p, (w, _) in zip(shares, strata, strict=True)) <= most + 1e-9
    if len(strata) == 1:
        assert most == pytest.approx(1 - 0.025 ** (1 / strata[0][1]))


def test_cases_to_find_of_published_tables():
    """Cannon and Roe 1982, Livestock Disease Surveys: to find one of 5 % with 95 %, 45 of 100, 56 of 500."""
    assert cases_to_find(100, 5) == 45
    assert cases_to_find(500, 25) == 56


@few
@given(st.integers(1, 120), st.sampled_from([0.02, 0.05, 0.1, 0.2]))
def test_no_smaller_draw_would_do(lot, share):
    drawn = cases_to_draw(lot, share)
    assert bound_when_all_agree(lot, drawn).share <= share
    assert all(bound_when_all_agree(lot, fewer).share > share for fewer in range(drawn))


def test_the_bound_counts_out_every_draw():
    """Exactly: below the bound a clean draw is likelier than 5 %, beyond it never."""
    for lot, drawn in product(range(1, 31), range(31)):
        if drawn > lot:
            continue
        bound = bound_when_all_agree(lot, drawn)
        clean = [wrong for wrong in range(lot - drawn + 1) if comb(lot - wrong, drawn) / comb(lot, drawn) > 0.05]
        assert bound.wrong == max(clean)
        assert bound.rest == lot - drawn


def test_few_people_are_shown_nothing_of():
    spread = spread_of([0.5, 12, 70, 3], people=4)
    assert (spread.shown, spread.people, spread.classes, spread.median) == (False, None, (), None)
    shown = spread_of([0.0, 0.5, 12, 70, 3, 5], people=5)
    assert [each.count for each in shown.classes] == [2, 1, 1, 1, 0, 0, 0, 1]
    assert shown.median == 1.0


@few
@given(st.permutations([0.0, 0.5, 12.0, 70.0, 3.0, 5.0]))
def test_a_spread_has_no_order(values):
    assert spread_of(values, people=5) == spread_of(sorted(values), people=5)


def test_drift_is_told_from_fifty_scores_on():
    same = [n / 100 for n in range(100)]
    assert drift_between(same, same[:49]).distance is None
    assert not drift_between(same, same).drifted
    moved = drift_between(same, [each / 2 for each in same])
    assert moved.drifted
    assert moved.distance == pytest.approx(0.5, abs=0.02)


def test_the_largest_distance_of_a_textbook():
    """Conover 1999, Practical Nonparametric Statistics, section 6.3: nine and fifteen values, distance 0.4."""
    one = [7.6, 8.4, 8.6, 8.7, 9.3, 9.9, 10.1, 10.6, 11.2]
    other = [5.2, 5.7, 5.9, 6.5, 6.8, 8.2, 9.1, 9.8, 10.8, 11.3, 11.5, 12.3, 12.5, 13.4, 14.6]
    assert largest_distance(one, other) == pytest.approx(0.4)


def test_outcomes_are_only_names():
    """Kappa does not depend on what the answers are called."""
    pairs = pairs_of([[31, 12], [4, 58]])
    names = {"0": "block", "1": "allow"}
    assert kappa([(names[a], names[b]) for a, b in pairs]).value == pytest.approx(kappa(pairs).value)
    assert Counter(pairs)["0", "0"] == 31
