"""What bounds the misuse of notices: how many one contact may file, and when one hides nothing. Counts only."""

import unicodedata
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from moderation.db import Transaction, queries
from moderation.errors import TooOften

if TYPE_CHECKING:
    from moderation.settings import Noticing

SQL = queries("notices")
Doubt = Literal["rejected_before", "many_of_one_source"]
DAY = timedelta(days=1)
#: So many people may share an address, as behind the gateway of a school or a provider.
PEOPLE_OF_ADDRESS: Final = 5


class TooMany(TooOften):
    """So many notices came from here today that no more are taken; go on tomorrow."""


def mailbox(contact: str) -> str:
    """The one way to write an address of which people write many: for counting, never for writing to somebody.

    What follows a `+` is the same mailbox with most providers; two people counted as one lose nothing but haste.
    """
    local, at, domain = unicodedata.normalize("NFKC", contact).strip().casefold().rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"


def demand_few(tx: Transaction, terms: "Noticing", now: datetime, contact: bytes | None, source: bytes | None) -> None:
    """Raises TooMany for a contact at one address, or an address, from which a day's worth of notices came."""
    where = {"contact": contact, "source": source, "since": now - DAY}
    by_contact, by_source = tx.pg.execute(SQL.filed_since, where).fetchone() or (0, 0)
    if by_contact >= terms.per_contact_a_day or by_source >= terms.per_contact_a_day * PEOPLE_OF_ADDRESS:
        raise TooMany(retry_after=int(DAY.total_seconds()), per_day=terms.per_contact_a_day)


def doubt_of(
    tx: Transaction, terms: "Noticing", now: datetime, contact: bytes | None, source: bytes | None
) -> Doubt | None:
    """Why a notice hides nothing before a person looked: its address, or its contact at a platform; None if it may."""
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
