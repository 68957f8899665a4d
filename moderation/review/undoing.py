"""Undoing: within its window an answer is taken back and the case is its reviewer's again. Later it is overturned."""

import secrets
from dataclasses import replace
from datetime import datetime

from moderation.clips import Clip
from moderation.db import Transaction, queries, row
from moderation.db.clips import read_clip
from moderation.errors import Conflict
from moderation.recording import insert_decision
from moderation.review.cases import Case, note_act, opening_decision, read_case
from moderation.review.opinions import Opinion, read_opinion, take_back
from moderation.review.queues import demand_access
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("cases")
OPINIONS = queries("opinions")


def undo(tx: Transaction, terms: Terms, now: datetime, case_id: str, reviewer: Reviewer) -> Case:
    """Take back one's last answer to a case; returns the case, under a lease of one's own, as it was before.

    Raises Conflict when the window is over, a colleague is on, or the clip went on without it.
    """
    seen = read_case(tx, case_id)
    demand_access(tx, seen.queue, reviewer)
    clip = read_clip(tx, seen.clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    opinion = _demand_undoable(tx, now, clip, case, reviewer)
    take_back(tx, now, opinion)
    if opinion.decision_id is not None:
        reopened = replace(opening_decision(tx, case), decided_by=reviewer.principal)
        insert_decision(tx, clip, reopened, actor_kind="person", actor=reviewer.principal, now=now)
    if case.stage == "third" and opinion.stage != "third":
        settled = {"case": case_id, "by": reviewer.principal, "now": now, "note": "undone"}
        tx.pg.execute(OPINIONS.settle_calibration, settled)
    note_act(tx, now, case_id, "undone", reviewer)
    again = row(
        tx,
        SQL.undo_answer,
        Case,
        {
            "case": case_id,
            "stage": opinion.stage,
            "queue": opinion.queue,
            "token": secrets.token_urlsafe(24),
            "holder": reviewer.principal,
            "now": now,
            "expires_at": now + terms.lease,
        },
    )
    assert again is not None
    return again


def _demand_undoable(tx: Transaction, now: datetime, clip: Clip, case: Case, reviewer: Reviewer) -> Opinion:
    """The opinion that would be taken back. Raises Conflict."""
    opinion = read_opinion(tx, case.answered_by) if case.answered_by else None
    if opinion is None or opinion.reviewer != reviewer.principal or case.undo_until is None or case.state == "closed":
        raise Conflict("there is no answer of yours to this case that could be undone")
    if case.undo_until <= now or case.followed_at is not None:
        raise Conflict("this answer can be undone no more; a colleague can overturn it")
    if case.held(now):
        raise Conflict("a colleague is looking at this case already; your answer stands")
    if clip.generation != case.answered_in:
        raise Conflict("the clip was judged again meanwhile; your answer stands")
    return opinion
