"""Taking consent back: one grant or all of them. What was judged by it is judged again."""

from collections.abc import Iterable
from datetime import datetime

from psycopg.types.json import Jsonb

from moderation import audit, outbox
from moderation.clips import Status
from moderation.consent.people import SQL, lock_person
from moderation.db import Transaction
from moderation.db.clips import next_generation, read_clip
from moderation.ids import new_id
from moderation.outbox import Enqueuer


def revoke(tx: Transaction, now: datetime, person: str, *, by: str, grant_id: str | None = None) -> dict[str, object]:
    """Take back one grant, or all; returns the revocation's id and the clips it reaches, by status.

    The caller sends the reached clips to judgement again in the same transaction. Raises NotFound.
    """
    lock_person(tx, person)
    return write_revocation(tx, now, person, by=by, grant_id=grant_id)


def write_revocation(
    tx: Transaction, now: datetime, person: str, *, by: str, grant_id: str | None = None
) -> dict[str, object]:
    """The same for a person whose row the caller holds."""
    tx.pg.execute(SQL.touch_person, {"person": person})
    clips = tx.pg.execute(SQL.clips_showing, {"person": person}).fetchall()
    by_status = {status: [c for c, s in clips if s == status] for status in ("released", "in_review")}
    processing = [c for c, s in clips if s in {"received", "processing", "held"}]
    revocation = new_id("rev")
    reached = {
        **{name: len(found) for name, found in by_status.items()},
        "processing": len(processing),
        "descendants": 0,
    }
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
    audit.record(tx, now, by, "grant.revoked", person, revocation=revocation, grant=grant_id or "all")
    return {"revocation_id": revocation, "reached": reached, "clips": [c for c, _ in clips]}


def judge_again(tx: Transaction, enqueuer: Enqueuer, now: datetime, clips: Iterable[str]) -> None:
    """Send released clips to judgement again; the others are on their way, and the gate asks anew."""
    for clip_id in clips:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state is Status.RELEASED:
            outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
