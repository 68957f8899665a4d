"""Judging again what shows a person whose limits, lists or state changed: less is allowed, and nothing was revoked."""

from datetime import datetime

from moderation import outbox
from moderation.clips import Status
from moderation.db import Transaction
from moderation.db.clips import next_generation, read_clip
from moderation.outbox import Enqueuer
from moderation.revocations.reaching import find_reached


def judge_clips_of(tx: Transaction, enqueuer: Enqueuer, now: datetime, person: str) -> int:
    """Send the released clips that show or declare a person through judgement and the gate again; returns how many.

    While that lasts their media is not served. The others are on their way, and the gate compares versions.
    """
    released = [each for each in find_reached(tx, person) if each.status == Status.RELEASED]
    for each in released:
        clip = read_clip(tx, each.clip_id, lock=True)
        outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
    return len(released)
