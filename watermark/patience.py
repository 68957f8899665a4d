"""How long a copy may be looked at: CPU seconds by step, one wall clock for all. Measures; decides nothing."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Bounds of one look at a copy. CPU seconds are this process's, its decoder threads included."""

    #: For reading frames until a mark is found.
    mark_seconds: float = 60.0
    #: Spent so far, from the beginning, after which the thorough search for a moved mark is not begun.
    search_seconds: float = 60.0
    #: For looking at the content of the rest once a mark is found.
    content_seconds: float = 60.0
    wall_seconds: float = 120.0


class Patience:
    """One look's clocks, started when it is made. What was cut short is for the layer to say, never "not found"."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self._began = time.process_time()
        self._until = time.monotonic() + budget.wall_seconds
        #: Whether anything was left undone because of a bound.
        self.ended = False

    def over(self, seconds: float, *, since: float = 0.0) -> bool:
        """Tell, and keep in mind, whether more CPU seconds have gone by, or the wall clock has run out."""
        gone = self.spent - since > seconds or time.monotonic() > self._until
        self.ended |= gone
        return gone

    @property
    def spent(self) -> float:
        """CPU seconds since the look began."""
        return time.process_time() - self._began
