"""Cases that went to colleagues and were closed before they answered: their clips come before them again, not out."""

from datetime import datetime

from moderation import audit, outbox
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.decisions import Decision, Outcome
from moderation.recording import insert_decision
from moderation.review.cases import Case, opening_decision, patience, put_in_review, read_case
from moderation.review.queues import find_queue

SQL = queries("cases")
SYSTEM = "system"


def take_up(tx: Transaction, enqueuer: outbox.Enqueuer, clip: Clip, judged: Decision, now: datetime) -> bool:
    """Put a locked clip that was just judged publishable before those who were asked of it and never answered.

    Whether there are such. It is the same case, in its queue and stage, with its question and the opinions given so
    far; an answer to another case of the clip is none to it. It takes the place of a case that is still open.
    """
    found = tx.pg.execute(SQL.unanswered_case, {"clip": clip.clip_id}).fetchone()
    if found is None:
        return False
    case = read_case(tx, found[0], lock=True)
    asked = _asked_again(case, opening_decision(tx, case), judged)
    insert_decision(tx, clip, asked, actor_kind=SYSTEM, actor=SYSTEM, now=now)
    _open_again(tx, clip, case, asked, now)
    put_in_review(tx, enqueuer, clip, asked, now)
    return True


def _asked_again(case: Case, opened: Decision, judged: Decision) -> Decision:
    """The decision that keeps the clip in: for the reasons that its case was opened for, on the facts of now."""
    return Decision(
        outcome=Outcome.REVIEW,
        facts_hash=judged.facts_hash,
        reasons=opened.reasons,
        lesser=opened.lesser,
        decided_by=SYSTEM,
        queue=case.queue,
        priority=case.severity,
        deadline_s=opened.deadline_s,
    )


def _open_again(tx: Transaction, clip: Clip, case: Case, asked: Decision, now: datetime) -> None:
    where = {"clip": clip.clip_id, "case": case.case_id, "now": now}
    tx.pg.execute(SQL.close_acting_case, where)
    deadline = now + patience(find_queue(tx, case.queue), asked)
    # What opened it stays: an answer settles what was asked then, on the facts of then.
    tx.pg.execute(SQL.open_again, {**where, "deadline": deadline})
    said = {"case": case.case_id, "queue": case.queue, "source": case.source, "stage": case.stage}
    audit.record(tx, now, SYSTEM, "case.opened", clip.clip_id, **said)
