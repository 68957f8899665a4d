"""What the work costs people in unveiled minutes: as a spread that names nobody, and to each person their own."""

from dataclasses import dataclass
from datetime import date, datetime

from moderation.db import Transaction, queries
from moderation.quality.distributions import FEWEST_PEOPLE, Spread, spread_of

SQL = queries("quality")
#: The shipped cap of a day.
CAP_MINUTES = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """Exposure of a group over a stretch of time; None, and an empty spread, below five people."""

    since: datetime
    until: datetime
    exposure: Spread
    #: Person-days that reached the cap, and breaks that were taken.
    caps_reached: int | None
    breaks: int | None

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "exposure": self.exposure.to_json(),
            "caps_reached": self.caps_reached,
            "breaks": self.breaks,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnDay:
    """A person's own day (UTC): unveiled milliseconds, in so many reveals."""

    day: date
    ms: int
    reveals: int


def read_care(tx: Transaction, since: datetime, until: datetime, *, cap_minutes: float = CAP_MINUTES) -> Care:
    """Read the spread of exposure over person-days, without an order and without names."""
    found = tx.pg.execute(SQL.exposed_days, {"since": since, "until": until}).fetchall()
    people = len({who for who, _ in found})
    minutes = [ms / 60_000 for _, ms in found]
    few = people < FEWEST_PEOPLE
    breaks = tx.pg.execute(SQL.breaks, {"since": since, "until": until}).fetchone()
    return Care(
        since=since,
        until=until,
        exposure=spread_of(minutes, people),
        caps_reached=None if few else sum(each >= cap_minutes for each in minutes),
        breaks=None if few or breaks is None else breaks[0],
    )


def read_own(tx: Transaction, principal: str, since: datetime, until: datetime) -> tuple[OwnDay, ...]:
    """Read a person's own days, for nobody else's eyes."""
    found = tx.pg.execute(SQL.own_days, {"principal": principal, "since": since, "until": until}).fetchall()
    return tuple(OwnDay(day=day, ms=ms, reveals=reveals) for day, ms, reveals in found)
