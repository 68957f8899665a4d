"""What bounds the misuse of notices: how many one contact may file, and when one hides nothing. Counts only."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from moderation.db import Transaction, queries
from moderation.errors import ModerationError

if TYPE_CHECKING:
    from moderation.settings import Noticing

SQL = queries("notices")
Doubt = Literal["rejected_before", "many_of_one_source"]
DAY = timedelta(days=1)


class TooMany(ModerationError):
    """So many notices came from here today that no more are taken; go on tomorrow."""

    status = 429
    code = "rate_limited"


def demand_few(tx: Transaction, terms: "Noticing", now: datetime, contact: bytes | None) -> None:
    """Raises TooMany for a contact who filed a day's worth of notices."""
    if _count(tx, SQL.filed_since, {"contact": contact, "since": now - DAY}) >= terms.per_contact_a_day:
        raise TooMany(retry_after=int(DAY.total_seconds()), per_day=terms.per_contact_a_day)


def doubt_of(
    tx: Transaction, terms: "Noticing", now: datetime, contact: bytes | None, source: bytes | None
) -> Doubt | None:
    """Why a notice of this contact or address hides nothing before a person looked; None when it may hide its clip."""
    who: dict[str, object] = {"contact": contact, "source": source}
    rejected = _count(tx, SQL.rejected_since, {**who, "since": now - timedelta(days=terms.rejected_days)})
    if rejected >= terms.rejected_before:
        return "rejected_before"
    if _count(tx, SQL.hidden_since, {**who, "since": now - DAY}) >= terms.hidden_a_day:
        return "many_of_one_source"
    return None


def _count(tx: Transaction, statement: bytes, where: dict[str, object]) -> int:
    found = tx.pg.execute(statement, where).fetchone()
    return int(found[0]) if found else 0
