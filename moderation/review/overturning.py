"""Overturning: a decided case gets another decision, and it is said in which way the first was wrong."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from moderation import outbox
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Outcome
from moderation.errors import Conflict, Forbidden, Unprocessable
from moderation.ids import new_id
from moderation.notices.settling import settle
from moderation.recording import insert_decision
from moderation.review.cases import HASH_QUEUE, Case, note_act, opening_decision, read_case
from moderation.review.deciding import Recorded, decision_of, demand_reason
from moderation.review.escalation import takes_two
from moderation.review.following import answered_by, carry_out
from moderation.review.opinions import View, opinions_of, write_opinion
from moderation.review.queues import demand_access, read_queue
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("cases")
OPINIONS = queries("opinions")
RECORDS = queries("records")

#: In which way a decision was wrong (curriculum of the Trust & Safety Professional Association).
ErrorClass = Literal["false_positive", "false_negative", "wrong_policy", "technical"]
#: Where an overturned clip may stand; elsewhere it is on its way already.
SETTLED = frozenset({Status.RELEASED, Status.WITHHELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Overturn:
    """What should have been decided, and in which way the decision was wrong."""

    outcome: Outcome
    reason: str
    error_class: ErrorClass
    version: int
    note: str = ""


def overturn(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    case_id: str,
    wish: Overturn,
    reviewer: Reviewer,
) -> Recorded:
    """Put another decision in the place of a case's; it enters where a rule's does, at once.

    Raises Conflict for a case that is not settled or changed since, Forbidden to who took part in it, Unprocessable
    when outcome and error class contradict each other, or the queue takes two people for what is wished.
    """
    demand_reason(wish.outcome, wish.reason)
    seen = read_case(tx, case_id)
    demand_access(tx, seen.queue, reviewer)
    clip = read_clip(tx, seen.clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    overturned = _demand_settled(clip, case, wish)
    _demand_other(tx, terms, case, reviewer)
    _demand_sense(tx, terms, case, overturned, wish)
    opened = opening_decision(tx, case)
    view = View(outcome=wish.outcome, reason=wish.reason, note=wish.note)
    decision = decision_of(opened, view, reviewer)
    decision_id = insert_decision(tx, clip, decision, actor_kind="person", actor=reviewer.principal, now=now)
    opinion = write_opinion(tx, now, clip, case, opened, view, reviewer, role="overturn", decision_id=decision_id)
    _write_overturn(tx, now, clip, case, wish, overturned=overturned, decision_id=decision_id, opinion=opinion)
    said = {"outcome": str(wish.outcome), "reason": wish.reason, "error_class": wish.error_class}
    note_act(tx, now, case_id, "overturned", reviewer, **said)
    settle(tx, enqueuer, now, clip, answered_by(case, wish.outcome, decision_id, reviewer.principal))
    carry_out(tx, enqueuer, now, clip, decision_id)
    return Recorded(opinion_id=opinion, decision_id=decision_id, next_stage=None, undo_until=None)


def _demand_settled(clip: Clip, case: Case, wish: Overturn) -> str:
    """The id of the decision that would be overturned. Raises Conflict, Unprocessable."""
    if case.queue == HASH_QUEUE:
        raise Unprocessable("a hash match is lifted by taking the hash off its list, never by a decision")
    if case.state != "decided" or case.decided_by is None:
        raise Conflict("nothing was decided here that could be overturned")
    if case.version != wish.version:
        raise Conflict("the case changed since you opened it; nothing was recorded", version=case.version)
    if case.followed_at is None or clip.state not in SETTLED:
        raise Conflict(f"the clip is {clip.status}, on its way from the last decision; try again when it has settled")
    return case.decided_by


def _demand_other(tx: Transaction, terms: Terms, case: Case, reviewer: Reviewer) -> None:
    """Nobody corrects what they took part in. Raises Forbidden."""
    own = any(opinion.reviewer == reviewer.principal for opinion in opinions_of(tx, case.case_id))
    if own and not terms.own_clips_again:
        raise Forbidden("you took part in this decision; a colleague overturns it")


def _demand_sense(tx: Transaction, terms: Terms, case: Case, overturned: str, wish: Overturn) -> None:
    """Refuse an error class that its outcome contradicts, and one person's word where it takes two."""
    found = tx.pg.execute(RECORDS.decision, {"decision": overturned}).fetchone()
    before = Outcome(found[2]) if found else Outcome.REVIEW
    stricter = wish.outcome.strictness - before.strictness
    if wish.error_class == "false_positive" and stricter >= 0:
        raise Unprocessable(f"a false positive was too strict; {wish.outcome} is not looser than {before}")
    if wish.error_class == "false_negative" and stricter <= 0:
        raise Unprocessable(f"a false negative was too loose; {wish.outcome} is not stricter than {before}")
    if stricter < 0 and takes_two(terms, read_queue(tx, case.queue)):
        raise Unprocessable(f"in {case.queue} a clip is let out by two people: an appeal opens it to both")


def _write_overturn(
    tx: Transaction,
    now: datetime,
    clip: Clip,
    case: Case,
    wish: Overturn,
    *,
    overturned: str,
    decision_id: str,
    opinion: str,
) -> None:
    where = {"org": tx.org, "case": case.case_id, "clip": clip.clip_id, "decision": decision_id, "now": now}
    row = {
        **where,
        "overturn": new_id("ovt"),
        "error_class": wish.error_class,
        "overturned": overturned,
        "opinion": opinion,
        "language": clip.locale,
    }
    tx.pg.execute(OPINIONS.insert_overturn, row)
    tx.pg.execute(SQL.overturn_case, where)
