"""What a person's decision means for notices and appeals: upheld or rejected, stops, the block list, who is told.

Called in the transaction in which the decision begins to act, its clip locked. Silence never comes here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from moderation import audit, outbox
from moderation.clips import Clip
from moderation.db import Transaction, queries, rows
from moderation.decisions import Outcome
from moderation.notices import stops
from moderation.notices.blocking import block_copies, unblock_copies
from moderation.notices.rows import COUNTER, Notice, redress, sentence

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
    what the case itself put before the person or upheld, and, where it is a case of notices, what was upheld before and
    kept the clip in: it goes out with the case. Other notices stay as they are, and their stops stand. Counter-notices
    end with the last notice that they answer.
    """
    every = rows(tx, SQL.notices_of_clip, Notice, {"clip": clip.clip_id})
    concerned = _concerned(every, answered)
    others = [notice for notice in every if notice not in concerned and notice.kind != COUNTER]
    if not any(notice.state in {"open", "upheld"} for notice in others):
        # One that came while the answer could still be undone is in no case, and nobody would come back for it.
        concerned += [notice for notice in every if notice.state == "open" and notice not in concerned]
    found = [notice for notice in concerned if notice.state != _state(notice, block=answered.block)]
    for notice in found:
        _settle(tx, enqueuer, now, clip, notice, answered)
    if any(notice.kind != COUNTER for notice in found):
        _list_copies(tx, now, clip, others, answered)
    return len(found)


def _concerned(every: list[Notice], answered: Answered) -> list[Notice]:
    appealed = answered.source == "appeal"
    own = [notice for notice in every if notice.case_id == answered.case_id]
    if answered.block:
        # A notifier's appeal, or an overturn, upholds what was rejected before.
        return [notice for notice in every if notice.state == "open" or appealed or notice in own]
    if appealed:
        return [notice for notice in every if notice in own or notice.state != "open"]
    if answered.source != "notice":
        return own
    return [notice for notice in every if notice in own or notice.state == _state(notice, block=True)]


def _list_copies(tx: Transaction, now: datetime, clip: Clip, others: list[Notice], answered: Answered) -> None:
    """Put a clip's hashes on the list or take them off, unless one of the other notices stands on them."""
    if answered.block:
        block_copies(tx, now, clip, answered.by)
    elif not any(notice.state == "upheld" for notice in others):
        unblock_copies(tx, now, clip, answered.by)


def _state(notice: Notice, *, block: bool) -> str:
    """A counter-notice wants the opposite of the others."""
    return "upheld" if block is (notice.kind != COUNTER) else "rejected"


def _settle(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, notice: Notice, answered: Answered
) -> None:
    if not answered.block:
        stops.lift(tx, now, notice.notice_id)
    elif notice.kind != COUNTER:
        # Other ways out than its own case (an older answer overturned, a rule that changed) lead past a person again.
        stops.place(tx, now, clip.clip_id, notice.notice_id)
    _write(tx, enqueuer, now, clip, notice, _state(notice, block=answered.block), answered)


def settle_gone(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip) -> int:
    """End what is open about a locked clip that is gone for good: nobody decided, nothing is upheld; returns how many.

    A stop stays where it is: it is of use to nobody, and of harm neither.
    """
    found = rows(tx, SQL.open_notices, Notice, {"clip": clip.clip_id})
    for notice in found:
        _write(tx, enqueuer, now, clip, notice, "gone", None)
    open_appeals = tx.pg.execute(APPEALS.open_appeals, {"clip": clip.clip_id}).fetchall()
    for appeal_id, notice_id in open_appeals:
        _write_appeal(tx, enqueuer, now, clip, appeal_id, notice_id, "gone", None)
    return len(found) + len(open_appeals)


def uphold_sealed(
    tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, asked: Sequence[Notice]
) -> None:
    """Uphold notices of a locked clip whose bytes lie sealed: it is withheld already, and looked at by nobody else."""
    for notice in asked:
        _write(tx, enqueuer, now, clip, notice, "upheld", None)


def _write(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    now: datetime,
    clip: Clip,
    notice: Notice,
    state: str,
    answered: Answered | None,
) -> None:
    """Write down what became of a notice and tell the platform, which tells its sender by the sealed contact."""
    row = {
        "notice": notice.notice_id,
        "state": state,
        "decision": answered.decision_id if answered else None,
        "case": answered.case_id if answered else None,
        "now": now,
    }
    tx.pg.execute(SQL.settle_notice, row)
    by = answered.by if answered else "system"
    audit.record(tx, now, by, "notice.decided", clip.clip_id, notice=notice.notice_id, state=state)
    keeps = answered is None or answered.block
    on_appeal = answered is not None and answered.source == "appeal"
    said = {
        "notice_id": notice.notice_id,
        "kind": notice.kind,
        "state": state,
        "purge": keeps and notice.kind != COUNTER,
        "language": notice.language,
        "text": sentence(notice.kind, state, notice.language),
        "redress": redress(state, notice.language, on_appeal=on_appeal),
    }
    outbox.announce(tx, enqueuer, clip, "notice.decided", now, said)


def _settle_appeals(tx: Transaction, enqueuer: outbox.Enqueuer, now: datetime, clip: Clip, answered: Answered) -> None:
    """An appeal is upheld when what it asked for was done, in part at least."""
    for appeal_id, notice_id, appealed in tx.pg.execute(APPEALS.of_case, {"case": answered.case_id}).fetchall():
        looser = answered.outcome.strictness < Outcome(appealed).strictness
        state = "upheld" if (answered.block if notice_id else looser) else "rejected"
        _write_appeal(tx, enqueuer, now, clip, appeal_id, notice_id, state, answered)


def _write_appeal(
    tx: Transaction,
    enqueuer: outbox.Enqueuer,
    now: datetime,
    clip: Clip,
    appeal_id: str,
    notice_id: str | None,
    state: str,
    answered: Answered | None,
) -> None:
    decision = answered.decision_id if answered else None
    tx.pg.execute(APPEALS.settle_appeal, {"appeal": appeal_id, "state": state, "decision": decision, "now": now})
    by = answered.by if answered else "system"
    audit.record(tx, now, by, "appeal.decided", clip.clip_id, appeal=appeal_id, state=state)
    said = {"appeal_id": appeal_id, "notice_id": notice_id, "state": state}
    outbox.announce(tx, enqueuer, clip, "appeal.decided", now, said)
