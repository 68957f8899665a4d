"""Judging again where nothing was revoked: a person's limits, lists or state changed, or a grant of theirs ended.

And near copies, once somebody is known to be in the clip whose pictures they have.
"""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from moderation import appearances, outbox
from moderation.clips import Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.ids import new_id
from moderation.outbox import Enqueuer
from moderation.revocations.driving import QUEUE
from moderation.revocations.reaching import find_reached
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("people")
#: Clips that one round of the sweep takes on.
BATCH: Final = 200


def judge_clips_of(tx: Transaction, enqueuer: Enqueuer, person: str) -> None:
    """Have the released clips that show or declare a person judged again, once the transaction that says so commits.

    Its caller holds the person, so no clip is touched here: whoever holds both holds the clip first. Until a clip is
    judged anew a stop refuses its media. Clips on their way meet the person's new version at the gate.
    """
    enqueuer.enqueue(tx, "judge_clips_of", f"{tx.org}:{person}:{new_id('job')}", QUEUE, [tx.org, person], 1)


def judge_released(services: "Services", org: str, person: str) -> int:
    """Send the released clips that show or declare a person through judgement and the gate again; returns how many.

    One transaction a clip: done a second time, it finds those that are left.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        reached = find_reached(tx, person)
    released = [each.clip_id for each in reached if each.status == Status.RELEASED]
    return sum(_judge_again(services, now, org, clip_id) for clip_id in released)


def judge_copies_of(tx: Transaction, enqueuer: Enqueuer, clip_id: str) -> None:
    """Have near copies of a clip judged again, after the commit, where it shows somebody of whom they do not know.

    Its caller holds the clip and wrote who is in it. A copy that is being judged meanwhile is refused at the gate.
    """
    if appearances.untold_copies(tx, clip_id):
        enqueuer.enqueue(tx, "judge_copies_of", f"{tx.org}:{clip_id}:{new_id('job')}", QUEUE, [tx.org, clip_id], 1)


def judge_copies(services: "Services", org: str, clip_id: str) -> int:
    """Send near copies that are out, and do not know of somebody whom this clip shows, to judgement; how many.

    One transaction a clip. One that stands before the gate is waited for: it comes out, or is refused there.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        judged = [copy for copy, judged in appearances.untold_copies(tx, clip_id) if judged]
    return sum(_judge_again(services, now, org, copy) for copy in judged)


def judge_outlived(services: "Services") -> int:
    """Judge released clips again once a grant that they were judged under has ended; returns how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        found = tx.pg.execute(SQL.clips_outlived, {"now": now, "limit": BATCH}).fetchall()
    return go_through(found, partial(_judge_again, services, now))


def _judge_again(services: "Services", now: datetime, org: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state is not Status.RELEASED:
            return False
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))
    return True
