"""How the work stands: what comes and goes by the hour, what each queue takes, how long a clip waits for people."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from moderation.db import Transaction, queries
from moderation.quality.times import Times, times_of
from moderation.rehearsing.intervals import Share, share_of
from moderation.review.capacity import QueueLoad, read_loads

SQL = queries("quality")
#: What the figures of work look back on.
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """Cases that came and answers that were given in the hour that begins at `at`."""

    at: datetime
    arrived: int
    decided: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The last 24 hours and the queues of this moment."""

    now: datetime
    hours: tuple[Hour, ...]
    queues: tuple[QueueLoad, ...]
    #: From a case's opening to its decision.
    to_decision: Times
    #: Of the clips that rules judged, those that no person was asked about.
    automatic: Share
    #: Reviewers' hours for the next four hours.
    hours_needed: float

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "now": self.now.isoformat(),
            "hours": [
                {"at": hour.at.isoformat(), "arrived": hour.arrived, "decided": hour.decided} for hour in self.hours
            ],
            "queues": [load.to_json() for load in self.queues],
            "to_decision": self.to_decision.to_json(),
            "automatic": self.automatic.to_json(),
            "hours_needed": round(self.hours_needed, 2),
        }


def read_operations(tx: Transaction, now: datetime) -> Operations:
    """Read how the work stands."""
    span = {"since": now - DAY, "until": now}
    loads = read_loads(tx, now)
    times = tx.pg.execute(SQL.to_decision, span).fetchone() or (0, None)
    automatic = tx.pg.execute(SQL.automatic, span).fetchone() or (0, 0)
    return Operations(
        now=now,
        hours=tuple(
            Hour(at=at, arrived=arrived, decided=decided)
            for at, arrived, decided in tx.pg.execute(SQL.hours, {"now": now}).fetchall()
        ),
        queues=loads,
        to_decision=times_of(times[0], times[1]),
        automatic=share_of(automatic[0], automatic[1]),
        hours_needed=sum(load.hours_needed for load in loads),
    )
