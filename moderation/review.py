"""The human queue: cases are opened, claimed under a lease, and decided. A decision enters where a rule's does.

Nothing is published here: an approval sends the clip through judgement and the release gate like any other.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from psycopg.types.json import Jsonb

from moderation import audit, decisions, outbox
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries, row, rows
from moderation.db.clips import move, next_generation, read_clip
from moderation.decisions import Decision, Note, Outcome, Reason
from moderation.errors import Conflict, Forbidden, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.policy.registry import REASONS, REASONS_OF_PEOPLE
from moderation.recording import insert_decision, withhold

SQL = queries("cases")
RECORDS = queries("records")

LEASE = timedelta(minutes=5)
#: How long a case of each queue may wait. Minor safety first, whatever its age.
DEADLINES = {"minor_safety": timedelta(hours=4), "likeness": timedelta(hours=12)}
DEADLINE = timedelta(hours=24)
#: Queues whose cases only specialists may claim, see or decide.
HASH_QUEUE = "known_illegal"
SPECIALIST_QUEUES = frozenset({"minor_safety", HASH_QUEUE})
DEFAULT_QUEUE = "general"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of `moderation.cases`."""

    org_id: str
    case_id: str
    clip_id: str
    queue: str
    state: str
    opened_by: str
    decided_by: str | None
    severity: int
    deadline: datetime
    version: int
    lease_token: str | None
    lease_holder: str | None
    lease_expires_at: datetime | None
    created_at: datetime
    decided_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Who claims and decides: a principal and what its scopes cover."""

    principal: str
    specialist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue at a glance."""

    name: str
    waiting: int
    oldest: datetime
    due: datetime
    in_work: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a reviewer decided, with the lease and version they saw."""

    outcome: Outcome
    reason: str
    note: str
    lease_token: str
    version: int


def open_case(
    tx: Transaction, enqueuer: outbox.Enqueuer, clip: Clip, decision: Decision, opened_by: str, now: datetime
) -> str:
    """Put a locked clip before a person; returns the case. A clip has at most one open case."""
    case = insert_case(tx, clip, decision, opened_by, now)
    tx.pg.execute(RECORDS.withdraw_release, {"clip": clip.clip_id, "now": now})
    move(tx, clip, Status.IN_REVIEW, now)
    reasons = [reason.to_json() for reason in decision.reasons]
    outbox.announce(tx, enqueuer, clip, "clip.in_review", now, {"status": "in_review", "reasons": reasons})
    return case


def insert_case(tx: Transaction, clip: Clip, decision: Decision, opened_by: str, now: datetime) -> str:
    """Write down a case without moving its clip; returns its id."""
    queue = decision.queue or DEFAULT_QUEUE
    case = new_id("case")
    tx.pg.execute(
        SQL.insert_case,
        {
            "org": clip.org_id,
            "case": case,
            "clip": clip.clip_id,
            "queue": queue,
            "decision": opened_by,
            "severity": decision.priority,
            "deadline": now + _patience(queue, decision),
            "now": now,
        },
    )
    audit.record(tx, now, "system", "case.opened", clip.clip_id, case=case, queue=queue)
    return case


def _patience(queue: str, decision: Decision) -> timedelta:
    """How long a case may wait: what the rules ask for, never longer than its queue allows."""
    usual = DEADLINES.get(queue, DEADLINE)
    return usual if decision.deadline_s is None else min(usual, timedelta(seconds=decision.deadline_s))


def list_queues(tx: Transaction, now: datetime, reviewer: Reviewer) -> list[QueueLine]:
    """Every queue with something in it that this reviewer may work on."""
    found = rows(tx, SQL.queues, QueueLine, {"now": now})
    return [line for line in found if reviewer.specialist or line.name not in SPECIALIST_QUEUES]


def claim(tx: Transaction, now: datetime, queue: str, reviewer: Reviewer, clip_id: str | None = None) -> Case | None:
    """Take the next case of a queue under a lease, None when nothing is free. Raises Forbidden."""
    demand_access(queue, reviewer)
    found = tx.pg.execute(
        SQL.next_case, {"queue": queue, "clip": clip_id, "now": now, "holder": reviewer.principal}
    ).fetchone()
    if found is None:
        return None
    tx.pg.execute(
        SQL.lease,
        {
            "case": found[0],
            "token": secrets.token_urlsafe(24),
            "holder": reviewer.principal,
            "expires_at": now + LEASE,
        },
    )
    _act(tx, now, found[0], "claimed", reviewer)
    return read_case(tx, found[0])


def demand_access(queue: str, reviewer: Reviewer) -> None:
    """Refuse general reviewers the specialists' queues. Raises Forbidden."""
    if queue in SPECIALIST_QUEUES and not reviewer.specialist:
        raise Forbidden(f"the queue {queue} is for specialists")


def read_case(tx: Transaction, case_id: str, *, lock: bool = False) -> Case:
    """Return one case. Raises NotFound."""
    found = row(tx, SQL.case_locked if lock else SQL.case, Case, {"case": case_id})
    if found is None:
        raise NotFound(f"there is no case {case_id}")
    return found


def list_cases(tx: Transaction, queue: str, reviewer: Reviewer, limit: int = 100) -> list[Case]:
    """Open cases of a queue in the order they will be dealt. Raises Forbidden."""
    demand_access(queue, reviewer)
    return rows(tx, SQL.cases_in_queue, Case, {"queue": queue, "limit": limit})


def opening_decision(tx: Transaction, case: Case) -> Decision:
    """The decision that put this case before a person."""
    found = tx.pg.execute(RECORDS.decision, {"decision": case.opened_by}).fetchone()
    if found is None:
        raise NotFound(f"the decision {case.opened_by} is missing")
    return Decision.from_json(json.loads(found[3]))


def words_of(tx: Transaction, clip_id: str) -> dict[str, str | None]:
    """What the platform wrote beside a clip, for the reviewer to read. Raises NotFound."""
    clip = read_clip(tx, clip_id)
    return {"prompt": clip.prompt, "title": clip.title, "locale": clip.locale}


def renew(tx: Transaction, now: datetime, case_id: str, token: str) -> datetime:
    """Prolong a lease that still stands. Raises Conflict when it does not."""
    expires_at = now + LEASE
    where = {"case": case_id, "token": token, "now": now, "expires_at": expires_at}
    if tx.pg.execute(SQL.renew_lease, where).fetchone() is None:
        raise Conflict("your hold on this case ran out; nothing was recorded")
    return expires_at


def skip(tx: Transaction, now: datetime, case_id: str, token: str, reviewer: Reviewer) -> None:
    """Leave a case to colleagues: the queue deals it to this reviewer no more. Raises Conflict as `give_back`."""
    give_back(tx, now, case_id, token, reviewer, action="skipped")


def give_back(
    tx: Transaction, now: datetime, case_id: str, token: str, reviewer: Reviewer, *, action: str = "returned"
) -> None:
    """End a lease without a decision. Raises Conflict when it is not the current one."""
    if tx.pg.execute(SQL.end_lease, {"case": case_id, "token": token}).fetchone() is None:
        raise Conflict("your hold on this case ran out already")
    _act(tx, now, case_id, action, reviewer)


def decide(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, case_id: str, answer: Answer, reviewer: Reviewer
) -> str:
    """Record a person's decision and send the clip on, in one transaction; returns the decision's id.

    Raises Conflict when lease or version is not current (nothing is recorded), Unprocessable for an answer that is
    none, Forbidden for a queue that is not theirs.
    """
    _demand_reason(answer)
    seen = read_case(tx, case_id)
    demand_access(seen.queue, reviewer)
    # The clip's row is always locked before the case's, here as everywhere.
    clip = read_clip(tx, seen.clip_id, lock=True)
    case = read_case(tx, case_id, lock=True)
    _demand_lease(case, answer, reviewer, now)
    if case.queue == HASH_QUEUE and answer.outcome is not Outcome.BLOCK:
        raise Unprocessable("a hash match is lifted by taking the hash off its list, never by a decision")
    opened = opening_decision(tx, case)
    decision = _personal(opened, answer, reviewer)
    decision_id = insert_decision(tx, clip, decision, actor_kind="person", actor=reviewer.principal, now=now)
    tx.pg.execute(SQL.decide_case, {"case": case_id, "decision": decision_id, "now": now})
    _act(tx, now, case_id, "decided", reviewer, outcome=str(answer.outcome), reason=answer.reason)
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


def _demand_lease(case: Case, answer: Answer, reviewer: Reviewer, now: datetime) -> None:
    current = (
        case.state == "open"
        and case.lease_token == answer.lease_token
        and case.lease_holder == reviewer.principal
        and case.lease_expires_at is not None
        and case.lease_expires_at > now
    )
    if not current:
        raise Conflict("your hold on this case ran out or another reviewer has it; nothing was recorded")
    if case.version != answer.version:
        raise Conflict("the case changed since you opened it; nothing was recorded", version=case.version)


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


def _act(tx: Transaction, now: datetime, case_id: str, action: str, reviewer: Reviewer, **body: str) -> None:
    row_ = {"org": tx.org, "case": case_id, "action": action, "actor": reviewer.principal, "now": now}
    tx.pg.execute(SQL.insert_action, {**row_, "body": Jsonb(cast("object", body))})
    audit.record(tx, now, reviewer.principal, f"case.{action}", case_id, **body)
