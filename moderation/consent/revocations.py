"""Taking consent back, one grant or all: what was judged by it is refused at once, and `revocations` does the rest."""

from datetime import datetime

from psycopg.types.json import Jsonb

from moderation import audit, stops
from moderation.consent.people import SQL, lock_person
from moderation.db import Transaction
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.revocations.reaching import count_reach, find_reached


def revoke(tx: Transaction, now: datetime, person: str, *, by: str, grant_id: str | None = None) -> dict[str, object]:
    """Take back one grant, or all; returns the revocation's id and what it reaches, in numbers.

    From the commit on nothing that shows the person and was judged before is served, released or published; driving the
    rest to zero begins by itself. Raises NotFound.
    """
    lock_person(tx, person)
    return write_revocation(tx, now, person, by=by, grant_id=grant_id)


def write_revocation(
    tx: Transaction, now: datetime, person: str, *, by: str, grant_id: str | None = None
) -> dict[str, object]:
    """The same for a person whose row the caller holds."""
    tx.pg.execute(SQL.touch_person, {"person": person})
    scope, creators = _concerned(tx, person, grant_id)
    reached = count_reach(find_reached(tx, person, scope=scope, creators=creators)).to_json()
    revocation = new_id("rev")
    tx.pg.execute(
        SQL.insert_revocation,
        {
            "org": tx.org,
            "revocation": revocation,
            "person": person,
            "grant": grant_id,
            "reached": Jsonb(reached),
            "by": by,
            "now": now,
        },
    )
    stops.put_up(tx, now, person, revocation=revocation, scope=scope, creators=creators)
    audit.record(tx, now, by, "grant.revoked", person, revocation=revocation, grant=grant_id or "all")
    return {"revocation_id": revocation, "reached": reached}


def _concerned(tx: Transaction, person: str, grant_id: str | None) -> tuple[str, list[str] | None]:
    """Scope of what is taken back and whose clips it concerns, None for everybody's. Raises NotFound."""
    if grant_id is None:
        return "both", None
    row = tx.pg.execute(SQL.concerned, {"grant": grant_id, "person": person}).fetchone()
    if row is None:
        raise NotFound(f"there is no grant {grant_id} of this person")
    return row[0], row[1]
