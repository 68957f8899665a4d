"""How long a copy may be looked at: CPU seconds by step, one wall clock for all. Measures; decides nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

#: Asked between small steps of long work; True ends it there.
Over: TypeAlias = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bounds of one look at a copy, in CPU seconds of the process that opens it, its decoder threads included.

    Whoever asks for a look states them; `moderation.settings.Verifying` holds what a deployment chose.
    """

    #: For reading frames until a mark is found.
    mark_seconds: float
    #: Spent so far, from the beginning, after which the thorough search for a moved mark is ended where it is.
    search_seconds: float
    #: For looking at the content of the rest once a mark is found.
    content_seconds: float
    #: For all additional layers together, by the clock: a decoder and a network take turns.
    layer_seconds: float
    #: By the clock, for everything.
    wall_seconds: float


class OutOfTime(Exception):
    """A bound was met before the work was done: nothing is known of what was left undone."""


class Patience:
    """One look's clocks, started when it is made. What was cut short is for the layer to say, never "not found"."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.process_time) -> None:
        """`clock` counts the seconds that are spent: of this process, or of the wall where others work beside it."""
        self.budget = budget
        self._clock = clock
        self._began = clock()
        self._until = time.monotonic() + budget.wall_seconds
        #: Whether anything was left undone because of a bound.
        self.ended = False

    def over(self, seconds: float, *, since: float = 0.0) -> bool:
        """Tell, and keep in mind, whether more CPU seconds have gone by, or the wall clock has run out."""
        gone = self.spent - since > seconds or self.wall_left <= 0
        self.ended |= gone
        return gone

    @property
    def spent(self) -> float:
        """CPU seconds since the look began."""
        return self._clock() - self._began

    @property
    def wall_left(self) -> float:
        """Seconds until the wall clock has run out, below 0 afterwards."""
        return self._until - time.monotonic()


def never() -> bool:
    """Let work go on to its end."""
    return False
