"""Shares with their uncertainty. Knows nothing of clips or rules."""

from dataclasses import dataclass
from math import sqrt

#: The normal quantile of a two-sided interval of 95 %.
Z = 1.959963984540054
#: From how many cases a share tells anything that a decision may lean on.
ENOUGH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`hits` of `of`, and the 95 % Wilson interval of the share (0-1); without cases anything is possible."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """The share itself; None without cases."""
        return self.hits / self.of if self.of else None

    @property
    def enough(self) -> bool:
        """Whether there are cases enough to tell anything."""
        return self.of >= ENOUGH

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        share = None if self.share is None else round(self.share, 6)
        return {
            "hits": self.hits,
            "of": self.of,
            "share": share,
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "enough": self.enough,
        }


def share_of(hits: int, of: int, *, population: int | None = None) -> Share:
    """Return the share with its Wilson score interval (Wilson 1927, JASA 22, 209-212).

    With `population` the cases are a sample, drawn without putting back, of so many, and the interval is of the share
    among those: the sample then counts as `of * (population - 1) / (population - of)` cases (finite population
    correction, Cochran 1977, section 2.6); a whole population has no uncertainty left. Raises ValueError for counts
    that cannot be.
    """
    if not 0 <= hits <= of or (population is not None and population < of):
        raise ValueError(f"{hits} of {of}, out of {population}")
    if of == 0:
        return Share(hits=0, of=0, low=0.0, high=1.0)
    share = hits / of
    if population is not None and population == of:
        return Share(hits=hits, of=of, low=share, high=share)
    cases = of if population is None else of * (population - 1) / (population - of)
    middle = (share + Z * Z / (2 * cases)) / (1 + Z * Z / cases)
    half = Z / (1 + Z * Z / cases) * sqrt(share * (1 - share) / cases + Z * Z / (4 * cases * cases))
    # At the ends the arithmetic misses the share itself by a rounding.
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == of else middle + half
    return Share(hits=hits, of=of, low=max(0.0, low), high=min(1.0, high))
