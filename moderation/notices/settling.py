"""What a person's decision means for notices and appeals: upheld or rejected, stops, the block list, who is told.

Called in the transaction in which the decision begins to act, its clip locked. Silence never comes here.
"""

from dataclasses import dataclass
from datetime import datetime

from moderation import audit, outbox
from moderation.clips import Clip
from moderation.db import Transaction, queries, rows
from moderation.decisions import Outcome
from moderation.notices import stops
from moderation.notices.blocking import block_copies, unblock_copies
from moderation.notices.claims import HIDING
from moderation.notices.rows import COUNTER, Notice

SQL, APPEALS = queries("notices"), queries("appeals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A case that a person answered, as it begins to act; `source` is where the case came from."""

    case_id: str
    source: str
    outcome: Outcome
    decision_id: str
    by: str

    @property
    def block(self) -> bool:
        """Whether the clip is kept from the public."""
        return self.outcome is Outcome.BLOCK


def settle(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, answered: Answered) -> None:
    """Let a decision on a locked clip answer what others asked of it: appeals, and notices."""
    _settle_appeals(tx, enqueuer, now, clip, answered)
    settle_notices(tx, enqueuer, now, clip, answered)


def settle_notices(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, answered: Answered) -> int:
    """Settle the notices of a locked clip that a decision on one of its cases answers; returns how many.

    A block upholds every open notice, whichever case it came from: what they want is done. Anything less rejects only
    what the case itself put before the person; other notices stay open, and their stops stand.
    """
    found = [
        notice for notice in _concerned(tx, clip, answered) if notice.state != _state(notice, block=answered.block)
    ]
    for notice in found:
        _settle(tx, enqueuer, now, clip, notice, answered)
    if any(notice.kind != COUNTER for notice in found):
        (block_copies if answered.block else unblock_copies)(tx, now, clip, answered.by)
    return len(found)


def _concerned(tx: Transaction, clip: Clip, answered: Answered) -> list[Notice]:
    every = rows(tx, SQL.notices_of_clip, Notice, {"clip": clip.clip_id})
    appealed = answered.source == "appeal"
    own = [notice for notice in every if notice.case_id == answered.case_id]
    if answered.block:
        # A notifier's appeal, or an overturn, upholds what was rejected before.
        return [notice for notice in every if notice.state == "open" or appealed or notice in own]
    if appealed:
        return [notice for notice in every if notice in own or notice.state != "open"]
    return own if answered.source == "notice" else []


def _state(notice: Notice, *, block: bool) -> str:
    """A counter-notice wants the opposite of the others."""
    return "upheld" if block is (notice.kind != COUNTER) else "rejected"


def _settle(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, notice: Notice, answered: Answered
) -> None:
    if not answered.block:
        stops.lift(tx, now, notice.notice_id)
    elif notice.kind in HIDING:
        stops.place(tx, now, clip.clip_id, notice.notice_id)
    _write(tx, enqueuer, now, clip, notice, answered)


def settle_gone(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip) -> int:
    """Uphold the open notices of a locked clip that is gone for good; returns how many."""
    found = rows(tx, SQL.open_notices, Notice, {"clip": clip.clip_id})
    for notice in found:
        _write(tx, enqueuer, now, clip, notice, None)
    return len(found)


def _write(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, notice: Notice, answered: Answered | None
) -> None:
    """Write down what became of a notice and tell the platform, which tells its sender by the sealed contact."""
    block = answered is None or answered.block
    state, by = _state(notice, block=block), answered.by if answered else "system"
    row = {
        "notice": notice.notice_id,
        "state": state,
        "decision": answered.decision_id if answered else None,
        "case": answered.case_id if answered else None,
        "now": now,
    }
    tx.pg.execute(SQL.settle_notice, row)
    audit.record(tx, now, by, "notice.decided", clip.clip_id, notice=notice.notice_id, state=state)
    said = {
        "notice_id": notice.notice_id,
        "kind": notice.kind,
        "state": state,
        "purge": block and notice.kind != COUNTER,
    }
    outbox.announce(tx, enqueuer, clip, "notice.decided", now, said)


def _settle_appeals(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, answered: Answered) -> None:
    """An appeal is upheld when what it asked for was done, in part at least."""
    for appeal_id, notice_id, appealed in tx.pg.execute(APPEALS.of_case, {"case": answered.case_id}).fetchall():
        looser = answered.outcome.strictness < Outcome(appealed).strictness
        state = "upheld" if (answered.block if notice_id else looser) else "rejected"
        row = {"appeal": appeal_id, "state": state, "decision": answered.decision_id, "now": now}
        tx.pg.execute(APPEALS.settle_appeal, row)
        audit.record(tx, now, answered.by, "appeal.decided", clip.clip_id, appeal=appeal_id, state=state)
        said = {"appeal_id": appeal_id, "notice_id": notice_id, "state": state}
        outbox.announce(tx, enqueuer, clip, "appeal.decided", now, said)
