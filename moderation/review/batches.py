"""Batches: one answer for a case and the near-duplicates that wait beside it, each with a decision of its own.

Same queue and same reasons only, never specialists' queues nor those that take two people. Nothing is taken over that
the reviewer did not name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from moderation import outbox
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import Unprocessable
from moderation.hashlists.prints import read_print
from moderation.review.cases import Case, opening_decision, read_case
from moderation.review.deciding import Answer, Recorded, decide, record
from moderation.review.escalation import takes_two
from moderation.review.leases import give_back
from moderation.review.opinions import View, answered_already
from moderation.review.queues import demand_access
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms
from moderation.review.undoing import undo
from watermark.fingerprint import SAME_PICTURE, distance

SQL = queries("mixing")
#: How many of a queue's most urgent cases are compared, and how many are offered.
COMPARED, OFFERED = 500, 24
#: The share of either clip's frames that the other has to show, by PDQ's own measure.
MIN_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    """An open case whose clip shows the same; `distance` in bits of 256, the mean over its frames."""

    case_id: str
    clip_id: str
    distance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What became of an answer to several cases: those that took it over, and those that were left as they are."""

    recorded: Recorded
    decided: tuple[str, ...]
    left: tuple[str, ...]


def similar(tx: Transaction, terms: Terms, now: datetime, case: Case, reviewer: Reviewer) -> tuple[Similar, ...]:
    """Open cases of the same queue, free and for the same reasons, whose clips show the same; the nearest first."""
    if not _may_batch(tx, terms, case, reviewer):
        return ()
    taken = read_print(tx, case.clip_id)
    if taken is None:
        return ()
    where = {"queue": case.queue, "case": case.case_id, "holder": reviewer.principal, "now": now, "limit": COMPARED}
    near = [
        Similar(case_id=case_id, clip_id=clip_id, distance=round(apart, 1))
        for case_id, clip_id, hashes in tx.pg.execute(SQL.prints, where).fetchall()
        if (apart := apart_by(taken.hashes[:, 0], frames(hashes))) is not None
    ]
    asked = _codes(tx, case)
    alike = (one for one in near if _codes(tx, read_case(tx, one.case_id)) == asked)
    return tuple(sorted(alike, key=lambda one: (one.distance, one.case_id))[:OFFERED])


def frames(hashes: bytes) -> NDArray[np.uint8]:
    """PDQ hashes as they are stored, uint8 [n, 32]."""
    return np.frombuffer(hashes, np.uint8).reshape(-1, 32)


def apart_by(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float | None:
    """Return the mean distance of two clips' frames (uint8 [n, 32]), in bits; None where they do not show the same.

    Nine in ten frames of each have to be in the other, by PDQ's own line: a clip that holds another and more is none.
    """
    if not len(one) or not len(other):
        return None
    bits = distance(one[:, None], other[None])
    nearest = bits.min(axis=1), bits.min(axis=0)
    if min(float((side <= SAME_PICTURE).mean()) for side in nearest) < MIN_SHARE:
        return None
    return float(np.concatenate(nearest).mean())


def decide_all(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    case_id: str,
    answer: Answer,
    reviewer: Reviewer,
    *,
    also: Sequence[str],
) -> Batch:
    """Decide a case and, alike, those near-duplicates of it that the reviewer named; one decision for each clip.

    Cases that went to somebody else meanwhile, or are no near-duplicates, are left. Raises as `decide`, and
    Unprocessable for a queue that takes no batches.
    """
    if not also:
        recorded = decide(tx, enqueuer, terms, now, case_id, answer, reviewer)
        return Batch(recorded=recorded, decided=(), left=())
    lead = read_case(tx, case_id)
    if not _may_batch(tx, terms, lead, reviewer):
        raise Unprocessable("cases of this queue are decided one by one")
    offered = {one.case_id: one.clip_id for one in similar(tx, terms, now, lead, reviewer)}
    chosen = {each: offered[each] for each in dict.fromkeys(also) if each in offered}
    lock_all(tx, {case_id: lead.clip_id, **chosen})
    recorded = decide(tx, enqueuer, terms, now, case_id, answer, reviewer)
    view = View(outcome=answer.outcome, reason=answer.reason, note=answer.note, derived_from=recorded.opinion_id)
    decided = [each for each in chosen if take_over(tx, enqueuer, terms, now, each, view, reviewer, queue=lead.queue)]
    left = tuple(each for each in dict.fromkeys(also) if each not in decided)
    return Batch(recorded=recorded, decided=tuple(decided), left=left)


def lock_all(tx: Transaction, clips: Mapping[str, str]) -> None:
    """Lock cases, given with their clips; always in one order, so that nobody waits for who waits for them."""
    for clip_id in sorted(set(clips.values())):
        read_clip(tx, clip_id, lock=True)
    for case_id in sorted(clips):
        read_case(tx, case_id, lock=True)


def take_over(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    case_id: str,
    view: View,
    reviewer: Reviewer,
    *,
    queue: str,
) -> bool:
    """Give a free case of this queue, at its first view, an answer that was given elsewhere; False where it is not."""
    clip = read_clip(tx, read_case(tx, case_id).clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    free = case.state == "open" and not case.held(now)
    if not free or case.stage != "first" or case.queue != queue or case.effect != "clip":
        return False
    if answered_already(tx, terms, case, reviewer):
        return False
    record(tx, enqueuer, terms, now, clip, case, view, reviewer, role="batch")
    return True


def undo_all(tx: Transaction, terms: Terms, now: datetime, case_id: str, reviewer: Reviewer) -> Case:
    """Take back an answer and all that was taken over from it; returns the first case, in the reviewer's hold.

    All or nothing: raises Conflict, and takes nothing back, where one of them can be undone no more.
    """
    lead = read_case(tx, case_id)
    derived = [each for (each,) in tx.pg.execute(SQL.derived, {"opinion": lead.answered_by}).fetchall()]
    lock_all(tx, {each: read_case(tx, each).clip_id for each in (case_id, *derived)})
    for each in derived:
        release(tx, terms, now, each, reviewer)
    return undo(tx, terms, now, case_id, reviewer)


def release(tx: Transaction, terms: Terms, now: datetime, case_id: str, reviewer: Reviewer) -> None:
    """Take back one's answer to a case and give the case to whoever comes next. Raises Conflict as `undo`."""
    again = undo(tx, terms, now, case_id, reviewer)
    assert again.lease_token is not None
    give_back(tx, now, case_id, again.lease_token, reviewer)


def _may_batch(tx: Transaction, terms: Terms, case: Case, reviewer: Reviewer) -> bool:
    queue = demand_access(tx, case.queue, reviewer)
    # What somebody says of one clip is read with that clip.
    alone = case.source in {"notice", "appeal"} or queue.specialist or takes_two(terms, queue)
    return case.effect == "clip" and case.stage == "first" and not alone


def _codes(tx: Transaction, case: Case) -> frozenset[str]:
    """What a case asks about."""
    opened = opening_decision(tx, case)
    return frozenset(reason.code for reason in (*opened.reasons, *opened.lesser))
