"""How good scores are on labelled data: AUC, equal error rate, exact intervals, reliability. Judges no clip."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]

#: Enough halvings for any double.
_HALVINGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One bin of a reliability diagram: what was said on average, and what was true."""

    count: int
    said: float
    true: float


def roc_auc(scores: Scores, labels: Labels) -> float:
    """Return the chance that a flagged item scores above a benign one, ties half (Mann-Whitney U).

    `scores` is float64 [n], `labels` bool [n], true for flagged. Raises ValueError when one of the two is missing.
    """
    positive, negative = np.sort(scores[labels]), np.sort(scores[~labels])
    _demand_both(positive, negative)
    below = np.searchsorted(negative, positive, side="left") + np.searchsorted(negative, positive, side="right")
    return float(below.sum() / 2 / len(positive) / len(negative))


def error_rates(scores: Scores, labels: Labels, line: float) -> tuple[float, float]:
    """Return the shares of benign items at or above the line (false alarms) and of flagged ones below it (misses)."""
    _demand_both(scores[labels], scores[~labels])
    return float((scores[~labels] >= line).mean()), float((scores[labels] < line).mean())


def equal_error_rate(scores: Scores, labels: Labels) -> tuple[float, float]:
    """Return the rate at which false alarms and misses are nearest to equal (the mean of the two), and its line."""
    positive, negative = np.sort(scores[labels]), np.sort(scores[~labels])
    _demand_both(positive, negative)
    lines = np.unique(scores)
    alarms = 1 - np.searchsorted(negative, lines, side="left") / len(negative)
    misses = np.searchsorted(positive, lines, side="left") / len(positive)
    best = np.lexsort((alarms + misses, np.abs(alarms - misses)))[0]
    return float(alarms[best] + misses[best]) / 2, float(lines[best])


def exact_interval(events: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share (Clopper and Pearson 1934). Raises ValueError without trials."""
    if not 0 <= events <= trials or trials == 0:
        raise ValueError(f"{events} of {trials} is no share")
    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else _crossing(lambda p: 1 - _at_most(events - 1, trials, p) - tail)
    high = 1.0 if events == trials else _crossing(lambda p: tail - _at_most(events, trials, p))
    return low, high


def reliability(said: Scores, labels: Labels, bins: int = 10) -> tuple[Bin, ...]:
    """Return the filled bins of equal width over 0-1 of stated probabilities (float64 [n]) against labels."""
    places = np.minimum((said * bins).astype(int), bins - 1)
    filled = [places == place for place in range(bins) if (places == place).any()]
    return tuple(
        Bin(count=int(inside.sum()), said=float(said[inside].mean()), true=float(labels[inside].mean()))
        for inside in filled
    )


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Return the mean distance between what was said and what was true, by item (Naeini et al. 2015)."""
    return sum(each.count * abs(each.said - each.true) for each in bins) / sum(each.count for each in bins)


def _demand_both(positive: Scores, negative: Scores) -> None:
    if not len(positive) or not len(negative):
        raise ValueError("both flagged and benign items are needed")


def _at_most(events: int, trials: int, share: float) -> float:
    """Return the chance of at most so many events (binomial)."""
    if share <= 0 or share >= 1:
        return float(share <= 0 or events >= trials)
    whole = math.lgamma(trials + 1)
    return math.fsum(
        math.exp(
            whole
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(share)
            + (trials - k) * math.log1p(-share)
        )
        for k in range(events + 1)
    )


def _crossing(rising: Callable[[float], float]) -> float:
    """Return where a function that rises over 0-1 crosses zero."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2
