"""Two records of one human: a public figure registered by an operator, who has a cameo of their own as well.

The link is staff's word. While it stands the cameo's grants and limits rule for both records.
"""

from datetime import datetime

from moderation import appearances, audit, stops
from moderation.consent.people import SQL, lock_person
from moderation.db import Transaction
from moderation.errors import NotFound, Unprocessable


def link(tx: Transaction, now: datetime, figure: str, cameo: str, *, by: str) -> None:
    """Say that a public figure's record and a cameo's are of the same human; what shows the figure is judged anew.

    Raises NotFound, and Unprocessable for records of other kinds or a cameo that nobody verified.
    """
    held = {row[0]: row[1:] for row in tx.pg.execute(SQL.pair_locked, {"people": [figure, cameo]}).fetchall()}
    for person in (figure, cameo):
        if person not in held:
            raise NotFound(f"there is no person {person}")
    if held[figure][0] != "public_figure" or held[cameo][0] != "cameo":
        raise Unprocessable("a public figure's record is linked to a cameo's")
    if held[cameo][1] != "verified":
        raise Unprocessable("this cameo is not verified: nobody has found yet who they are")
    _write(tx, now, figure, cameo, by=by)


def unlink(tx: Transaction, now: datetime, figure: str, *, by: str) -> None:
    """Take that back: the figure's record goes by its own grants again. Raises NotFound."""
    lock_person(tx, figure)
    _write(tx, now, figure, None, by=by)


def _write(tx: Transaction, now: datetime, figure: str, cameo: str | None, *, by: str) -> None:
    before = tx.pg.execute(SQL.same_as, {"person": figure}).fetchone()
    if not tx.pg.execute(SQL.set_same_as, {"person": figure, "same_as": cameo}).rowcount:
        return
    if before is not None:
        # The link was wrong: what it lent to the other record is not sure any more.
        appearances.doubt_shared(tx, figure, before[0])
    stops.put_up(tx, now, figure)
    audit.record(tx, now, by, "person.same_as", figure, same_as=cameo)
