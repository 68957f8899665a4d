"""Judging again what shows a person whose limits, lists or state changed, or whose grant ended: nothing was revoked."""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from moderation import outbox
from moderation.clips import Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.outbox import Enqueuer
from moderation.revocations.reaching import find_reached

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("people")
#: Clips that one round of the sweep takes on.
BATCH: Final = 200


def judge_clips_of(tx: Transaction, enqueuer: Enqueuer, now: datetime, person: str) -> int:
    """Send the released clips that show or declare a person through judgement and the gate again; returns how many.

    While that lasts their media is not served. The others are on their way, and the gate compares versions.
    """
    released = [each for each in find_reached(tx, person) if each.status == Status.RELEASED]
    for each in released:
        clip = read_clip(tx, each.clip_id, lock=True)
        outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
    return len(released)


def judge_outlived(services: "Services") -> int:
    """Judge released clips again once a grant that they were judged under has ended; returns how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(SQL.clips_outlived, {"now": now, "limit": BATCH}).fetchall()
    return sum(_judge_outlived(services, now, org, clip_id) for org, clip_id in found)


def _judge_outlived(services: "Services", now: datetime, org: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state is not Status.RELEASED:
            return False
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))
    return True
