"""Notices and appeals in figures, for transparency reports: counts by kind and outcome, times. No person, no clip."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from moderation import unmatched
from moderation.db import queries
from moderation.errors import Unprocessable
from moderation.verdicts import moment

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("notices")
#: How far a report looks back unless asked otherwise.
USUAL: Final = timedelta(days=365)
NOTICES: Final = ("kind", "filed", "open", "upheld", "rejected", "gone", "hidden", "late", "median_seconds")
APPEALS: Final = ("by", "filed", "open", "upheld", "rejected", "gone", "median_seconds")


def read_figures(
    services: "Services", org: str, since: str | None = None, until: str | None = None
) -> dict[str, object]:
    """What was filed from `since` to `until` (ISO 8601, UTC; a year back from now) and what became of it.

    `gone` are those whose clip was gone before anybody decided; `late` are notices settled after their clock, or open
    past it. Raises Unprocessable for what is no time.
    `unmatched_templates` says on what basis templates of strangers are kept now, for how long, of how many clips.
    """
    now = services.clock.now()
    end = _time(until) if until else now
    begin = _time(since) if since else _year_before(end)
    where = {"since": begin, "until": end, "now": now}
    with services.database.transaction(org) as tx:
        notices = tx.pg.execute(SQL.figures_of_notices, where).fetchall()
        appeals = tx.pg.execute(SQL.figures_of_appeals, where).fetchall()
        kept = unmatched.figures(tx, now)
    return {
        "since": moment(begin),
        "until": moment(end),
        "notices": [dict(zip(NOTICES, line, strict=True)) for line in notices],
        "appeals": [dict(zip(APPEALS, line, strict=True)) for line in appeals],
        "unmatched_templates": kept,
    }


def _time(said: str) -> datetime:
    try:
        found = datetime.fromisoformat(said)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Unprocessable("a time is written as 2026-01-31 or 2026-01-31T12:00:00+00:00") from error


def _year_before(end: datetime) -> datetime:
    try:
        return end - USUAL
    except OverflowError as error:
        raise Unprocessable("a year before `until` is no time; say `since`") from error
