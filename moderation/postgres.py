"""The embedded Postgres server: started, shared between processes, restarted and stopped; or somebody else's by URL.

Knows nothing of our tables. Never uses the wheel's own launcher, which changes the modes of folders that are not ours.
"""

import fcntl
import os
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import psycopg
from psycopg.pq import PGconn, Ping

from moderation.cluster import DATABASE, SUPERUSER, Cluster, Place, installed, make_folder, run_as_owner
from moderation.errors import Outage
from moderation.interrupts import Interrupts
from moderation.settings import Settings

READY_SECONDS = 120.0
STOP_SECONDS = 30.0
DYING_SECONDS = 5.0

SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "effective_cache_size": "512MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
    "log_checkpoints": "off",
}


class Server(Protocol):
    """A database server as a process sees it: held while used, looked after by a supervisor."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def dsn(self) -> str: ...

    def watch(self) -> bool: ...


class ExternalPostgres:
    """A server that somebody else runs; holding and watching it do nothing."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def dsn(self) -> str:
        return self._url

    def watch(self) -> bool:
        return False


def server_for(settings: Settings) -> Server:
    """Return the server of these settings: `MODERATION_DATABASE_URL`, else the embedded one of the state."""
    if settings.database_url is not None:
        return ExternalPostgres(settings.database_url.get_secret_value())
    return EmbeddedPostgres(settings.state)


class EmbeddedPostgres:
    """One server per state folder. The first process that acquires it starts it, the last that releases it stops it.

    A holder has a shared lock (flock) on `holders.lock` for as long as it uses the server; the kernel drops it when
    the process dies. Starting, restarting and stopping happen under an exclusive lock on `turn.lock`. Raises Outage
    ("database") when the server cannot be made to run.
    """

    def __init__(self, state: Path, *, fsync: bool = True) -> None:
        self.folder = state.resolve() / "postgres"
        self._cluster = Cluster(self.folder)
        self._fsync = fsync
        self._holding: int | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._interrupts = Interrupts()
        _EVERY.add(self)

    def __enter__(self) -> Self:
        self._interrupts.take()
        try:
            with self._interrupts.put_off():
                self.acquire()
        except BaseException:
            self._leave(forget=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Whoever is leaving because of one signal has no use for another.
        self._leave(forget=error is not None)

    def _leave(self, *, forget: bool) -> None:
        """Release the server, whatever signal comes meanwhile."""
        try:
            with self._interrupts.put_off(forget=forget):
                self.release()
        finally:
            self._interrupts.give_back()

    def acquire(self) -> None:
        """Hold the server, starting it (and making the cluster) when it does not run. Returns once it answers."""
        assert self._holding is None, "already held"
        try:
            make_folder(self.folder)
            with self._turn():
                self._holding = self._open_lock("holders.lock", fcntl.LOCK_SH)
                self._ensure_running()
        except PermissionError as error:
            self._let_go()
            raise Outage(
                "database", f"{error.filename} is not ours: run as its owner, or set MODERATION_STATE"
            ) from error
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Let go of a server that could not be brought to answer; what was started of it must not stay behind."""
        if self._child is None:
            self._let_go()
        else:
            self.release()

    def release(self) -> None:
        """Let the server go; stop it when nobody else holds it."""
        if self._holding is None:
            return
        with self._turn():
            try:
                fcntl.flock(self._holding, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _OUTLIVING.append(self._child)
            else:
                self._stop()
            self._child = None
            self._let_go()

    def watch(self) -> bool:
        """Restart the server if it died; return whether it had. To be called every second or so while held."""
        assert self._holding is not None, "only a holder may watch"
        if self._ping() is Ping.OK:
            return False
        with self._turn():
            dead = self.pid() is None
            self._ensure_running()
        return dead

    def dsn(self) -> str:
        """Return the libpq URL of our database, password included; it stays the same across restarts."""
        return self._cluster.url(DATABASE)

    @property
    def data(self) -> Path:
        """The cluster's data folder."""
        return self._cluster.place().data

    def pid(self) -> int | None:
        """Return the pid in `postmaster.pid` if that process is this server: not dead, no zombie, no stranger."""
        if self._child is not None:
            self._child.poll()
        data = self._cluster.place().data
        try:
            pid = int((data / "postmaster.pid").read_text().partition("\n")[0])
            # A zombie's command line is empty.
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return None
        return pid if os.fsencode(data) in command else None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        lock = self._open_lock("turn.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _open_lock(self, name: str, kind: int) -> int:
        lock = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, kind)
        return lock

    def _let_go(self) -> None:
        if self._holding is not None:
            os.close(self._holding)
            self._holding = None

    def _ensure_running(self) -> None:
        place = self._cluster.settle(durable=self._fsync)
        deadline = time.monotonic() + READY_SECONDS
        while (answer := self._ping()) is not Ping.OK:
            if time.monotonic() > deadline:
                raise Outage("database", f"Postgres does not answer: {self._cluster.log_tail()}")
            if answer is Ping.NO_RESPONSE and self.pid() is None:
                self._launch(place)
            time.sleep(0.01)
        self._make_database()

    def _ping(self) -> Ping:
        place = self._cluster.place()
        where = f"host='{place.socket}' user={SUPERUSER} dbname={DATABASE} connect_timeout=5"
        return Ping(PGconn.ping(where.encode()))

    def _launch(self, place: Place) -> None:
        """Start a server and wait until it has taken the data folder, or died of it."""
        self._cluster.bury()
        self._reap()
        command = [str(installed() / "bin" / "postgres"), "-D", str(place.data), "-k", str(place.socket)]
        unsafe = {} if self._fsync else {"fsync": "off", "full_page_writes": "off"}
        for name, value in (SERVER_SETTINGS | unsafe).items():
            command += ["-c", f"{name}={value}"]
        with os.fdopen(self._cluster.open_log(), "ab") as log:
            began = log.seek(0, os.SEEK_END)
            self._child = child = run_as_owner(place.data, command, log.fileno())
        while child.poll() is None and self.pid() != child.pid:
            time.sleep(0.005)
        # Back ends of a killed server may hold its memory for a moment; the next round tries again.
        if child.poll() is not None and b"shared memory block" not in self._cluster.log_from(began):
            raise Outage("database", f"Postgres would not start: {self._cluster.log_tail()}")

    def _reap(self) -> None:
        """Take the exit status of a server that died under us: its command line goes a moment before it does."""
        if self._child is not None:
            try:
                self._child.wait(DYING_SECONDS)
            except subprocess.TimeoutExpired:
                _OUTLIVING.append(self._child)

    def _make_database(self) -> None:
        """Prove that a real connection works, and create our database when it is missing."""
        with psycopg.connect(self._cluster.url("postgres"), autocommit=True, connect_timeout=10) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _stop(self) -> None:
        """Ask for a fast shutdown; when that takes too long for an immediate one, which loses no commit either."""
        for request in (signal.SIGINT, signal.SIGQUIT):
            pid = self.pid()
            if pid is not None:
                os.kill(pid, request)
            deadline = time.monotonic() + STOP_SECONDS
            while self.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.005)
        if self._child is not None:
            self._child.wait()
        with suppress(OSError):
            # Made again at the next start; a state that is deleted leaves nothing behind.
            self._cluster.place().socket.rmdir()


#: Servers that others still use when the process that started them lets go; kept so that nobody waits for them.
_OUTLIVING: list[subprocess.Popen[bytes] | None] = []
_EVERY: weakref.WeakSet[EmbeddedPostgres] = weakref.WeakSet()


def _forget_in_child() -> None:
    # A forked child shares its parent's lock; it must not keep the server alive after the parent.
    for server in _EVERY:
        server._let_go()  # noqa: SLF001
        server._child = None  # noqa: SLF001


os.register_at_fork(after_in_child=_forget_in_child)
