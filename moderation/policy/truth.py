"""Kleene's strong three-valued logic: what is not known stays not known unless the rest settles it."""

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Truth(IntEnum):
    """Ordered so that "all" is the least and "any" the greatest of its parts (Kleene 1952, section 64)."""

    FALSE = 0
    UNDETERMINED = 1
    TRUE = 2

    @property
    def word(self) -> str:
        """The value as the trace writes it."""
        return _WORDS[self]


FALSE: Final = Truth.FALSE
UNDETERMINED: Final = Truth.UNDETERMINED
TRUE: Final = Truth.TRUE
_WORDS: Final = tuple(truth.name.lower() for truth in Truth)
_OPPOSITE: Final = (TRUE, UNDETERMINED, FALSE)


def both(parts: Iterable[Truth]) -> Truth:
    """True when all are, false as soon as one is; true of nothing."""
    return min(parts, default=TRUE)


def either(parts: Iterable[Truth]) -> Truth:
    """True as soon as one is, false when all are; false of nothing."""
    return max(parts, default=FALSE)


def opposite(truth: Truth) -> Truth:
    """Turn true and false; what is not known stays so."""
    return _OPPOSITE[truth]
