"""Deciding: a reviewer's answer becomes a decision of the same type as a rule's and enters where a rule's does.

Every answer is written down as an opinion. What it asks for is done when the undo window is over (`following`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from moderation import decisions, outbox
from moderation.clips import Clip
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Note, Outcome, Reason
from moderation.errors import Conflict, Unprocessable
from moderation.policy.registry import REASONS, REASONS_OF_PEOPLE
from moderation.recording import insert_decision
from moderation.review import escalation
from moderation.review.cases import HASH_QUEUE, Case, Stage, note_act, opening_decision, read_case
from moderation.review.escalation import Escalation, next_stage
from moderation.review.following import follow
from moderation.review.leases import demand_lease
from moderation.review.opinions import (
    QUIET_ROLES,
    Role,
    View,
    answered_already,
    opinions_of,
    sent_before,
    write_opinion,
)
from moderation.review.queues import Queue, demand_access, read_queue
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("cases")
OPINIONS = queries("opinions")
#: By whom what is no person's word is decided.
_NOBODY: Final = frozenset({decisions.POLICY, "system"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reviewer decided, with the lease and version they saw."""

    outcome: Outcome
    reason: str
    note: str
    lease_token: str
    version: int
    #: The sender's own name for this answer: sent twice under one lease, it is recorded once.
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What became of an answer. Without a decision the case waits for the view that `next_stage` names."""

    opinion_id: str
    decision_id: str | None
    next_stage: Stage | None
    #: Until when it can be undone; None when it cannot.
    undo_until: datetime | None


def decide(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    case_id: str,
    answer: Answer,
    reviewer: Reviewer,
) -> Recorded:
    """Record a person's answer and what follows from it, in one transaction.

    Raises Conflict when lease or version is not current, or the reviewer answered this clip before (nothing is
    recorded), Unprocessable for an answer that is none, Forbidden for a queue that is not theirs.
    """
    demand_reason(answer.outcome, answer.reason)
    view = View(
        outcome=answer.outcome, reason=answer.reason, note=answer.note, key=_key(answer.lease_token, answer.key)
    )
    held = _hold(tx, terms, now, case_id, answer, reviewer, view.key)
    if isinstance(held, Recorded):
        return held
    clip, case = held
    return record(tx, enqueuer, terms, now, clip, case, view, reviewer)


def escalate(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    case_id: str,
    asked: Escalation,
    reviewer: Reviewer,
) -> Recorded:
    """Ask for another view; one's own, if one has any, is kept and not shown to who looks next. Raises as `decide`."""
    if asked.outcome is not None:
        demand_reason(asked.outcome, asked.reason or "")
    view = View(
        outcome=asked.outcome or Outcome.REVIEW,
        reason=asked.reason if asked.outcome else None,
        note=asked.question,
        key=_key(asked.lease_token, asked.key),
    )
    held = _hold(tx, terms, now, case_id, asked, reviewer, view.key)
    if isinstance(held, Recorded):
        return held
    clip, case = held
    escalation.demand_question(case)
    group = read_queue(tx, asked.queue or case.queue)
    escalation.demand_group(read_queue(tx, case.queue), group)
    return record(tx, enqueuer, terms, now, clip, case, view, reviewer, group=group)


def record(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,
    now: datetime,
    clip: Clip,
    case: Case,
    view: View,
    reviewer: Reviewer,
    *,
    group: Queue | None = None,
    role: Role | None = None,
) -> Recorded:
    """Write down what a reviewer thinks of a case whose clip and row the caller locked, and what follows from it.

    `group` is whom they ask for another view; `role` says so when the opinion is not one of a case's usual views.
    Raises Unprocessable for an answer that this case does not take.
    """
    if case.queue == HASH_QUEUE and view.outcome is not Outcome.BLOCK:
        raise Unprocessable("a hash match is lifted by taking the hash off its list, never by a decision")
    stage = _stage_after(tx, terms, case, view, asks=group is not None)
    opened = opening_decision(tx, case)
    decision = decision_of(opened, view, reviewer) if stage is None and case.effect == "clip" else None
    decision_id = None
    if decision is not None:
        decision_id = insert_decision(tx, clip, decision, actor_kind="person", actor=reviewer.principal, now=now)
    opinion = write_opinion(
        tx, now, clip, case, opened, view, reviewer, role=role or _role(case, stage), decision_id=decision_id
    )
    undo_until = now + terms.undo
    tx.pg.execute(
        SQL.answer_case,
        {
            "case": case.case_id,
            "state": "open" if stage else "decided",
            "stage": stage or case.stage,
            "queue": group.name if group and stage else case.queue,
            "decision": decision_id,
            "opinion": opinion,
            "generation": clip.generation,
            "undo_until": undo_until,
            "now": now,
        },
    )
    _tell(tx, now, case, view, reviewer, stage, asks=group is not None)
    if stage is None and not terms.undo:
        follow(tx, enqueuer, now, clip, read_case(tx, case.case_id))
    return Recorded(
        opinion_id=opinion,
        decision_id=decision_id,
        next_stage=stage,
        undo_until=undo_until if terms.undo else None,
    )


def fitting(outcome: Outcome) -> Mapping[str, str]:
    """The codes, with their meanings, that a person may give as the reason for this outcome."""
    return REASONS_OF_PEOPLE if outcome is Outcome.ALLOW else REASONS


def demand_reason(outcome: Outcome, reason: str) -> None:
    """Refuse what is no answer, and a reason that says the opposite of the outcome. Raises Unprocessable."""
    if outcome is Outcome.REVIEW:
        raise Unprocessable("review is not an answer: allow, restrict or block")
    if reason not in fitting(outcome):
        codes = sorted(fitting(outcome))
        raise Unprocessable(f"the reason must go with the outcome; for {outcome} one of: {', '.join(codes)}")


def decision_of(opened: Decision, view: View, reviewer: Reviewer) -> Decision:
    """A person's decision: its own reason, and in `lesser` the reasons it answered.

    Where a person's decision is what stands (an appeal, a notice of a settled clip), those that it answered.
    """
    notes = (Note(code="reviewer_note", params={"text": view.note}),) if view.note else ()
    limited = view.outcome is Outcome.RESTRICT
    answered = opened.outcome is not Outcome.REVIEW and opened.decided_by not in _NOBODY
    asked = () if answered else opened.reasons
    return Decision(
        outcome=view.outcome,
        facts_hash=opened.facts_hash,
        reasons=(Reason(code=view.reason or ""),),
        lesser=(*asked, *opened.lesser),
        notes=notes,
        audience=decisions.Audience(adults_only=limited, no_remix=limited),
        decided_by=reviewer.principal,
    )


def _hold(
    tx: Transaction,
    terms: Terms,
    now: datetime,
    case_id: str,
    sent: Answer | Escalation,
    reviewer: Reviewer,
    key: str | None,
) -> tuple[Clip, Case] | Recorded:
    """Lock what an answer is about and prove that its sender may give it; what they sent before is given back."""
    seen = read_case(tx, case_id)
    demand_access(tx, seen.queue, reviewer)
    # The clip's row is always locked before the case's, here as everywhere.
    clip = read_clip(tx, seen.clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    before = sent_before(tx, case_id, reviewer, key)
    if before is not None:
        mine = case.answered_by == before.opinion_id
        return Recorded(
            opinion_id=before.opinion_id,
            decision_id=before.decision_id,
            next_stage=case.stage if mine and case.state == "open" else None,
            undo_until=case.undo_until if mine else None,
        )
    demand_lease(case, sent.lease_token, sent.version, reviewer, now)
    if answered_already(tx, terms, case, reviewer):
        raise Conflict("you answered a case of this clip before; a colleague takes this one. Nothing was recorded")
    return clip, case


def _key(lease_token: str, key: str | None) -> str | None:
    """A sender's key, good under one lease only."""
    return None if key is None else hashlib.sha256(f"{lease_token}\n{key}".encode()).hexdigest()


def _stage_after(tx: Transaction, terms: Terms, case: Case, view: View, *, asks: bool) -> Stage | None:
    """Whose view comes next; a case that does not act on its clip takes one view, however it is answered."""
    if case.effect == "opinion":
        return None
    given = [Outcome(opinion.outcome) for opinion in opinions_of(tx, case.case_id)]
    two_people = escalation.takes_two(terms, read_queue(tx, case.queue))
    return next_stage(given, view.outcome, asks=asks, two_people=two_people)


def _role(case: Case, stage: Stage | None) -> Role:
    if case.effect == "opinion":
        return QUIET_ROLES.get(case.source, "sample")
    return "deciding" if stage is None and case.stage == "first" else case.stage


def _tell(
    tx: Transaction, now: datetime, case: Case, view: View, reviewer: Reviewer, stage: Stage | None, *, asks: bool
) -> None:
    """Write the act down; a disagreement besides goes on the list of cases to talk about."""
    action: Literal["escalated", "answered", "decided"] = "escalated" if asks else "answered" if stage else "decided"
    question = {"question": view.note} if asks and view.note else {}
    reason = {"reason": view.reason} if view.reason else {}
    note_act(tx, now, case.case_id, action, reviewer, outcome=str(view.outcome), **reason, **question)
    if stage == "third" and case.stage != "third":
        where = {"org": tx.org, "case": case.case_id, "clip": case.clip_id, "now": now}
        tx.pg.execute(OPINIONS.list_for_calibration, where)
