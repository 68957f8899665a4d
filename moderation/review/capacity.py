"""What queues cost in hours, and what of it the people's hours do not cover. Releases nothing, drops nothing.

A case beyond the hours stays held like every other; `dealing` then deals the riskiest first.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from moderation.db import Transaction, queries, rows
from moderation.rehearsing.intervals import ENOUGH

SQL = queries("quality")
QUEUES = queries("queues")
#: Seconds of a reviewer's time for one case, where a queue says nothing; `queues.sql` has the same figure.
SECONDS_PER_CASE = 120.0
#: How far ahead the hours that are needed are reckoned.
AHEAD = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLoad:
    """One queue: its cases and what they take. `hours_per_day` is what people have for it, None where nobody said."""

    name: str
    specialist: bool
    waiting: int
    in_work: int
    overdue: int
    #: Due within four hours, and arrived in the last 24.
    due_soon: int
    arrived: int
    oldest: datetime | None
    due: datetime | None
    hours_per_day: float | None
    #: What the queue counts on, None where nobody said; and the mean of the last week, with how many answers it is of.
    seconds_per_case: float | None
    measured: float | None
    answers: int

    @property
    def pace(self) -> float:
        """Seconds that one case takes: as measured on enough of them, else as the queue counts on."""
        counted_on = self.seconds_per_case or SECONDS_PER_CASE
        return self.measured if self.measured and self.answers >= ENOUGH else counted_on

    @property
    def hours_waiting(self) -> float:
        """Hours of work that wait."""
        return self.waiting * self.pace / 3600

    @property
    def within(self) -> int:
        """How many of the waiting cases a day's hours cover, by the seconds that the queue counts on."""
        if self.hours_per_day is None:
            return self.waiting
        return min(self.waiting, int(self.hours_per_day * 3600 / (self.seconds_per_case or SECONDS_PER_CASE)))

    @property
    def beyond(self) -> int:
        """How many of the waiting cases they do not: these stay held, the riskiest first in line."""
        return self.waiting - self.within

    @property
    def hours_needed(self) -> float:
        """Hours for what is due in the next four, and for as many new cases as four hours brought of late."""
        coming = self.arrived * AHEAD / timedelta(days=1)
        return (self.due_soon + coming) * self.pace / 3600

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "name": self.name,
            "waiting": self.waiting,
            "in_work": self.in_work,
            "overdue": self.overdue,
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
            "due": None if self.due is None else self.due.isoformat(),
            "seconds_per_case": round(self.pace, 1),
            "hours_waiting": round(self.hours_waiting, 2),
            "hours_per_day": self.hours_per_day,
            "within": self.within,
            "beyond": self.beyond,
            "hours_needed": round(self.hours_needed, 2),
        }


def overloaded(tx: Transaction, queue: str) -> bool:
    """Tell whether more waits in a queue than a day of its people's hours covers; never where no hours are set."""
    return tx.pg.execute(QUEUES.overloaded, {"name": queue}).fetchone() == (True,)


def read_loads(tx: Transaction, now: datetime) -> tuple[QueueLoad, ...]:
    """Every queue in use with what it holds and takes. One statement."""
    return tuple(rows(tx, SQL.loads, QueueLoad, {"now": now, "soon": now + AHEAD}))
