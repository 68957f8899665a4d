"""What a few decided cases tell of the rest of a finite lot: exact, by the hypergeometric distribution. Pure."""

from dataclasses import dataclass
from fractions import Fraction
from math import comb

#: How sure a bound is.
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Of the `rest` cases that were not drawn, at most `wrong` are otherwise, with this confidence."""

    rest: int
    wrong: int
    confidence: float

    @property
    def share(self) -> float:
        """The same as a share of the rest; 0 where nothing is left."""
        return self.wrong / self.rest if self.rest else 0.0

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "rest": self.rest,
            "wrong_at_most": self.wrong,
            "share_at_most": round(self.share, 6),
            "confidence": self.confidence,
        }


def bound_when_all_agree(lot: int, drawn: int, confidence: float = CONFIDENCE) -> Bound:
    """Return how many of the rest may be otherwise when all of a random `drawn` came out alike.

    It is the largest number that the draw would miss with a chance of more than 1 - `confidence`: the exact one-sided
    bound of a finite population (Buonaccorsi 1987, The American Statistician 41, 215-218). Raises ValueError for counts
    that cannot be.
    """
    if not 0 <= drawn <= lot:
        raise ValueError(f"{drawn} of {lot}")
    low, high = 0, lot - drawn
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if misses(lot, middle, drawn, confidence) else (low, middle - 1)
    return Bound(rest=lot - drawn, wrong=low, confidence=confidence)


def cases_to_find(lot: int, wrong: int, confidence: float = CONFIDENCE) -> int:
    """Return the fewest cases to draw so that at least one of so many is among them with this confidence."""
    low, high = 0, lot
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if misses(lot, wrong, middle, confidence) else (low, middle)
    return low


def cases_to_draw(lot: int, share: float, confidence: float = CONFIDENCE) -> int:
    """Return the fewest cases to draw so that, all alike, at most this share (0-1) of the rest is otherwise."""
    drawn = cases_to_find(lot, int(Fraction(str(share)) * lot) + 1, confidence)
    # Of the rest it is a larger share than of the lot.
    while bound_when_all_agree(lot, drawn, confidence).share > share:
        drawn += 1
    return drawn


def misses(lot: int, wrong: int, drawn: int, confidence: float) -> bool:
    """Tell, in whole numbers, whether a draw misses all of so many with a chance of more than 1 - `confidence`."""
    return wrong <= lot and comb(lot - wrong, drawn) > (1 - Fraction(str(confidence))) * comb(lot, drawn)
