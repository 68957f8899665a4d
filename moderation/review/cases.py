"""Cases: clips before a person. Opens and reads them; who gets one is `dealing`'s, what they answer `deciding`'s."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from psycopg.types.json import Jsonb

from moderation import audit, outbox
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries, row, rows
from moderation.db.clips import move, read_clip
from moderation.decisions import Decision
from moderation.errors import NotFound
from moderation.ids import new_id
from moderation.recording import was_out
from moderation.review.queues import DEFAULT_QUEUE, Queue, demand_access, find_queue
from moderation.review.reviewers import Reviewer

SQL = queries("cases")
RECORDS = queries("records")

#: Cases of this queue are shown to nobody.
HASH_QUEUE: Final = "known_illegal"

Source = Literal[
    "rule",
    "processing",
    "sample",
    "second_opinion",
    "golden",
    "escalation",
    "appeal",
    "notice",
    "revocation",
    "trend",
]
#: Whether the answer acts on the clip, or is recorded and nothing else.
Effect = Literal["clip", "opinion"]
#: Whose view is next: the first, a second without the first's opinion, or a third that sees both and decides.
Stage = Literal["first", "second", "third"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of `moderation.cases`."""

    org_id: str
    case_id: str
    clip_id: str
    queue: str
    state: str
    source: Source
    effect: Effect
    stage: Stage
    opened_by: str
    decided_by: str | None
    severity: int
    deadline: datetime
    version: int
    lease_token: str | None
    lease_holder: str | None
    leased_at: datetime | None
    lease_expires_at: datetime | None
    created_at: datetime
    decided_at: datetime | None
    #: The last opinion and until when it may be undone; `answered_in` is the clip's generation at that moment.
    answered_by: str | None
    answered_in: int | None
    undo_until: datetime | None
    followed_at: datetime | None

    def held(self, now: datetime) -> bool:
        """Whether somebody's lease stands."""
        return self.state == "open" and self.lease_expires_at is not None and self.lease_expires_at > now


def open_case(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    clip: Clip,
    decision: Decision,
    opened_by: str,
    now: datetime,
    *,
    source: Source = "rule",
) -> str:
    """Put a locked clip before a person; returns the case. A clip has at most one open case that acts on it.

    What was ever out its platform is to purge while the clip waits.
    """
    case = insert_case(tx, clip, decision, opened_by, now, source=source)
    put_in_review(tx, enqueuer, clip, decision, now)
    return case


def put_in_review(tx: Transaction, enqueuer: outbox.Enqueuer, clip: Clip, decision: Decision, now: datetime) -> None:
    """Leave a locked clip to the case that is open about it, and tell its platform why, and what was out to purge."""
    tx.pg.execute(RECORDS.withdraw_release, {"clip": clip.clip_id, "now": now})
    move(tx, clip, Status.IN_REVIEW, now)
    reasons = [reason.to_json() for reason in decision.reasons]
    said = {"status": "in_review", "reasons": reasons} | ({"purge": True} if was_out(tx, clip) else {})
    outbox.announce(tx, enqueuer, clip, "clip.in_review", now, said)


def insert_case(
    tx: Transaction,
    clip: Clip,
    decision: Decision,
    opened_by: str,
    now: datetime,
    *,
    source: Source = "rule",
    effect: Effect = "clip",
) -> str:
    """Write down a case of a locked clip without moving the clip; returns its id.

    `opened_by` is the id of `decision`, which says queue, severity and reasons. A case that acts on its clip takes the
    place of one that is still open, whoever holds that one loses it; and it is due no later than open notices.
    """
    queue = find_queue(tx, decision.queue or DEFAULT_QUEUE)
    case = new_id("case")
    if effect == "clip":
        tx.pg.execute(SQL.close_acting_case, {"clip": clip.clip_id, "now": now})
    tx.pg.execute(
        SQL.insert_case,
        {
            "org": clip.org_id,
            "case": case,
            "clip": clip.clip_id,
            "queue": queue.name,
            "source": source,
            "effect": effect,
            "decision": opened_by,
            "severity": decision.priority,
            "deadline": now + patience(queue, decision),
            "now": now,
        },
    )
    audit.record(tx, now, "system", "case.opened", clip.clip_id, case=case, queue=queue.name, source=source)
    return case


def patience(queue: Queue, decision: Decision) -> timedelta:
    """How long a case may wait: what the rules ask for, never longer than its queue allows."""
    asked = decision.deadline_s
    return queue.patience if asked is None else min(queue.patience, timedelta(seconds=asked))


def read_case(tx: Transaction, case_id: str, *, lock: bool = False) -> Case:
    """Return one case; `lock` holds its row until the transaction ends. Raises NotFound."""
    found = row(tx, SQL.case_locked if lock else SQL.case, Case, {"case": case_id})
    if found is None:
        raise NotFound(f"there is no case {case_id}")
    return found


def list_cases(tx: Transaction, queue: str, reviewer: Reviewer, limit: int = 100) -> list[Case]:
    """Open cases of a queue in the order they are dealt. Raises Forbidden, NotFound for a queue that is none."""
    demand_access(tx, queue, reviewer)
    return rows(tx, SQL.cases_in_queue, Case, {"queue": queue, "limit": limit})


def opening_decision(tx: Transaction, case: Case) -> Decision:
    """The decision that put this case before a person."""
    found = tx.pg.execute(RECORDS.decision, {"decision": case.opened_by}).fetchone()
    if found is None:
        raise NotFound(f"the decision {case.opened_by} is missing")
    return Decision.from_json(json.loads(found[3]))


def opening_decisions(tx: Transaction, cases: Sequence[Case]) -> dict[str, Decision]:
    """The decisions that put these cases before a person, by case. One statement."""
    found = tx.pg.execute(SQL.opening_decisions, {"cases": [case.case_id for case in cases]}).fetchall()
    return {case_id: Decision.from_json(json.loads(body)) for case_id, body in found}


def words_of(tx: Transaction, clip_id: str) -> dict[str, str | None]:
    """What the platform wrote beside a clip, for the reviewer to read. Raises NotFound."""
    clip = read_clip(tx, clip_id)
    return {"prompt": clip.prompt, "title": clip.title, "locale": clip.locale}


def note_act(tx: Transaction, now: datetime, case_id: str, action: str, reviewer: Reviewer, **body: object) -> None:
    """Write down what a reviewer did with a case, for its history and for the audit log."""
    row_ = {"org": tx.org, "case": case_id, "action": action, "actor": reviewer.principal, "now": now}
    tx.pg.execute(SQL.insert_action, {**row_, "body": Jsonb(cast("object", body))})
    audit.record(tx, now, reviewer.principal, f"case.{action}", case_id, **body)
