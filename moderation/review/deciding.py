"""Deciding: a reviewer's answer becomes a decision of the same type as a rule's and enters where a rule's does.

Nothing is published here: an approval sends the clip through judgement and the release gate like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from moderation import decisions, outbox
from moderation.clips import Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Note, Outcome, Reason
from moderation.errors import Unprocessable
from moderation.policy.registry import REASONS, REASONS_OF_PEOPLE
from moderation.recording import insert_decision, withhold
from moderation.review.cases import HASH_QUEUE, note_act, opening_decision, read_case
from moderation.review.leases import demand_lease
from moderation.review.queues import demand_access
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms

SQL = queries("cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reviewer decided, with the lease and version they saw."""

    outcome: Outcome
    reason: str
    note: str
    lease_token: str
    version: int


def decide(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    terms: Terms,  # noqa: ARG001
    now: datetime,
    case_id: str,
    answer: Answer,
    reviewer: Reviewer,
) -> str:
    """Record a person's decision and send the clip on, in one transaction; returns the decision's id.

    Raises Conflict when lease or version is not current (nothing is recorded), Unprocessable for an answer that is
    none, Forbidden for a queue that is not theirs.
    """
    _demand_reason(answer)
    seen = read_case(tx, case_id)
    demand_access(tx, seen.queue, reviewer)
    # The clip's row is always locked before the case's, here as everywhere.
    clip = read_clip(tx, seen.clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    demand_lease(case, answer.lease_token, answer.version, reviewer, now)
    if case.queue == HASH_QUEUE and answer.outcome is not Outcome.BLOCK:
        raise Unprocessable("a hash match is lifted by taking the hash off its list, never by a decision")
    opened = opening_decision(tx, case)
    decision = _personal(opened, answer, reviewer)
    decision_id = insert_decision(tx, clip, decision, actor_kind="person", actor=reviewer.principal, now=now)
    tx.pg.execute(SQL.decide_case, {"case": case_id, "decision": decision_id, "now": now})
    note_act(tx, now, case_id, "decided", reviewer, outcome=str(answer.outcome), reason=answer.reason)
    if answer.outcome is Outcome.BLOCK:
        if clip.state is not Status.WITHHELD:
            withhold(tx, enqueuer, clip, decision, now)
    else:
        # Judged again on the facts of now, then the release gate: an approval is no short cut.
        outbox.enqueue_clip(tx, enqueuer, clip, next_generation(tx, clip, now))
    return decision_id


def fitting(outcome: Outcome) -> Mapping[str, str]:
    """The codes, with their meanings, that a person may give as the reason for this outcome."""
    return REASONS_OF_PEOPLE if outcome is Outcome.ALLOW else REASONS


def _demand_reason(answer: Answer) -> None:
    """Refuse what is no answer, and a reason that says the opposite of the outcome."""
    if answer.outcome is Outcome.REVIEW:
        raise Unprocessable("review is not an answer: allow, restrict or block")
    if answer.reason not in fitting(answer.outcome):
        codes = sorted(fitting(answer.outcome))
        raise Unprocessable(f"the reason must go with the outcome; for {answer.outcome} one of: {', '.join(codes)}")


def _personal(opened: Decision, answer: Answer, reviewer: Reviewer) -> Decision:
    """A person's decision: its own reason, and in `lesser` the reasons it answered."""
    notes = (Note(code="reviewer_note", params={"text": answer.note}),) if answer.note else ()
    return Decision(
        outcome=answer.outcome,
        facts_hash=opened.facts_hash,
        reasons=(Reason(code=answer.reason),),
        lesser=(*opened.reasons, *opened.lesser),
        notes=notes,
        audience=decisions.Audience(
            adults_only=answer.outcome is Outcome.RESTRICT, no_remix=answer.outcome is Outcome.RESTRICT
        ),
        decided_by=reviewer.principal,
    )
