"""What a decided case asks for, done once when its undo window is over. Releases nothing: that takes the gate."""

import json
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from moderation import outbox
from moderation.clips import Clip, Status, may_follow
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Outcome
from moderation.notices.settling import Answered, settle
from moderation.recording import withhold
from moderation.review.cases import Case, insert_case, read_case
from moderation.review.opinions import Opinion, read_opinion
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("cases")
RECORDS = queries("records")
#: How many cases one sweep takes on.
BATCH = 200


def follow_due(services: "Services") -> int:
    """Do what the answers ask for whose undo window is over, of all organisations; how many there were."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(SQL.cases_to_follow, {"now": now, "limit": BATCH}).fetchall()
    return go_through(due, partial(_follow_one, services))


def _follow_one(services: "Services", org: str, clip_id: str, case_id: str) -> bool:
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        case = read_case(tx, case_id, lock=True)
        due = case.state == "decided" and case.followed_at is None
        if not due or case.undo_until is None or case.undo_until > now:
            return False
        follow(tx, services.enqueuer, now, clip, case)
    return True


def follow(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, case: Case) -> None:
    """Do what the answer to a decided case asks for, whose row and clip the caller locked; it can be undone no more."""
    tx.pg.execute(SQL.follow_case, {"case": case.case_id, "now": now})
    opinion = read_opinion(tx, case.answered_by) if case.answered_by else None
    if opinion is None:
        return
    if case.effect == "opinion":
        heed(tx, now, clip, case, opinion)
    elif clip.generation == case.answered_in and opinion.decision_id is not None:
        settle(tx, enqueuer, now, clip, answered_by(case, opinion.outcome, opinion.decision_id, opinion.reviewer))
        carry_out(tx, enqueuer, now, clip, opinion.decision_id)


def answered_by(case: Case, outcome: str, decision_id: str, by: str) -> Answered:
    """A person's answer to a case as notices and appeals hear of it."""
    return Answered(case_id=case.case_id, source=case.source, outcome=Outcome(outcome), decision_id=decision_id, by=by)


def carry_out(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, decision_id: str) -> None:
    """Let a person's decision act on a locked clip: withhold it, or send it through judgement and the gate again."""
    found = tx.pg.execute(RECORDS.decision, {"decision": decision_id}).fetchone()
    decision = Decision.from_json(json.loads(found[3])) if found else None
    if decision is None or not may_follow(clip.state, Status.PROCESSING):
        return
    if decision.outcome is not Outcome.BLOCK:
        if not _stands_already(tx, clip, decision):
            # Judged again on the facts of now, then the release gate: an approval is no short cut.
            outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
    elif clip.state is not Status.WITHHELD:
        if clip.state is not Status.IN_REVIEW:
            # A run that is under way must not release what was just blocked.
            next_generation(tx, clip, now)
            clip = read_clip(tx, clip.clip_id, lock=True)
        withhold(tx, enqueuer, clip, decision, now)


def _stands_already(tx: Transaction, clip: Clip, decision: Decision) -> bool:
    """Whether a clip is out under the very outcome that was decided."""
    if clip.state is not Status.RELEASED:
        return False
    found = tx.pg.execute(RECORDS.released_outcome, {"clip": clip.clip_id}).fetchone()
    return found is not None and found[0] == str(decision.outcome)


def heed(tx: Transaction, now: datetime, clip: Clip, case: Case, opinion: Opinion) -> str | None:
    """Open a real case where a blind look found a published clip worse than its decision did; returns it."""
    if case.source not in {"sample", "second_opinion"} or clip.state is not Status.RELEASED:
        return None
    found = tx.pg.execute(RECORDS.latest_decision, {"clip": clip.clip_id}).fetchone()
    if found is None or Outcome(opinion.outcome).strictness <= Outcome(found[1]).strictness:
        return None
    if tx.pg.execute(SQL.open_case_of_clip, {"clip": clip.clip_id}).fetchone():
        return None
    standing = Decision.from_json(json.loads(found[2]))
    asked = replace(standing, queue=case.queue, priority=case.severity)
    return insert_case(tx, clip, asked, found[0], now, source=case.source)
