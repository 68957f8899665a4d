"""The platform's word that what it had fetched is gone: a delivery it took, or a receipt. Time to zero ends there."""

from collections.abc import Sequence
from datetime import datetime

from moderation import audit
from moderation.db import Transaction, queries
from moderation.errors import NotFound

SQL = queries("revocations")


def note_delivery(tx: Transaction, event: str, now: datetime) -> None:
    """A delivery was taken: its clip is purged once every place that was told has taken it.

    The target is held, so that of two last deliveries at one time one sees the other.
    """
    if tx.pg.execute(SQL.target_of_event, {"event": event}).fetchone() is None:
        return
    if tx.pg.execute(SQL.undelivered, {"event": event}).fetchone() is None:
        tx.pg.execute(SQL.purged_by_delivery, {"event": event, "now": now})


def take_receipt(tx: Transaction, now: datetime, revocation: str, clips: Sequence[str] | None, *, by: str) -> int:
    """The platform says that it purged these clips, None for all; returns how many this revocation still waited for.

    Others that wait for the same event have it too. Raises NotFound. A receipt sent twice changes nothing.
    """
    if tx.pg.execute(SQL.revocation, {"revocation": revocation}).fetchone() is None:
        raise NotFound(f"there is no revocation {revocation}")
    said = {"revocation": revocation, "clips": None if clips is None else list(clips), "now": now}
    tx.pg.execute(SQL.hold_purges, said)
    purged = tx.pg.execute(SQL.purged_by_receipt, said).fetchall()
    own = len([of for (of,) in purged if of == revocation])
    audit.record(tx, now, by, "revocation.receipt", revocation, purged=own)
    return own
