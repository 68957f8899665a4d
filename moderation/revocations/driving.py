"""Driving a revocation to zero: list what it reaches, then withdraw it or send it to judgement, batch by batch.

Each target is handled once in effect: its row, its clip, its event and its audit entry commit together. A batch that is
cut off leaves nothing; whoever comes next takes what is still pending.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from moderation import audit, outbox
from moderation.clips import Status, may_follow
from moderation.db import Transaction, queries, row, rows
from moderation.errors import NotFound
from moderation.revocations.reaching import SHOWS, find_reached
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("revocations")
#: Clips handled in one transaction.
BATCH: Final = 250
#: How long to wait for clips that somebody else holds.
PAUSE_SECONDS: Final = 0.1
#: A drive without a sign of life for so long is begun again.
STALLED: Final = timedelta(seconds=60)
REASON: Final = "consent_revoked"
SYSTEM: Final = "system"
#: States that a judgement ends, or will once more.
_OPEN: Final = frozenset({"received", "processing", "held", "in_review", "released"})
QUEUE: Final = "revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Whom a revocation is of, and what it takes back; the person's kind says whether a clip needs consent at all."""

    person_id: str
    scope: str
    creators: list[str] | None
    grant_id: str | None
    kind: str

    def action(self, why: str) -> str:
        """What follows for a clip: what shows a cameo without any grant goes, everything else is judged again."""
        return "withdraw" if why in SHOWS and self.grant_id is None and self.kind == "cameo" else "rejudge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A pending target with its clip as it stands, both rows held."""

    clip_id: str
    action: str
    status: str
    callback_url: str | None
    priority: int
    #: Whether its file was released once: somebody may have fetched it.
    was_out: bool

    @property
    def withdrawn(self) -> bool:
        """Whether it is withdrawn now; a clip on its way is judged with the revocation in sight."""
        return self.action == "withdraw" and self.status in {"released", "in_review"}

    @property
    def judged_again(self) -> bool:
        """Whether its present state rests on what may no longer hold."""
        return self.action == "rejudge" and self.status in {"released", "in_review"}

    @property
    def blocked_since(self) -> bool:
        """Whether somebody blocked it after it was listed, and its platform may still hold what was out."""
        return self.was_out and self.status == "withheld"

    @property
    def purges(self) -> bool:
        """Whether its platform is asked here and now to remove what it fetched."""
        return self.was_out and (self.withdrawn or self.status == "withheld")

    @property
    def taken_out(self) -> bool:
        """Whether another act ended it, and may have asked for a purge that its platform has not confirmed."""
        return self.was_out and self.status in {"withdrawn", "withheld"}

    @property
    def unsettled(self) -> bool:
        """Whether its platform may hold a file of which only a judgement tells whether it may."""
        return self.was_out and not self.withdrawn and self.status in _OPEN


def enqueue_drive(tx: Transaction, enqueuer: outbox.Enqueuer, org: str, revocation: str, run: int) -> None:
    """Start the work of a revocation; the same run enqueued twice is done once."""
    enqueuer.enqueue(tx, "drive_revocation", f"{org}:{revocation}:{run}", QUEUE, [org, revocation], 1)


def list_targets(services: "Services", org: str, revocation: str) -> int:
    """Write down what a revocation reaches, once; returns how many clips. Raises NotFound."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        run = tx.pg.execute(SQL.run_locked, {"revocation": revocation}).fetchone()
        stop = row(tx, SQL.stop_of, Stop, {"revocation": revocation})
        if run is None or stop is None:
            raise NotFound(f"there is no revocation {revocation}")
        if run[1]:
            return 0
        found = find_reached(tx, stop.person_id, scope=stop.scope, creators=stop.creators, unpurged=True)
        columns = {
            "clips": [each.clip_id for each in found],
            "whys": [each.why for each in found],
            "actions": [stop.action(each.why) for each in found],
            "statuses": [each.status for each in found],
        }
        tx.pg.execute(SQL.insert_targets, {"org": org, "revocation": revocation} | columns)
        tx.pg.execute(SQL.note_listed, {"revocation": revocation, "now": now})
    return len(found)


def handle_some(services: "Services", org: str, revocation: str) -> str:
    """Handle one batch. Answers "more", or "handled" when nothing is pending."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        where = {"revocation": revocation, "limit": BATCH, "now": now}
        targets = rows(tx, SQL.next_targets, Target, where)
        events = _withdraw(tx, services, revocation, [each for each in targets if each.withdrawn], now)
        _judge_again(tx, services, revocation, [each for each in targets if each.judged_again], now)
        asked = _asked_before(tx, revocation, [each.clip_id for each in targets if each.taken_out])
        blocked = [each for each in targets if each.blocked_since and each.clip_id not in asked]
        events |= _recall(tx, services, revocation, blocked, now)
        elsewhere = {"clips": list(events), "events": list(events.values())}
        tx.pg.execute(SQL.settle_elsewhere, where | elsewhere)
        events |= asked
        columns = {
            "clips": [each.clip_id for each in targets],
            "purges": [each.purges or each.clip_id in asked for each in targets],
            "events": [events.get(each.clip_id, "") for each in targets],
            "open": [each.unsettled for each in targets],
        }
        tx.pg.execute(SQL.finish_targets, where | columns)
        tx.pg.execute(SQL.note_moved, where)
        left = tx.pg.execute(SQL.pending_left, where).fetchone() is not None
        if not left:
            _end(tx, services, revocation, now)
    if left and not targets:
        time.sleep(PAUSE_SECONDS)
    return "more" if left else "handled"


def drive(services: "Services", org: str, revocation: str) -> None:
    """Do here and now what workers do: for commands without a service. Raises NotFound."""
    list_targets(services, org, revocation)
    while handle_some(services, org, revocation) != "handled":
        continue


def _withdraw(
    tx: Transaction, services: "Services", revocation: str, targets: Sequence[Target], now: datetime
) -> dict[str, str]:
    """Take clips back for good and tell their platform to purge what was out; returns the events by clip."""
    if not targets:
        return {}
    clips = [each.clip_id for each in targets if may_follow(Status(each.status), Status.WITHDRAWN)]
    tx.pg.execute(SQL.take_back, {"clips": clips, "now": now})
    tx.pg.execute(SQL.set_withdrawn, {"clips": clips, "now": now})
    audit.record_all(tx, now, SYSTEM, "clip.withdrawn", clips, reason=REASON, revocation=revocation)
    said = {"status": "withdrawn", "reason": REASON, "revocation_id": revocation}
    told = [
        outbox.Told(clip_id=each.clip_id, callback_url=each.callback_url, data=said | {"purge": each.was_out})
        for each in targets
    ]
    return outbox.announce_all(tx, services.enqueuer, "clip.withdrawn", now, told)


def _asked_before(tx: Transaction, revocation: str, clips: Sequence[str]) -> dict[str, str]:
    """Events by clip that asked for a purge already and wait for its receipt: this revocation waits for it too."""
    where = {"revocation": revocation, "clips": list(clips)}
    if clips:
        # In the order of whoever notes a delivery, and before anything is read: their word is seen, or finds ours.
        tx.pg.execute(SQL.hold_deliveries, where)
        tx.pg.execute(SQL.hold_purges, where)
    return dict(tx.pg.execute(SQL.outstanding, where).fetchall()) if clips else {}


def _recall(
    tx: Transaction, services: "Services", revocation: str, targets: Sequence[Target], now: datetime
) -> dict[str, str]:
    """Ask for the purge of clips that are not out any more for another reason; returns the events by clip."""
    if not targets:
        return {}
    said: dict[str, object] = {"status": "withheld", "purge": True, "revocation_id": revocation}
    told = [outbox.Told(clip_id=each.clip_id, callback_url=each.callback_url, data=said) for each in targets]
    return outbox.announce_all(tx, services.enqueuer, "clip.withheld", now, told)


def _judge_again(
    tx: Transaction, services: "Services", revocation: str, targets: Sequence[Target], now: datetime
) -> None:
    """Take clips out of the public and of reviewers' hands, and send them through judgement and the gate once more."""
    if not targets:
        return
    clips = [each.clip_id for each in targets]
    tx.pg.execute(SQL.take_back, {"clips": clips, "now": now})
    for clip, generation, priority in tx.pg.execute(SQL.next_generations, {"clips": clips, "now": now}).fetchall():
        outbox.enqueue_run(tx, services.enqueuer, str(tx.org), clip, generation, priority)
    audit.record_all(tx, now, SYSTEM, "clip.judged_again", clips, reason=REASON, revocation=revocation)


def _end(tx: Transaction, services: "Services", revocation: str, now: datetime) -> None:
    """Note that nothing is pending, and say how far it came, once."""
    if tx.pg.execute(SQL.note_handled, {"revocation": revocation, "now": now}).fetchone() is not None:
        counts = tx.pg.execute(SQL.counts, {"revocation": revocation}).fetchone() or (0,) * 9
        said = {"revocation_id": revocation, "reached": counts[0], "unpurged": counts[2]}
        outbox.tell(tx, services.enqueuer, revocation, "revocation.progressed", now, said)


def watch(services: "Services") -> int:
    """End revocations whose last receipt came, and begin again those that stand still; how many ended."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        stalled = tx.pg.execute(SQL.stalled_runs, {"now": now, "before": now - STALLED}).fetchall()
        for org, revocation, run in stalled:
            enqueue_drive(tx, services.enqueuer, org, revocation, run)
        at_zero = tx.pg.execute(SQL.runs_at_zero).fetchall()
    return go_through(at_zero, partial(_complete, services, now))


def _complete(services: "Services", now: datetime, org: str, revocation: str) -> bool:
    with services.database.transaction(org) as tx:
        if tx.pg.execute(SQL.note_completed, {"revocation": revocation, "now": now}).fetchone() is None:
            return False
        audit.record(tx, now, SYSTEM, "revocation.completed", revocation)
        outbox.tell(tx, services.enqueuer, revocation, "revocation.completed", now, {"revocation_id": revocation})
    return True
