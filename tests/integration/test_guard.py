"""The guard's lock: taken, refused, taken back; and what was booked here by mistake."""

import socket
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from moderation import guard
from moderation.engine import Engine
from moderation.errors import Outage


def claim_and_forget(work, executor: str) -> None:
    """Leave the database as it is when the answer to a claim was lost: booked on a process that knows nothing of it."""
    work.enqueue("short", "x")
    update = "update dbos.workflow_status set status = 'PENDING', executor_id = %s, owner_xid = 'lost' returning 1"
    assert work.scalar(update, executor) == 1


def test_work_whose_claim_was_lost_is_given_back(work, run_engine, monkeypatch: pytest.MonkeyPatch):
    claim_and_forget(work, "w1")
    monkeypatch.setattr(guard, "LOST_LOOKS", 2)
    # Not what starting under the same name recovers: that happens once, before this.
    monkeypatch.setattr("dbos._dbos.startup_recovery_thread", lambda *_: None)
    run_engine({"short": lambda steps, item: None}, {}, executor_id="w1")
    work.until(work.done)


def test_a_second_process_of_the_same_name_is_refused(work, run_engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "CONNECT_SECONDS", 1)
    run_engine({}, {}, executor_id="w1")
    with pytest.raises(Outage, match="calls itself w1"):
        Engine(work.dsn, {}, {}, None, executor_id="w1").launch({"clips": 1})


def test_a_worker_takes_its_lock_back(work, run_engine):
    held = "select pid from pg_stat_activity where application_name = 'guard w1'"
    engine = run_engine({}, {}, executor_id="w1")
    before = work.scalar(held)
    work.scalar("select pg_terminate_backend(%s)", before)

    def is_back() -> bool:
        connection = engine._guard._connection
        # A connection that was lost, and not dropped yet, says 0.
        return connection is not None and connection.info.backend_pid not in {0, before}

    work.until(is_back)
    with psycopg.connect(work.dsn, autocommit=True) as connection, guard.locked(connection, "w1") as free:
        assert not free


class Pooler:
    """A transaction pooler on loopback: after log-in, each transaction gets whichever server session was free last."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._free: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()
        for backend in self._free:
            backend.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            backend: socket.socket | None = socket.socket(socket.AF_UNIX)
            backend.connect(self._server)
            while data := client.recv(65536):
                if data[:1] == b"X":
                    return
                if backend is None:
                    backend = self._free.pop()
                backend.sendall(data)
                if self._answer(backend, client):
                    self._free.append(backend)
                    backend = None

    @staticmethod
    def _answer(backend: socket.socket, client: socket.socket) -> bool:
        """Pass on one answer; tell whether the server session is out of any transaction after it."""
        while True:
            head = backend.recv(5, socket.MSG_WAITALL)
            body = backend.recv(int.from_bytes(head[1:]) - 4, socket.MSG_WAITALL)
            client.sendall(head + body)
            if head[:1] == b"Z":
                return body == b"I"
            if head[:1] == b"R" and body[:4] in {b"\0\0\0\x0a", b"\0\0\0\x0b"}:
                return False


@pytest.fixture
def pooled(dsn: str) -> Iterator[str]:
    """The URL of the test's database through a transaction pooler."""
    direct = urlsplit(dsn)
    pooler = Pooler(f"{parse_qs(direct.query)['host'][0]}/.s.PGSQL.5432")
    credentials = direct.netloc.partition("@")[0]
    yield f"postgresql://{credentials}@127.0.0.1:{pooler.port}{direct.path}?sslmode=disable&gssencmode=disable"
    pooler.close()


def test_a_transaction_pooler_is_refused(pooled: str):
    with psycopg.connect(pooled, autocommit=True) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with pytest.raises(Outage, match="direct connection"):
        Engine(pooled, {}, {}, None).launch({"clips": 1})
