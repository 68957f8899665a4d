"""What a revocation sent to judgement, as that ends: who fetched a file that does not come out again has to remove it.

Called where the end of a judgement is told, in its transaction. Reads and writes the revocation's targets only.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from moderation.db import Transaction, queries

SQL = queries("revocations")
_OUT: Final = "clip.released"
#: Events of a clip that came to an end without being out.
_NOT_OUT: Final = frozenset({"clip.in_review", "clip.withheld", "clip.withdrawn", "clip.refused"})


def waiting(tx: Transaction, clip_id: str, event_type: str) -> list[str]:
    """Revocations that sent this clip, once released, to judgement and wait for its end, which this event tells."""
    if event_type != _OUT and event_type not in _NOT_OUT:
        return []
    return [revocation for (revocation,) in tx.pg.execute(SQL.unsettled_of_clip, {"clip": clip_id}).fetchall()]


def demand(revocations: Sequence[str], event_type: str) -> dict[str, object]:
    """What the event says besides: remove it, where it is not out again."""
    return {"purge": True, "revocation_id": revocations[-1]} if revocations and event_type in _NOT_OUT else {}


def settle(
    tx: Transaction, clip_id: str, revocations: Sequence[str], event_type: str, event: str, now: datetime
) -> None:
    """Note that judgement is over; where a purge was demanded, the event's receipt is waited for."""
    if revocations:
        said = {"clip": clip_id, "revocations": list(revocations), "now": now}
        tx.pg.execute(SQL.settle_targets, said | {"purge": event_type in _NOT_OUT, "event": event})
