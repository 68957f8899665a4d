"""Taking consent back in one commit: the ledger's row, the stop, and the work that drives it to zero."""

from datetime import datetime
from typing import TYPE_CHECKING

from moderation import consent, outbox
from moderation.db import Transaction, queries
from moderation.revocations.driving import enqueue_drive

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("revocations")


def begin(services: "Services", org: str, person: str, *, by: str, grant_id: str | None = None) -> dict[str, object]:
    """Take back one grant of a person, or all; returns the revocation's id and what it reaches, in numbers.

    When this returns, nothing that shows the person is served, released or published any more, whatever is still to be
    withdrawn. Raises NotFound.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        begun = consent.revoke(tx, now, person, by=by, grant_id=grant_id)
        follow(tx, services, now, person, begun)
    return begun


def follow(
    tx: Transaction, services: "Services", now: datetime, person: str, begun: dict[str, object]
) -> dict[str, object]:
    """Tell of a revocation that the same transaction wrote into the ledger, and start what drives it to zero."""
    revocation = str(begun["revocation_id"])
    tx.pg.execute(SQL.note_moved, {"revocation": revocation, "now": now})
    said = {"revocation_id": revocation, "person": person, "reached": begun["reached"]}
    outbox.tell(tx, services.enqueuer, revocation, "revocation.started", now, said)
    enqueue_drive(tx, services.enqueuer, str(tx.org), revocation, 1)
    return begun
