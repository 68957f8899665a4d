"""Looks at a bundle that take longer than a request: done by a thread, told by a row.

What dies with its process is said to be lost, and can be asked for again.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from psycopg.types.json import Jsonb

from moderation.db import queries, row, rows
from moderation.errors import Busy, ModerationError, NotFound
from moderation.ids import new_id
from moderation.problems import problem_of

if TYPE_CHECKING:
    from moderation.services import Services

log = structlog.get_logger()
SQL = queries("policies")
#: How often a running job says that it still is, and after how long a silent one is lost.
BEAT_SECONDS = 2.0
SILENCE = timedelta(seconds=60)
#: Jobs of one process at once; each may take a processor for minutes.
AT_ONCE = 2

#: Told (done, in all) while the job is at it.
Progress = Callable[[int, int], None]
Work = Callable[[Progress], Mapping[str, object]]
_turns = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of `moderation.policy_jobs`; `state` is running, done, failed or lost."""

    job_id: str
    bundle_id: str
    kind: str
    state: str
    body: dict[str, object]
    started_by: str
    started_at: datetime
    seen_at: datetime


def start(services: "Services", org: str, bundle_id: str, kind: str, by: str, work: Work) -> Job:
    """Begin a job in a thread of this process. Raises Busy when it has enough to do."""
    if not _turns.acquire(blocking=False):
        raise Busy("enough jobs are under way", retry_after=10)
    job_id = new_id("job")
    try:
        line = {"org": org, "job": job_id, "bundle": bundle_id, "kind": kind, "by": by, "now": services.clock.now()}
        with services.database.transaction(org) as tx:
            tx.pg.execute(SQL.insert_job, line)
        threading.Thread(target=_carry_out, args=(services, org, job_id, work), name=job_id, daemon=True).start()
    except BaseException:
        _turns.release()
        raise
    return read(services, org, job_id)


def read(services: "Services", org: str, job_id: str) -> Job:
    """How a job stands. Raises NotFound."""
    with services.database.transaction(org) as tx:
        found = row(tx, SQL.job, Job, {"job": job_id})
    if found is None:
        raise NotFound(f"there is no job {job_id}")
    return _told(services, found)


def of_bundle(services: "Services", org: str, bundle_id: str) -> list[Job]:
    """The latest jobs of a bundle, newest first: what somebody began can be found without its id."""
    with services.database.transaction(org) as tx:
        found = rows(tx, SQL.jobs_of_bundle, Job, {"bundle": bundle_id})
    return [_told(services, job) for job in found]


def _told(services: "Services", job: Job) -> Job:
    """The job as it stands: one whose process died says nothing more, and is lost."""
    if job.state != "running" or services.clock.now() - job.seen_at <= SILENCE:
        return job
    detail = (
        f"Its process ended before it was done. Ask for it again: POST /v1/policies/bundles/{job.bundle_id}/{job.kind}"
    )
    return replace(job, state="lost", body={**job.body, "code": "job_lost", "detail": detail})


def _carry_out(services: "Services", org: str, job_id: str, work: Work) -> None:
    done = threading.Event()
    told: dict[str, object] = {}

    def progress(reached: int, of: int) -> None:
        told.update(done=reached, of=of)

    def beat() -> None:
        while not done.wait(BEAT_SECONDS):
            _tell(services, org, job_id, "running", dict(told))

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        state, body = "done", dict(work(progress))
    except ModerationError as error:
        state, body = "failed", problem_of(error)
    except Exception as error:  # noqa: BLE001 (its words may be anything; the log has its kind)
        log.warning("policy_job_failed", job=job_id, error=type(error).__name__)
        state, body = "failed", {"code": "internal_error", "detail": "The job failed in a way nobody foresaw."}
    finally:
        done.set()
        beating.join()
        _turns.release()
    _tell(services, org, job_id, state, body)


def _tell(services: "Services", org: str, job_id: str, state: str, body: Mapping[str, object]) -> None:
    try:
        with services.database.transaction(org) as tx:
            said = {"job": job_id, "state": state, "body": Jsonb(body), "now": services.clock.now()}
            tx.pg.execute(SQL.job_seen, said)
    except Exception as error:  # noqa: BLE001 (a job whose row cannot be written is found lost)
        log.warning("policy_job_untold", job=job_id, error=type(error).__name__)
