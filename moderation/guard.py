"""Notices worker processes that died and has their unfinished work put back on its queues.

Every worker holds a session advisory lock named after its executor id; Postgres drops it the moment the process dies.
Who finds such a lock free while work is still booked on that id knows that nobody does the work. This is liveness
only: claiming, fencing (a late writer is refused), counting attempts and dead-lettering stay the engine's.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from moderation.db import CONNECT_SECONDS, libpq_url
from moderation.errors import Outage

LOOK_SECONDS = 1.0
#: A lock must be found free at so many looks in a row: a worker whose connection broke gets time to take it back.
LOOKS = 3
#: Work booked on this process that it does not do, at so many looks in a row, was lost in an outage of the database.
LOST_LOOKS = 30
RETURN_SECONDS = 0.25
#: How long somebody else may hold our own lock before this process must go.
USURPED_SECONDS = 60.0

log = logging.getLogger(__name__)

# A host that vanished without a word loses its lock after about 25 s.
KEEPALIVE = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3;
SET tcp_user_timeout = 25000; SET idle_session_timeout = 0
"""
BOOKED = """
SELECT DISTINCT executor_id FROM dbos.workflow_status
WHERE status = 'PENDING' AND executor_id <> %s AND application_version = %s
"""
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"

OWN = """
SELECT workflow_uuid FROM dbos.workflow_status
WHERE status = 'PENDING' AND executor_id = %s AND application_version = %s
"""
# What the engine's own recovery does, for one workflow; a late writer is refused for want of its token.
GIVE_BACK = """
UPDATE dbos.workflow_status SET status = 'ENQUEUED', owner_xid = NULL, started_at_epoch_ms = NULL
WHERE workflow_uuid = %s AND status = 'PENDING' AND executor_id = %s AND queue_name IS NOT NULL
"""

Connection = psycopg.Connection[TupleRow]


class Guard:
    """One worker's lock on its own id, and its watch over the others'.

    When the lock's connection breaks the worker keeps its id and takes the lock back as soon as the database answers:
    what was given to others meanwhile is fenced off by the engine, and nothing else need be done twice.
    """

    def __init__(
        self,
        dsn: str,
        executor: str,
        version: str,
        *,
        recover: Callable[[str], None],
        is_running: Callable[[str], bool],
        each_look: Callable[[], None],
        on_usurped: Callable[[], None],
    ) -> None:
        self._dsn = libpq_url(dsn)
        self._executor = executor
        self._version = version
        self._recover = recover
        self._is_running = is_running
        self._each_look = each_look
        self._on_usurped = on_usurped
        self._connection: Connection | None = None
        self._free_looks: Counter[str] = Counter()
        self._idle_looks: Counter[str] = Counter()
        self._lost_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="guard", daemon=True)

    def take(self) -> None:
        """Lock our id. Raises Outage when it is taken, or when the connection goes through a transaction pooler."""
        connection = self._connect()
        try:
            refuse_pooler(connection, self._connect)
            self._await_lock(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def start(self) -> None:
        """Begin to look after the others."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking and let go of our id: from here on others may take over what is left."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._drop()

    def _await_lock(self, connection: Connection) -> None:
        deadline = time.monotonic() + CONNECT_SECONDS
        while not _lock(connection, self._executor):
            if time.monotonic() > deadline:
                raise Outage("database", f"another running process calls itself {self._executor}")
            time.sleep(RETURN_SECONDS)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS if self._connection is not None else RETURN_SECONDS):
            try:
                if self._connection is None:
                    self._return()
                else:
                    self._look(self._connection)
            except psycopg.OperationalError as error:
                log.warning("the guard lost its connection: %s", error)
                self._drop()
            except Exception:
                log.exception("the guard failed at one look")

    def _look(self, connection: Connection) -> None:
        self._look_at_others(connection)
        self._look_at_own(connection)
        with locked(connection, "dead letters") as alone:
            if alone:
                self._each_look()

    def _look_at_others(self, connection: Connection) -> None:
        """Recover those whose lock stayed free, forget those who came back."""
        booked = {row[0] for row in connection.execute(BOOKED, [self._executor, self._version])}
        for executor in set(self._free_looks) - booked:
            del self._free_looks[executor]
        for executor in booked:
            with locked(connection, executor) as free:
                self._free_looks[executor] = self._free_looks[executor] + 1 if free else 0
                if self._free_looks[executor] >= LOOKS:
                    log.warning("worker %s is gone; its work returns to the queues", executor)
                    self._recover(executor)

    def _look_at_own(self, connection: Connection) -> None:
        """Give back what is booked on this process and not being done: the answer to a claim can be lost on its way."""
        booked = {row[0] for row in connection.execute(OWN, [self._executor, self._version])}
        idle = {workflow for workflow in booked if not self._is_running(workflow)}
        self._idle_looks = Counter({workflow: self._idle_looks[workflow] + 1 for workflow in idle})
        for workflow, looks in self._idle_looks.items():
            if looks >= LOST_LOOKS:
                log.warning("workflow %s is booked here but not running; it returns to its queue", workflow)
                connection.execute(GIVE_BACK, [workflow, self._executor])

    def _return(self) -> None:
        """Take our lock back after the connection broke; give up when somebody else has it for good."""
        connection = self._connect()
        if _lock(connection, self._executor):
            log.warning("the guard holds its lock again")
            self._connection = connection
            return
        connection.close()
        if time.monotonic() - self._lost_at > USURPED_SECONDS:
            self._on_usurped()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lost_at = time.monotonic()
        # After an outage of the database everybody needs a moment to come back.
        self._free_looks.clear()
        self._idle_looks.clear()

    def _connect(self) -> Connection:
        connection = psycopg.connect(
            self._dsn,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            application_name=f"guard {self._executor}",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
            tcp_user_timeout=25000,
        )
        connection.execute(KEEPALIVE)
        return connection


@contextmanager
def locked(connection: Connection, name: str) -> Iterator[bool]:
    """Try a named lock for the length of a block; yields whether it was got."""
    got = _lock(connection, name)
    try:
        yield got
    finally:
        if got and not connection.closed:
            connection.execute(UNLOCK, [f"countersign:{name}"])


def refuse_pooler(connection: Connection, connect: Callable[[], Connection]) -> None:
    """Raise Outage when `connection` changes its server session between statements: its locks would be anybody's.

    A transaction pooler shows itself when a second client's open transaction takes the session that the first used.
    """
    other = connect()
    try:
        # A pooler that deals sessions in turn shows itself here, one that deals the last one freed below.
        seen = {_backend(connection) for _ in range(3)}
        with other.transaction():
            taken = _backend(other)
            seen.add(_backend(connection))
    finally:
        other.close()
    if len(seen) > 1 or taken in seen:
        raise Outage(
            "database",
            "workers need a direct connection to Postgres: this one goes through a transaction pooler; "
            "set MODERATION_DATABASE_URL to the server itself",
        )


def _backend(connection: Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _lock(connection: Connection, name: str) -> bool:
    return connection.execute(TRY_LOCK, [f"countersign:{name}"]).fetchone() == (True,)
