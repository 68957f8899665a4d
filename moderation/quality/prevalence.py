"""How much harm went out unseen: what an audit of released clips tells of all of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, log

from moderation.quality.betas import beta_quantile

#: What an interval of 95 % leaves out on each side.
TAIL = 0.025
#: Of a bisection that has a double's bits to find.
_HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Released clips that had one and the same chance of being drawn: how many there are, were seen, were harmful.

    `rate` is that chance; `released` may be fractional where it is reckoned from the drawn ones.
    """

    rate: float
    released: float
    seen: int
    harmful: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prevalence:
    """The share of harmful clips among released ones, with a 95 % interval; `share` is None where nobody looked.

    `unseen` is the share of the released clips of which no sample was seen: the figure says nothing of those.
    """

    share: float | None
    low: float
    high: float
    seen: int
    harmful: int
    released: float
    unseen: float

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "share": None if self.share is None else round(self.share, 6),
            "low": round(self.low, 6),
            "high": round(self.high, 6),
            "seen": self.seen,
            "harmful": self.harmful,
            "released": round(self.released),
            "unseen": round(self.unseen, 6),
        }


def exact_interval(harmful: float, seen: float) -> tuple[float, float]:
    """Return the 95 % interval of Clopper and Pearson (1934, Biometrika 26, 404-413) for `harmful` of `seen` > 0.

    Counts may be fractional, as those of `estimate` are.
    """
    low = 0.0 if harmful <= 0 else beta_quantile(TAIL, harmful, seen - harmful + 1)
    high = 1.0 if harmful >= seen else beta_quantile(1 - TAIL, harmful + 1, seen - harmful)
    return low, high


def estimate(strata: Sequence[Stratum], *, unsampled: float = 0.0) -> Prevalence:
    """Weigh what was seen in each stratum by how many clips it stands for (Cochran 1977, section 5.3).

    The interval is that of Korn and Graubard (1998, Survey Methodology 24, 193-201): Clopper-Pearson with the number
    of clips that would tell as much if all had had one chance. Where nothing harmful was found that number cannot be
    told, and the upper end is the largest prevalence under which finding nothing still has a chance of 2.5 %, however
    the harm lies in the strata. With a single stratum both are plain Clopper-Pearson. `unsampled` released clips that
    no sample could draw, and strata in which nobody looked, count as unseen. Raises ValueError for counts that cannot
    be.
    """
    for stratum in strata:
        if not 0 <= stratum.harmful <= stratum.seen or stratum.seen > stratum.released + 1e-9:
            raise ValueError(f"{stratum.harmful} of {stratum.seen} of {stratum.released}")
    looked = [stratum for stratum in strata if stratum.seen]
    covered = sum(stratum.released for stratum in looked)
    everything = sum(stratum.released for stratum in strata) + unsampled
    seen, harmful = (sum(getattr(stratum, name) for stratum in looked) for name in ("seen", "harmful"))
    share, low, high = _reckon(looked, covered) if looked else (None, 0.0, 1.0)
    return Prevalence(
        share=share,
        low=low,
        high=high,
        seen=seen,
        harmful=harmful,
        released=everything,
        unseen=1 - covered / everything if everything else 1.0,
    )


def _reckon(strata: Sequence[Stratum], covered: float) -> tuple[float, float, float]:
    weights = [stratum.released / covered for stratum in strata]
    shares = [stratum.harmful / stratum.seen for stratum in strata]
    share = sum(weight * each for weight, each in zip(weights, shares, strict=True))
    if not any(shares):
        return 0.0, 0.0, most_when_none_found([(w, s.seen) for w, s in zip(weights, strata, strict=True)])
    spread = sum(
        weight**2 * each * (1 - each) / stratum.seen
        for weight, each, stratum in zip(weights, shares, strata, strict=True)
    )
    seen = sum(stratum.seen for stratum in strata)
    # A stratum that is harmful throughout shows no spread; what was seen cannot tell more than as much.
    cases = min(share * (1 - share) / spread, seen) if spread else float(seen)
    low, high = exact_interval(share * cases, cases)
    return share, low, high


def most_when_none_found(strata: Sequence[tuple[float, int]], chance: float = TAIL) -> float:
    """Return the largest overall share of harm under which finding none in any sample still has this chance.

    Strata are (weight, seen), the weights 1 in sum. Sought is the most that the sum of w * p can be while the sum of
    seen * log(1 - p) is log(chance); by Lagrange's condition 1 - p is then the same multiple of seen / w everywhere,
    or 1 where that is more.
    """
    steps = [log(seen / weight) for weight, seen in strata]
    low, high = log(chance) / sum(seen for _, seen in strata) - max(steps), -min(steps)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = sum(seen * min(0.0, middle + step) for (_, seen), step in zip(strata, steps, strict=True))
        low, high = (middle, high) if reached < log(chance) else (low, middle)
    return sum(-weight * expm1(min(0.0, low + step)) for (weight, _), step in zip(strata, steps, strict=True))
