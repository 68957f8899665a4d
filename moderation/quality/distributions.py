"""Distributions over people that name nobody, and whether two distributions of scores still are one. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

#: Below so many people a figure of a group is a figure of somebody.
FEWEST_PEOPLE = 5
#: Minutes of unveiled exposure in a day; the last class has no end.
EXPOSURE_MINUTES = (0.0, 1.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0)
#: c(alpha) of the two-sample Kolmogorov-Smirnov test at 1 % (Smirnov 1948, Ann. Math. Statist. 19, 279-281).
_KS_1_PERCENT = 1.6276
#: From how many values on each side its large-sample line holds.
ENOUGH_SCORES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """Person-days from `low` up to, and without, `high`; None is no end."""

    low: float
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How a quantity lies over person-days, with nobody's own figure; without classes when there are too few people.

    `people` is None where it is below five: how many there were would tell too.
    """

    people: int | None
    person_days: int | None
    classes: tuple[Class, ...] = ()
    median: float | None = None

    @property
    def shown(self) -> bool:
        """Whether there are people enough to show anything."""
        return self.people is not None

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        classes = [{"from": each.low, "to": each.high, "person_days": each.count} for each in self.classes]
        return {"people": self.people, "person_days": self.person_days, "median": self.median, "classes": classes}


def spread_of(
    values: Sequence[float], people: int, edges: Sequence[float] = EXPOSURE_MINUTES, fewest: int = FEWEST_PEOPLE
) -> Spread:
    """Sort one value per person-day into classes that begin at `edges`; nothing is shown of fewer people than `fewest`.

    The order of the values, and whose they are, is lost. Raises ValueError for a value below the first edge.
    """
    if people < fewest:
        return Spread(people=None, person_days=None)
    counts = [0] * len(edges)
    for value in values:
        place = bisect_right(edges, value) - 1
        if place < 0:
            raise ValueError(f"{value} is below {edges[0]}")
        counts[place] += 1
    ends = [*edges[1:], None]
    classes = tuple(Class(low=low, high=high, count=n) for low, high, n in zip(edges, ends, counts, strict=True))
    return Spread(people=people, person_days=len(values), classes=classes, median=_class_of_median(values, edges))


def _class_of_median(values: Sequence[float], edges: Sequence[float]) -> float | None:
    """Return where the class of the middle value begins: the value itself would be one person's."""
    if not values:
        return None
    return edges[bisect_right(edges, sorted(values)[(len(values) - 1) // 2]) - 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far two sets of scores lie apart: the largest distance of their cumulative shares, and where 1 % would reach.

    `distance` is None where there are too few to tell.
    """

    before: int
    now: int
    distance: float | None = None
    line: float | None = None

    @property
    def drifted(self) -> bool:
        """Whether the two are not of one distribution, as far as 1 % of error goes."""
        return self.distance is not None and self.line is not None and self.distance > self.line

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        figures = {"distance": self.distance, "line": self.line}
        rounded = {name: each if each is None else round(each, 6) for name, each in figures.items()}
        return {"before": self.before, "now": self.now, **rounded, "drifted": self.drifted}


def drift_between(before: Sequence[float], now: Sequence[float]) -> Drift:
    """Compare two samples of scores (two-sample Kolmogorov-Smirnov; Smirnov 1948), with at least 50 in each."""
    if min(len(before), len(now)) < ENOUGH_SCORES:
        return Drift(before=len(before), now=len(now))
    line = _KS_1_PERCENT * sqrt((len(before) + len(now)) / (len(before) * len(now)))
    return Drift(before=len(before), now=len(now), distance=largest_distance(before, now), line=line)


def largest_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest difference of the two cumulative distributions (0-1)."""
    ones, others = sorted(one), sorted(other)
    return max(
        abs(bisect_right(ones, value) / len(ones) - bisect_right(others, value) / len(others))
        for value in {*ones, *others}
    )
