"""Stops of people: from the commit of a revocation, or of less consent, what shows them is refused until judged anew.

Asked of one clip at a time, whatever a revocation reaches; decides nothing about it. Notices' are `notices/stops.py`.
"""

from collections.abc import Sequence
from datetime import datetime

from moderation.appearances import hold_people
from moderation.db import Transaction, queries

SQL = queries("appearances")


def put_up(
    tx: Transaction,
    now: datetime,
    person: str,
    *,
    revocation: str | None = None,
    scope: str = "both",
    creators: Sequence[str] | None = None,
) -> None:
    """Refuse what shows a person, in the transaction that takes consent away, after the person's version grew.

    `creators` narrows it to clips of those, None is everybody's; `scope` is face, voice or both. Without a revocation
    (stricter limits, a shorter list, a suspension) nothing is driven to zero: the caller has the clips judged again.
    """
    said = {"scope": scope, "creators": None if creators is None else list(creators)}
    row = {"person": person, "revocation": revocation, "now": now}
    tx.pg.execute(SQL.insert_stop, row | said)
    if revocation is not None:
        tx.pg.execute(SQL.insert_run, row)


def stopped(tx: Transaction, clip_id: str, *, hold: bool = False) -> bool:
    """Whether a clip shows somebody who consents to less since it was judged; `hold` keeps the answer true.

    With `hold` a revocation waits for this transaction, or was committed before and is seen here.
    """
    if hold:
        hold_people(tx, clip_id)
    return tx.pg.execute(SQL.stopped, {"clip": clip_id}).fetchone() is not None


def revoked(tx: Transaction, clip_id: str) -> bool:
    """Whether one of the stops on a clip is a revocation's: its person took consent back, not only a part of it."""
    return tx.pg.execute(SQL.stopped_by_revocation, {"clip": clip_id}).fetchone() is not None


def lessened(tx: Transaction, clip_id: str) -> dict[str, datetime]:
    """When each person in a clip last consented to less; who never did is not in it."""
    return dict(tx.pg.execute(SQL.lessened, {"clip": clip_id}).fetchall())
