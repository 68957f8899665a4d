"""Asking for a look back and calling it off: one at a time for each person, over clips whose bytes are still kept."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from moderation import audit
from moderation.db import Transaction, queries
from moderation.errors import Conflict, NotFound, TooOften, Unprocessable
from moderation.ids import new_id
from moderation.lookbacks.driving import end, enqueue_drive
from moderation.lookbacks.looking import likeness_of

if TYPE_CHECKING:
    from moderation.services import Services

SQL, RETENTION = queries("lookbacks"), queries("retention")
UPLOADS: Final = "blob:upload"
DAY: Final = timedelta(days=1)


class TooMany(TooOften):
    """So many look backs were asked for today; go on tomorrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which clips are looked at: those that came in from `since` to before `until`, of one creator, with some words."""

    since: datetime
    until: datetime
    creator: str | None = None
    #: Words that the prompt or title must all hold.
    words: str | None = None


def demand_window(window: Window, now: datetime, keep: timedelta) -> None:
    """Refuse a window that is empty, or begins before what is still kept. Raises Unprocessable."""
    if window.since >= window.until:
        raise Unprocessable("the window must end after it begins")
    if window.since >= now:
        raise Unprocessable("the window lies in the future: clips that are still to come are compared anyway")
    if window.since < now - keep:
        days = keep / timedelta(days=1)
        raise Unprocessable(f"uploads are kept {days:g} days: no window may begin before that", days=days)


def kept_for(tx: Transaction) -> timedelta:
    """How long uploads are kept: no window begins before that."""
    found = tx.pg.execute(RETENTION.interval, {"thing": UPLOADS}).fetchone()
    return found[0] if found else timedelta()


def ask(
    services: "Services", tx: Transaction, person: str, window: Window, *, by: str, most_a_day: int | None = None
) -> str:
    """Write a look back down and put it on its queue; returns its id. `most_a_day` bounds what `by` asks for them.

    Raises NotFound, TooMany, Conflict while another one of this person is not over, Unprocessable for a window that
    cannot be and for a person who has nothing yet that clips could be compared with.
    """
    now = services.clock.now()
    demand_window(window, now, kept_for(tx))
    if tx.pg.execute(SQL.person_held, {"person": person}).fetchone() is None:
        raise NotFound(f"there is no person {person}")
    asked = tx.pg.execute(SQL.asked_lately, {"person": person, "by": by, "day": now - DAY}).fetchone() or (0,)
    if most_a_day is not None and asked[0] >= most_a_day:
        raise TooMany(retry_after=3600)
    if likeness_of(services, tx, person).empty:
        raise Unprocessable("nothing of this person is registered that clips could be compared with")
    lookback = new_id("lkb")
    row = {"org": tx.org, "lookback": lookback, "person": person, "by": by, "now": now}
    if tx.pg.execute(SQL.insert_lookback, row | asdict(window)).fetchone() is None:
        raise Conflict("a look back for this person is under way already")
    audit.record(tx, now, by, "lookback.asked", lookback, person=person)
    enqueue_drive(tx, services.enqueuer, str(tx.org), lookback, 1)
    return lookback


def cancel(services: "Services", tx: Transaction, person: str, lookback: str, *, by: str) -> None:
    """Call a look back off; what it found stays. Cancelling twice changes nothing.

    Raises NotFound, Conflict for one that is done.
    """
    row = tx.pg.execute(SQL.state_locked, {"lookback": lookback, "person": person}).fetchone()
    if row is None:
        raise NotFound(f"there is no look back {lookback}")
    if row[0] == "done":
        raise Conflict("this look back is done")
    if row[0] != "cancelled":
        end(tx, services, lookback, "cancelled", why="asked", by=by)
