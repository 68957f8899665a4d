"""What happens when things fail: clips are held and tried again, or, when only they fail, put before a person.

Also what a worker's sweep resumes: held clips whose time came, deliveries due again, checks whose process died.
"""

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from moderation import audit, outbox, review
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import next_generation, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.recording import insert_decision
from moderation.rounds import go_through

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("clips")
OUTBOX = queries("outbox")
#: How many rows one sweep takes on.
BATCH = 100
SYSTEM = "system"


def hold(services: "Services", org: str, clip_id: str, generation: int, cause: str) -> str:
    """Hold a clip until the system is well again; each time a little longer, never for good."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if not owns(clip, generation):
            return clip.status
        tx.pg.execute(
            SQL.hold_clip,
            {
                "clip": clip_id,
                "cause": cause,
                "retry_at": now + pause(services, clip.holds),
                "now": now,
            },
        )
        audit.record(tx, now, SYSTEM, "clip.held", clip_id, cause=cause)
    return "held"


def pause(services: "Services", holds: int) -> timedelta:
    """How long to hold a clip that was held so many times before."""
    retrying = services.settings.retrying
    return timedelta(seconds=min(retrying.held_first_seconds * 2 ** min(holds, 16), retrying.held_max_seconds))


def owns(clip: Clip, generation: int) -> bool:
    """Tell whether this run may still act on a clip: it is the latest, and the clip has not reached an end."""
    return clip.generation == generation and clip.state in {Status.RECEIVED, Status.PROCESSING}


def ask_a_person(services: "Services", org: str, clip_id: str, generation: int, reason: str, detail: str) -> str:
    """Open a case for a clip that fails although the system is well."""
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if not owns(clip, generation):
            return clip.status
        open_failed(tx, services, clip, reason, detail)
    return "in_review"


def open_failed(tx: Transaction, services: "Services", clip: Clip, reason: str, detail: str) -> None:
    """Put a locked clip before a person because it could not be processed."""
    now = services.clock.now()
    if clip.state is Status.RECEIVED:
        tx.pg.execute(SQL.set_status, {"clip": clip.clip_id, "status": "processing", "now": now})
        clip = read_clip(tx, clip.clip_id, lock=True)
    decision = Decision(
        outcome=Outcome.REVIEW,
        facts_hash="",
        reasons=(Reason(code=reason, params={"detail": detail[:500]}),),
        queue="failures",
        decided_by=SYSTEM,
    )
    decision_id = insert_decision(tx, clip, decision, actor_kind=SYSTEM, actor=SYSTEM, now=now)
    review.open_case(tx, services.enqueuer, clip, decision, decision_id, now, source="processing")


def resume_held(services: "Services") -> int:
    """Start another run for every held clip whose time has come; returns how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(SQL.due_held, {"now": now, "limit": BATCH}).fetchall()
    return go_through(due, partial(_resume, services))


def _resume(services: "Services", org: str, clip_id: str) -> bool:
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state is not Status.HELD or clip.retry_at is None or clip.retry_at > now:
            return False
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))
    return True


def resume_deliveries(services: "Services") -> int:
    """Enqueue another attempt for every delivery that failed and is due again; returns how many."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        due = tx.pg.execute(OUTBOX.due_deliveries, {"now": now, "limit": BATCH}).fetchall()
        for org, delivery, attempts in due:
            outbox.enqueue_delivery(tx, services.enqueuer, org, delivery, attempts)
    return len(due)


def end_dead_run(services: "Services", org: str, clip_id: str, generation: int) -> None:
    """A clip whose run killed its worker again and again: a person decides, no worker tries it any more."""
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if owns(clip, generation):
            open_failed(tx, services, clip, "processing_failed", "every worker that tried this clip died of it")


def end_abandoned_checks(services: "Services") -> int:
    """Clips that a `check` began and did not end, its process being gone, go before a person; returns how many.

    A running check holds a session advisory lock named after its clip; whoever gets that lock knows it is gone.
    """
    with services.database.system_transaction() as tx:
        unfinished = tx.pg.execute(SQL.unfinished_checks).fetchall()
    return go_through(unfinished, partial(_end_abandoned, services))


def _end_abandoned(services: "Services", org: str, clip_id: str) -> bool:
    with services.database.transaction(org) as tx:
        free = tx.pg.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", (check_lock(clip_id),))
        if free.fetchone() != (True,):
            return False
        clip = read_clip(tx, clip_id, lock=True)
        cut_off = clip.runner == "check" and clip.state in {Status.RECEIVED, Status.PROCESSING}
        if cut_off:
            open_failed(tx, services, clip, "processing_failed", "the check of this clip was cut off")
    return cut_off


def check_lock(clip_id: str) -> str:
    """The name of the advisory lock that a running check holds."""
    return f"check:{clip_id}"
