"""How long people looked at unveiled material, and what they may still be dealt: caps, cool-down, breaks.

Counts what may have been seen, never what somebody says they saw. Ranks nobody, and locks nobody out of other work.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from moderation import audit
from moderation.db import Transaction, queries, rows
from moderation.errors import Conflict

if TYPE_CHECKING:
    from moderation.services import Services
    from moderation.settings import Settings

SQL = queries("exposure")

#: What one begun or prolonged reveal may show before it must be prolonged again.
SLICE: Final = timedelta(seconds=15)
#: How often a page says that it still shows.
BEAT: Final = timedelta(seconds=5)
#: What a look counts at the least: a picture is taken in at a glance, and many glances are not free.
GLANCE: Final = timedelta(seconds=1)
#: A day of work with its overtime, and not the one before: caps of a day need no time zone and no midnight.
DAY: Final = timedelta(hours=16)


class Capped(Conflict):
    """You have looked long enough for now: other work is there, and a pause makes room again."""

    code = "exposure_capped"


class Cooling(Conflict):
    """A severe case lies only minutes back: nothing is unveiled until the time that is named."""

    code = "cooling"


class OnBreak(Conflict):
    """You are on a break; end it to go on."""

    code = "on_break"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How much one person may look at. An organisation's own figures; the defaults are proposals."""

    day: timedelta
    run: timedelta
    cooling: timedelta
    pause: timedelta
    severe_from: int
    #: How long after a severe case was answered, from its veil even, no other is dealt.
    sparing: timedelta = timedelta(0)
    #: Those of who looks at specialists' material besides; None where they are the same.
    specialists: "Caps | None" = None

    def of(self, *, specialist: bool) -> "Caps":
        """The caps of a person."""
        return self.specialists if specialist and self.specialists else self

    def severe(self, severity: int) -> bool:
        """Whether a case of this severity counts as severe."""
        return severity >= self.severe_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One counted stretch in which something unveiled was, or may have been, on a person's screen."""

    case_id: str
    severity: int
    started_at: datetime
    ended_at: datetime

    @property
    def length(self) -> timedelta:
        """How long it was."""
        return self.ended_at - self.started_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How much a person has looked, and what follows. `run_ms` is since the last pause, `day_ms` of the last `DAY`."""

    day_ms: int
    run_ms: int
    day_cap_ms: int
    run_cap_ms: int
    #: Until when a severe case is still felt, None when none is.
    cooling_until: datetime | None = None
    #: Until when no severe case is dealt; later than `cooling_until` where one was answered since.
    spared_until: datetime | None = None
    #: When a pause that begins now, or began with the last reveal, will have been long enough; None without a run.
    rested_at: datetime | None = None
    #: When the break began that the person is on.
    break_since: datetime | None = None

    @property
    def capped(self) -> bool:
        """Whether a cap is reached."""
        return self.left == timedelta(0)

    @property
    def left(self) -> timedelta:
        """What may be looked at before the next cap."""
        left_ms = min(self.day_cap_ms - self.day_ms, self.run_cap_ms - self.run_ms)
        return timedelta(milliseconds=max(0, left_ms))

    def severe_allowed(self, now: datetime) -> bool:
        """Whether a severe case may be dealt."""
        return not self.capped and (self.spared_until is None or self.spared_until <= now)

    def demand_reveal(self, now: datetime) -> None:
        """Refuse to unveil anything. Raises OnBreak, Capped, Cooling."""
        if self.break_since is not None:
            raise OnBreak
        if self.capped:
            raise Capped(day_ms=self.day_ms, run_ms=self.run_ms, rested_at=_written(self.rested_at))
        if self.cooling_until is not None and self.cooling_until > now:
            raise Cooling(until=_written(self.cooling_until))

    def to_json(self) -> dict[str, object]:
        """The same as JSON, for the person it is about and nobody else."""
        return {
            "day_ms": self.day_ms,
            "run_ms": self.run_ms,
            "day_cap_ms": self.day_cap_ms,
            "run_cap_ms": self.run_cap_ms,
            "capped": self.capped,
            "cooling_until": _written(self.cooling_until),
            "spared_until": _written(self.spared_until),
            "rested_at": _written(self.rested_at),
            "break_since": _written(self.break_since),
        }


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def caps_of(settings: "Settings") -> Caps:
    """The caps of this deployment."""
    chosen = settings.review
    usual = Caps(
        day=timedelta(minutes=chosen.exposure_day_minutes),
        run=timedelta(minutes=chosen.exposure_run_minutes),
        cooling=timedelta(minutes=chosen.cooling_minutes),
        pause=timedelta(minutes=chosen.pause_minutes),
        severe_from=chosen.severe_from,
        sparing=timedelta(minutes=chosen.sparing_minutes),
    )
    lower = replace(usual, day=usual.day * chosen.specialist_share, run=usual.run * chosen.specialist_share)
    return replace(usual, specialists=lower)


def reckon(
    exposures: Iterable[Exposure],
    now: datetime,
    caps: Caps,
    case_id: str | None = None,
    *,
    answered: datetime | None = None,
) -> Standing:
    """What a person's exposures come to at `now`. Pure; every one counts whole that ended within the last `DAY`.

    A stretch of `caps.pause` without one begins a new run. Those of `case_id`, the case in hand, do not cool: one may
    look again at what one is about to decide. `answered` is when the person last answered a severe case.
    """
    recent = sorted((each for each in exposures if each.ended_at > now - DAY), key=lambda each: each.started_at)
    run, last_end, felt = timedelta(0), None, None
    for each in recent:
        run = each.length + (run if last_end is None or each.started_at - last_end < caps.pause else timedelta(0))
        last_end = _later(last_end, each.ended_at)
        if caps.severe(each.severity) and each.case_id != case_id:
            felt = _later(felt, each.ended_at)
    rested_at = None if last_end is None else last_end + caps.pause
    rested = rested_at is None or rested_at <= now
    cooling_until = felt + caps.cooling if felt is not None and felt + caps.cooling > now else None
    spared = answered + caps.sparing if answered is not None and answered + caps.sparing > now else None
    return Standing(
        day_ms=_ms(sum((each.length for each in recent), timedelta(0))),
        run_ms=0 if rested else _ms(run),
        day_cap_ms=_ms(caps.day),
        run_cap_ms=_ms(caps.run),
        cooling_until=cooling_until,
        spared_until=cooling_until if spared is None else _later(cooling_until, spared),
        rested_at=None if rested else rested_at,
    )


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)


def _ms(length: timedelta) -> int:
    """Whole milliseconds, rounded up: what was begun was seen."""
    return -(-length // timedelta(milliseconds=1)) if length else 0


def standing(tx: Transaction, now: datetime, principal: str, caps: Caps, case_id: str | None = None) -> Standing:
    """How a person stands now, with the reveal that is running counted until this moment; `case_id` as in `reckon`.

    `caps` are the person's (`Caps.of`).
    """
    where = {"principal": principal, "now": now, "since": now - DAY, "glance": GLANCE}
    answers = {"severe_from": caps.severe_from, "spared_since": now - caps.sparing}
    around = tx.pg.execute(SQL.around, {**where, **answers}).fetchone()
    on_break, answered = around or (None, None)
    found = reckon(rows(tx, SQL.exposures, Exposure, where), now, caps, case_id, answered=answered)
    return replace(found, break_since=on_break)


def begin_break(tx: Transaction, now: datetime, principal: str) -> datetime:
    """Begin a break, or go on with the one that is on; returns when it began. A running reveal ends with it."""
    lock_person(tx, principal)
    settle(tx, now, principal)
    where = {"org": tx.org, "principal": principal, "now": now}
    tx.pg.execute(SQL.begin_break, where)
    found = tx.pg.execute(SQL.break_of, where).fetchone()
    assert found is not None
    began: datetime = found[0]
    return began


def end_break(tx: Transaction, now: datetime, principal: str) -> timedelta:
    """End the break; returns how long it was, nothing when there was none. Long enough, it begins a new run."""
    lock_person(tx, principal)
    found = tx.pg.execute(SQL.end_break, {"principal": principal, "now": now}).fetchone()
    return now - found[0] if found else timedelta(0)


def settle(tx: Transaction, now: datetime, principal: str, reveal_id: str | None = None) -> int | None:
    """End a person's reveal and write it into the ledger; its milliseconds, None when none was running.

    None counts less than `GLANCE`, but where a cap ended it before. One that ran out counts to its limit, for nobody
    knows when its page was closed.
    """
    counted = take(tx, now, principal, reveal_id)
    if counted is None:
        return None
    case_id, ms = counted
    audit.record(tx, now, principal, "reveal.ended", case_id, ms=ms)
    return ms


def take(tx: Transaction, now: datetime, principal: str, reveal_id: str | None = None) -> tuple[str, int] | None:
    """Do what `settle` does and leave the audit entry to the caller; the case and its milliseconds."""
    where = {"principal": principal, "reveal": reveal_id, "now": now, "glance": GLANCE}
    row = tx.pg.execute(SQL.settle, where).fetchone()
    return (row[0], row[1]) if row else None


def settle_overdue(services: "Services") -> int:
    """Write down the reveals whose end nobody told, of all organisations, each by itself; how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        overdue = tx.pg.execute(SQL.overdue, {"now": now}).fetchall()
    counted = 0
    for org, principal, reveal_id in overdue:
        with services.database.transaction(org) as tx:
            counted += settle(tx, now, principal, reveal_id) is not None
    return counted


def lock_person(tx: Transaction, principal: str) -> None:
    """One thing at a time for one person: two pages that begin a reveal at once share one cap."""
    tx.pg.execute(SQL.lock_person, {"org": tx.org, "principal": principal})
