"""What queues cost people: seconds for a case from past work, cases and hours a day. Opens no case."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from moderation.db import Transaction
from moderation.rehearsing.intervals import ENOUGH, Share, share_of
from moderation.rehearsing.scope import SQL, Extent, Scope
from moderation.settings import Rehearsing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds of a reviewer's time for one case; `cases` is how many it was measured on, 0 for the setting's figure."""

    seconds: float
    cases: int

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {"seconds": round(self.seconds, 1), "measured_on": self.cases}


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Cases and hours a day in one queue, each with a 95 % interval; of other days like these."""

    cases: float
    low: float
    high: float
    pace: Pace

    def hours(self, cases: float) -> float:
        """Return the hours that so many cases take."""
        return cases * self.pace.seconds / 3600

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        figures = {"cases": self.cases, "low": self.low, "high": self.high}
        return {
            "cases_per_day": {name: round(value, 2) for name, value in figures.items()},
            "hours_per_day": {name: round(self.hours(value), 2) for name, value in figures.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """The pace of each queue: measured where there was work enough, else as set."""

    measured: Mapping[str, Pace]
    settings: Rehearsing

    def of(self, queue: str) -> Pace:
        """Return a queue's pace."""
        set_ = self.settings.seconds_of_queue.get(queue, self.settings.seconds_per_case)
        return self.measured.get(queue, Pace(seconds=set_, cases=0))


def measure_paces(tx: Transaction, until: datetime, settings: Rehearsing) -> Paces:
    """Take the mean seconds from claim to decision of every queue with cases enough behind it."""
    found = tx.pg.execute(SQL.paces, {"until": until, "cap": settings.longest_case_seconds}).fetchall()
    known = {queue: Pace(seconds=mean, cases=cases) for queue, mean, cases in found if cases >= ENOUGH}
    return Paces(measured=known, settings=settings)


def load_of(hits: int, judged: int, extent: Extent, scope: Scope, pace: Pace) -> Load:
    """Return what `hits` of `judged` clips mean a day, for as many clips a day as the scope saw."""
    share: Share = share_of(hits, judged)
    a_day = extent.clips / extent.days(scope)
    expected = (share.share or 0.0) * a_day
    return Load(cases=expected, low=share.low * a_day, high=share.high * a_day, pace=pace)
