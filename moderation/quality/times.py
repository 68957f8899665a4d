"""How long things take, as three quantiles."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds that half, nine in ten and 99 in 100 of `count` things took at most; None where there were none."""

    count: int
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {"count": self.count, "p50": self.p50, "p90": self.p90, "p99": self.p99}


def times_of(count: int, quantiles: Sequence[float | None] | None) -> Times:
    """Return what a query found."""
    p50, p90, p99 = quantiles or (None, None, None)
    return Times(count=count, p50=p50, p90=p90, p99=p99)
