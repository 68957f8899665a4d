"""How far people agree beyond chance: Cohen's kappa of pairs, Krippendorff's alpha of any number of answers. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from moderation.quality.prevalence import TAIL
from moderation.rehearsing.intervals import Z, share_of

#: The same answers always give the same interval.
SEED = 20260101
RESAMPLES = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A coefficient (1 is whole agreement, 0 what chance would give) with its 95 % interval, of so many units.

    None where it cannot be told: nothing was answered twice, or every answer was the same.
    """

    value: float | None
    low: float | None
    high: float | None
    units: int

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        figures = {"value": self.value, "low": self.low, "high": self.high}
        told: dict[str, object] = {name: each if each is None else round(each, 6) for name, each in figures.items()}
        return {**told, "units": self.units}


def kappa(pairs: Iterable[tuple[str, str]]) -> Agreement:
    """Return Cohen's kappa of (one, other) answers (Cohen 1960, Educ. Psychol. Meas. 20, 37-46).

    The interval is by the large-sample error of Fleiss, Cohen and Everitt (1969, Psychol. Bull. 72, 323-327). Where
    all agree that error is 0, which no sample can prove: the lower end is then what the lower Wilson bound of the
    share of agreement would give.
    """
    table = Counter(pairs)
    total = sum(table.values())
    if not total:
        return Agreement(value=None, low=None, high=None, units=0)
    values = sorted({value for pair in table for value in pair})
    shares = np.array([[table[one, other] for other in values] for one in values], float) / total
    chance = float(shares.sum(1) @ shares.sum(0))
    agreed = float(np.trace(shares))
    if len(values) == 1:
        return Agreement(value=None, low=None, high=None, units=total)
    value = (agreed - chance) / (1 - chance)
    if agreed == 1:
        return Agreement(value=1.0, low=_lowest(total, chance), high=1.0, units=total)
    half = Z * sqrt(_variance(shares, value, chance) / total)
    return Agreement(value=value, low=max(-1.0, value - half), high=min(1.0, value + half), units=total)


def _lowest(units: int, chance: float) -> float:
    """Return the coefficient that the lower bound of a perfect agreement of so many units would give."""
    return (share_of(units, units).low - chance) / (1 - chance)


def _variance(shares: Floats, value: float, chance: float) -> float:
    """Return kappa's variance times the number of pairs (Fleiss, Cohen and Everitt 1969, equation 13)."""
    ones, others = shares.sum(1), shares.sum(0)
    diagonal = np.diag(shares)
    same = float(diagonal @ (1 - (ones + others) * (1 - value)) ** 2)
    apart = shares * (others[:, None] + ones[None, :]) ** 2
    unequal = (1 - value) ** 2 * float(apart.sum() - np.trace(apart))
    return max(0.0, same + unequal - (value - chance * (1 - value)) ** 2) / (1 - chance) ** 2


def alpha(units: Iterable[Sequence[str | None]], *, seed: int = SEED) -> Agreement:
    """Return Krippendorff's alpha for nominal values (Krippendorff 2011, Computing Krippendorff's alpha-reliability).

    A unit is the answers given on one clip, None for those that are missing; units with fewer than two answers say
    nothing and are not counted. The interval is the percentile one of 2,000 seeded resamples of units (Efron 1979,
    Ann. Statist. 7, 1-26; over clips, since answers on one clip hang together). Where all agree, resampling shows no
    spread: the lower end is then what the lower Wilson bound of the units in agreement would give.
    """
    answered = (tuple(sorted(value for value in unit if value is not None)) for unit in units)
    # Sorted, since the resamples are drawn in this order.
    patterns = dict(sorted(Counter(unit for unit in answered if len(unit) > 1).items()))
    total = sum(patterns.values())
    values = sorted({value for unit in patterns for value in unit})
    if len(values) < 2:
        return Agreement(value=None, low=None, high=None, units=total)
    counts = np.array([[unit.count(value) for value in values] for unit in patterns], float)
    weights = np.array([list(patterns.values())], float)
    value = float(_alphas(counts, weights)[0])
    if all(len(set(unit)) == 1 for unit in patterns):
        chance = 1 - _disagreement_by_chance(counts, weights)
        return Agreement(value=1.0, low=_lowest(total, chance), high=1.0, units=total)
    drawn = np.random.default_rng(seed).multinomial(total, weights[0] / total, size=RESAMPLES)
    # A resample in which every answer is the same says nothing.
    told = _alphas(counts, drawn.astype(float))
    low, high = np.nanquantile(told, [TAIL, 1 - TAIL])
    return Agreement(value=value, low=float(low), high=float(high), units=total)


def _alphas(counts: Floats, weights: Floats) -> Floats:
    """Return alpha for each row of weights (draws, patterns) of the answers per pattern (patterns, values)."""
    sizes = counts.sum(1)
    unequal = (sizes**2 - (counts**2).sum(1)) / (sizes - 1)
    answers = weights @ counts
    all_ = answers.sum(1)
    expected = (all_**2 - (answers**2).sum(1)) / (all_ - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = 1 - (weights @ unequal) / expected
    return np.where(expected > 0, found, np.nan)


def _disagreement_by_chance(counts: Floats, weights: Floats) -> float:
    answers = (weights @ counts)[0]
    total = float(answers.sum())
    return float((total**2 - (answers**2).sum()) / (total * (total - 1)))
