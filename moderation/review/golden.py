"""Golden cases: clips whose right answer is known come back into their queue like any other. They move no clip.

What the right answer is, people say, under a version of the rules; what was answered, `moderation.quality` reads.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from moderation import audit
from moderation.db import Transaction, queries, rows
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.ids import new_id
from moderation.review.cases import insert_case
from moderation.review.deciding import demand_reason
from moderation.review.queues import read_queue

SQL = queries("mixing")
RECORDS = queries("records")
#: How old a case may be for a golden one to come beside it, and how many are tried at once.
LATELY = timedelta(hours=1)
BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NewGolden:
    """What somebody knows to be right of a clip that people decided in a queue, and the policy's sentence for it."""

    clip_id: str
    queue: str
    outcome: Outcome
    reason: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenAnswer:
    """One row of `moderation.golden_answers`, with how often it was asked for and met."""

    golden_id: str
    clip_id: str
    queue: str
    outcome: str
    reason: str
    policy_version: str
    why: str
    added_by: str
    added_at: datetime
    retired_at: datetime | None
    asked: int
    met: int


def add_golden(tx: Transaction, now: datetime, new: NewGolden, *, policy_version: str, by: str) -> str:
    """Keep a golden answer, dated and under the version of the rules it was given by; returns its id.

    Raises NotFound for a clip or queue that is none, Unprocessable for an outcome and reason that are no answer, a
    specialists' queue (one more look at what nobody should see) and a clip that people never decided there (it would be
    noticed), Conflict for a clip that has an answer.
    """
    demand_reason(new.outcome, new.reason)
    if not new.why.strip():
        raise Unprocessable("say why: the sentence of the policy that makes this the right answer")
    if read_queue(tx, new.queue).specialist:
        raise Unprocessable("specialists' cases are not shown once more to test people")
    clip = read_clip(tx, new.clip_id, lock=True)
    where = {"clip": new.clip_id, "queue": new.queue}
    if clip.erased_at is not None or tx.pg.execute(SQL.once_decided, where).fetchone() is None:
        raise Unprocessable(f"people never decided this clip in the queue {new.queue}: its return would be noticed")
    golden = new_id("gold")
    said = {"outcome": str(new.outcome), "reason": new.reason, "policy_version": policy_version, "why": new.why}
    row = {**where, **said, "org": tx.org, "golden": golden, "by": by, "now": now}
    if tx.pg.execute(SQL.insert_golden, row).fetchone() is None:
        raise Conflict("this clip has a golden answer already; retire that one first")
    audit.record(tx, now, by, "golden.added", new.clip_id, golden=golden, **said)
    return golden


def retire_golden(tx: Transaction, now: datetime, golden_id: str, *, by: str) -> None:
    """Use an answer no more; what was answered to it stays. Raises NotFound for one that is not in use."""
    if tx.pg.execute(SQL.retire_golden, {"golden": golden_id, "now": now}).fetchone() is None:
        raise NotFound(f"there is no golden answer {golden_id} in use")
    audit.record(tx, now, by, "golden.retired", golden_id)


def list_golden(tx: Transaction, *, retired: bool = False) -> list[GoldenAnswer]:
    """The answers in use, the newest first; with `retired` those of the past too."""
    return rows(tx, SQL.golden_answers, GoldenAnswer, {"retired": retired})


def mix_in(tx: Transaction, now: datetime) -> bool:
    """Open one golden case beside one of a `golden_rate` of the cases of late, in its queue; False when none is due."""
    found = tx.pg.execute(SQL.besides, {"since": now - LATELY, "limit": BATCH}).fetchall()
    return any(_mix_one(tx, now, beside, queue) for beside, queue in found)


def _mix_one(tx: Transaction, now: datetime, beside: str, queue: str) -> bool:
    found = tx.pg.execute(SQL.next_golden, {"queue": queue, "beside": beside, "now": now}).fetchone()
    if found is None:
        return False
    golden, clip_id, asked = found
    clip = read_clip(tx, clip_id, lock=True)
    decision = replace(read_decision(tx, asked), queue=queue)
    case = insert_case(tx, clip, decision, asked, now, source="golden", effect="opinion")
    row = {"org": tx.org, "case": case, "golden": golden, "beside": beside}
    tx.pg.execute(SQL.insert_golden_case, row)
    return True


def read_decision(tx: Transaction, decision_id: str) -> Decision:
    """Return a decision as it was taken. Raises NotFound."""
    found = tx.pg.execute(RECORDS.decision, {"decision": decision_id}).fetchone()
    if found is None:
        raise NotFound(f"there is no decision {decision_id}")
    return Decision.from_json(json.loads(found[3]))
