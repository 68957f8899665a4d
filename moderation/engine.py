"""The adapter to DBOS Transact: durable workflows and queues in Postgres. The only module that imports dbos.

Workflow bodies and step functions are plain and know nothing of it (moderation/pipeline.py, moderation/steps.py).
Values in its tables are JSON, never pickles; the application version is constant, so that an upgrade strands nothing.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any, Protocol

import psycopg
from dbos import (
    DBOS,
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    EnqueueOptions,
    run_dbos_database_migrations,
)
from dbos import (
    error as dbos_error,
)

from moderation.db import CONNECT_SECONDS, Transaction, libpq_url, sqlalchemy_url
from moderation.errors import ClipFault
from moderation.guard import Guard
from moderation.outcomes import Leaving, carry_out, value_of
from moderation.pipeline import Json
from moderation.solitude import Solitude

APPLICATION = "countersign"
VERSION = "1"
#: The workflow that carries one step started as a child.
STEP = "step"
POLL_SECONDS = 0.2
#: A step whose worker died under it is tried so many times more, alone; then it is the clip's fault.
TRIES_ALONE = 2
#: A workflow outlives the deaths of its own steps, and its neighbours'; so many and it is a dead letter.
WORKFLOW_CRASHES = 12
FINISHED = ["SUCCESS"]
FAILED = ["ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
BATCH = 500
HOOK_PAUSE_SECONDS = 60.0

log = logging.getLogger(__name__)


class Step(Protocol):
    """A step's function over the services and plain arguments, and the queue that serves it as a child."""

    @property
    def function(self) -> Callable[..., Json]: ...

    @property
    def queue(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A workflow that ended without reaching its end: it failed, or killed its workers too often."""

    workflow_id: str
    workflow: str
    args: tuple[Json, ...]
    status: str
    error: str


class Enqueuer:
    """Puts workflows on queues inside the caller's transaction; works in processes that run none, like the API."""

    def __init__(self, dsn: str) -> None:
        _quieten()
        self._client = DBOSClient(
            system_database_url=sqlalchemy_url(dsn),
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            lazy=True,
        )

    def enqueue(
        self, tx: Transaction, workflow: str, workflow_id: str, queue: str, args: Sequence[object], priority: int
    ) -> None:
        """Enqueue a workflow when `tx` commits. A workflow id that is known already changes nothing.

        Lower `priority` goes first (from 1); the workflow's own steps inherit it. `args` are JSON values.
        """
        options: EnqueueOptions = {
            "workflow_name": workflow,
            "workflow_id": workflow_id,
            "queue_name": queue,
            "priority": priority,
            "app_version": VERSION,
        }
        self._client.enqueue_in_transaction(tx.sa, options, priority, *args)

    def close(self) -> None:
        """Close the client."""
        self._client.destroy()


class Engine:
    """Runs workflows and steps in this process; one per process.

    `guard=False` leaves the work of dead processes where it is: only for the test that shows what the guard is for.
    """

    def __init__(
        self,
        dsn: str,
        workflows: Mapping[str, Callable[..., None]],
        steps: Mapping[str, Step],
        services: object,
        *,
        executor_id: str | None = None,
        guard: bool = True,
        on_dead_letter: Callable[[DeadLetter], None] | None = None,
    ) -> None:
        self.executor_id = executor_id or uuid.uuid4().hex
        self._dsn = dsn
        self._workflows = workflows
        self._steps = steps
        self._services = services
        self._on_dead_letter = on_dead_letter
        self._waiting_letters: dict[str, float] = {}
        self._stopping = threading.Event()
        self._closed = False
        self._solitude = Solitude(self._stopping)
        #: Workflow and thread: an old run and its successor may meet in one process.
        self._running: set[tuple[str, int]] = set()
        self._guard = self._make_guard() if guard else None

    def launch(self, queues: Mapping[str, int]) -> None:
        """Begin to serve these queues: name -> how many workflows of it this process takes on at a time.

        The number is kept in the database: processes that serve the same queue share the latest one. Raises Outage
        when the database is not reachable directly.
        """
        if self._guard is not None:
            self._guard.take()
        _quieten()
        DBOS(config=self._config())
        for name, body in self._workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=WORKFLOW_CRASHES - 1)(self._durable(body))
        DBOS.workflow(name=STEP, max_recovery_attempts=WORKFLOW_CRASHES - 1)(self._step())
        DBOS.listen_queues(list(queues))
        DBOS.launch()
        for queue, at_once in queues.items():
            DBOS.register_queue(
                queue, worker_concurrency=at_once, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
            )
        if self._guard is not None:
            self._guard.start()

    def shutdown(self, *, seconds: int = 0) -> None:
        """Take on nothing more, give running workflows so many seconds to end, and leave the rest to others.

        A step in full swing keeps its thread: a process that must end at once calls `os._exit` after this.
        """
        self._stopping.set()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._closed = True
        if self._guard is not None:
            self._guard.stop()

    def stranded(self) -> list[DeadLetter]:
        """List workflows that ended without reaching their end, oldest first; their clips are nobody's care yet."""
        failed = DBOS.list_workflows(
            name=list(self._workflows), status=FAILED, has_parent=False, limit=BATCH, load_output=True
        )
        return [
            DeadLetter(
                workflow_id=each.workflow_id,
                workflow=each.name,
                args=tuple(each.input["args"][1:]) if each.input else (),
                status=each.status,
                error=str(each.error or ""),
            )
            for each in failed
        ]

    def delete_finished(self, older_than: timedelta) -> int:
        """Delete the records of workflows that ended well longer ago than that, steps included; returns how many."""
        before = (datetime.now(UTC) - older_than).isoformat()
        deleted = 0
        while True:
            finished = DBOS.list_workflows(
                status=FINISHED,
                has_parent=False,
                completed_before=before,
                limit=BATCH,
                load_input=False,
                load_output=False,
            )
            if not finished:
                return deleted
            DBOS.delete_workflows([each.workflow_id for each in finished], delete_children=True)
            deleted += len(finished)

    def _config(self) -> DBOSConfig:
        return {
            "name": APPLICATION,
            "system_database_url": sqlalchemy_url(self._dsn),
            "application_version": VERSION,
            "executor_id": self.executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "run_migrations": False,
            "sys_db_pool_size": 10,
            "db_engine_kwargs": {"creator": self._connect, "pool_events": [(self._end_late, "checkin")]},
            "log_level": "WARNING",
        }

    def _connect(self) -> psycopg.Connection[Any]:
        """Connect for dbos, which waits out a failed connection only when the message begins like this.

        A refused unix socket reads "connection is bad" in psycopg; unchanged it would end workflows where they stand.
        After the shutdown nobody connects any more: threads that still wait for a result end here, and write nothing.
        """
        if self._closed:
            raise Leaving
        try:
            connection = psycopg.connect(
                libpq_url(self._dsn), connect_timeout=CONNECT_SECONDS, application_name=f"engine {self.executor_id}"
            )
        except psycopg.OperationalError as error:
            raise psycopg.OperationalError(f"connection failed: {error}") from error
        self._end_late(connection)
        return connection

    def _end_late(self, connection: psycopg.Connection[Any] | None, _record: object = None) -> None:
        """End a connection that comes, or comes back, after the shutdown: the pool that held it is gone."""
        if self._closed and connection is not None:
            connection.close()

    def _durable(self, body: Callable[..., None]) -> Callable[..., None]:
        def workflow(priority: int, *args: Json) -> None:
            with self._at_work():
                body(DurableSteps(self._steps, self._services, self._stopping, priority), *args)

        return workflow

    def _step(self) -> Callable[..., Json]:
        def step(name: str, *args: Json) -> Json:
            with self._at_work():
                return self._with_care(name, args)

        return step

    def _with_care(self, name: str, args: Sequence[Json]) -> Json:
        """Do a step among others; alone when its worker died under it before; not at all when it did so alone."""
        function = self._steps[name].function
        with self._solitude.together():
            if _first_time("begun"):
                return carry_out(function, self._services, args, self._stopping)
        with self._solitude.alone():
            if any(_first_time(f"alone {n}") for n in range(TRIES_ALONE)):
                return carry_out(function, self._services, args, self._stopping)
        return {"fault": "processing_failed", "message": f"{name} killed its worker {TRIES_ALONE + 1} times"}

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        """Note that this process really runs a workflow, for the guard to compare with what is booked on it."""
        run = (str(DBOS.workflow_id), threading.get_ident())
        self._running.add(run)
        try:
            yield
        finally:
            self._running.discard(run)

    def _is_running(self, workflow: str) -> bool:
        return any(workflow == each for each, _ in self._running.copy())

    def _make_guard(self) -> Guard:
        return Guard(
            self._dsn,
            self.executor_id,
            VERSION,
            recover=_recover,
            is_running=self._is_running,
            each_look=self._read_dead_letters,
            on_usurped=_leave,
        )

    def _read_dead_letters(self) -> None:
        """Hand each dead letter to the hook once; one whose hook fails is tried again a minute later."""
        if self._on_dead_letter is None:
            return
        for letter in self.stranded():
            if self._waiting_letters.get(letter.workflow_id, 0.0) > time.monotonic():
                continue
            log.error("workflow %s ended as %s: %s", letter.workflow_id, letter.status, letter.error)
            try:
                self._on_dead_letter(letter)
            except Exception:
                log.exception("the dead letter %s could not be dealt with", letter.workflow_id)
                self._waiting_letters[letter.workflow_id] = time.monotonic() + HOOK_PAUSE_SECONDS
            else:
                DBOS.delete_workflow(letter.workflow_id, delete_children=True)


class DurableSteps:
    """The steps of one workflow, each kept in the database when it is done (the `Steps` of moderation/pipeline.py)."""

    def __init__(self, steps: Mapping[str, Step], services: object, stopping: threading.Event, priority: int) -> None:
        self._steps = steps
        self._services = services
        self._stopping = stopping
        self._priority = priority

    def run(self, step: str, *args: Json) -> Json:
        """Do one step here and now; a finished step is never done again."""
        function = self._steps[step].function
        return value_of(DBOS.run_step({"name": step}, carry_out, function, self._services, args, self._stopping))

    def start(self, step: str, *args: Json) -> Callable[[], Json]:
        """Begin a step where its queue is served; calling the answer waits for it."""
        queue = self._steps[step].queue
        assert queue is not None, f"no queue serves the step {step}"
        options: EnqueueOptions = {
            "workflow_name": STEP,
            "queue_name": queue,
            "priority": self._priority,
            "app_version": VERSION,
        }
        handle = DBOS.enqueue_workflow_with_options(options, step, *args)

        def wait() -> Json:
            try:
                return value_of(handle.get_result(polling_interval_sec=POLL_SECONDS))
            except dbos_error.DBOSAwaitedWorkflowMaxRecoveryAttemptsExceeded as dead:
                raise ClipFault("processing_failed", f"the workers of {step} died again and again") from dead
            except dbos_error.DBOSAwaitedWorkflowCancelledError as cancelled:
                raise ClipFault("processing_failed", f"{step} was cancelled") from cancelled

        return wait


def migrate(dsn: str) -> None:
    """Create or upgrade the engine's own tables (schema `dbos`) and note which version of it made them."""
    _quieten()
    if not migrated(dsn):
        run_dbos_database_migrations(sqlalchemy_url(dsn))
        with psycopg.connect(libpq_url(dsn), autocommit=True) as connection:
            connection.execute(f"COMMENT ON SCHEMA dbos IS 'dbos {version('dbos')}'".encode())


def migrated(dsn: str) -> bool:
    """Tell whether the engine's tables were made by the installed version of it."""
    with psycopg.connect(libpq_url(dsn), autocommit=True, connect_timeout=10) as connection:
        found = connection.execute("SELECT obj_description(to_regnamespace('dbos'), 'pg_namespace')").fetchone()
    return found == (f"dbos {version('dbos')}",)


def grant_enqueue(connection: psycopg.Connection[Any], role: str) -> None:
    """Let a role enqueue work in its own transactions, and nothing else."""
    for statement in (
        f"GRANT USAGE ON SCHEMA dbos TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON dbos.workflow_status TO {role}",
        f"GRANT SELECT, INSERT ON dbos.workflow_input TO {role}",
    ):
        connection.execute(statement.encode())


def _first_time(mark: str) -> bool:
    """Tell whether this workflow never passed this mark before, in whatever process."""
    passed: list[str] = []
    DBOS.run_step({"name": mark}, passed.append, mark)
    return bool(passed)


def _recover(executor: str) -> None:
    # The one internal call: 3.x has no public one that keeps the count of attempts (hence the pin below 3.5).
    DBOS._recover_pending_workflows([executor])  # noqa: SLF001


def _leave() -> None:
    log.critical("another process has taken this worker's id; leaving, so that a supervisor starts it afresh")
    os._exit(1)


def _quieten() -> None:
    """Keep dbos from adding its own handler and its advertisement to our log; its warnings go where ours go."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
