"""Fixtures that more than one test module uses. Real Postgres, real files; nothing of our own is replaced."""

import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import structlog

from detectors.manifests import Manifest
from detectors.packs import build
from detectors.words import Words, load_word_lists
from moderation.db import Database
from moderation.db.migrate import migrate
from moderation.engine import Engine, Enqueuer
from moderation.postgres import EmbeddedPostgres
from moderation.settings import Settings

pytest_plugins = ("skips",)

_numbers = itertools.count(1)
#: Far more than the few hundred megabytes that the servers of all workers take.
MEMORY_BYTES = 4 * 1024**3


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command run in this process sends logs to a stream that ends with its test; threads of others log on."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def _quick_folder() -> Path | None:
    """Memory, where there is plenty: a disk that others write to makes a copy of a database ten times as dear."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and shutil.disk_usage(memory).free > MEMORY_BYTES else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the whole run, without fsync; its `moderation` database is the migrated template."""
    state = Path(tempfile.mkdtemp(prefix="cs-tests-", dir=_quick_folder()))
    state.chmod(0o755)
    with EmbeddedPostgres(state, fsync=False) as server:
        migrate(server.dsn())
        yield server
    shutil.rmtree(state)


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh, migrated database of this test's own, copied by files: a third of the work without fsync."""
    name = f"test_{next(_numbers)}"
    template = postgres.dsn()
    admin = template.replace("/moderation?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE moderation STRATEGY file_copy")
    yield template.replace("/moderation?", f"/{name}?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(dsn: str) -> Iterator[Database]:
    """A pool over a fresh, migrated database."""
    database = Database(dsn)
    yield database
    database.close()


@pytest.fixture(scope="session")
def embedded_pack() -> Manifest:
    """The real weights, from the user's cache; built there when they are missing."""
    return build(Settings().models, progress=print)


@pytest.fixture(scope="session")
def shipped_words(embedded_pack: Manifest) -> Words:
    """The word check with the lists that ship: a second of work, done once."""
    return Words.load(embedded_pack, load_word_lists(Settings().policies_dir() / "words"))


class Work:
    """The work queued in one database, put there and looked at from outside."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    def enqueue(self, workflow: str, *items: object, priority: int = 5) -> None:
        """Enqueue a run of `workflow` for each item, all in one transaction."""
        database, enqueuer = Database(self.dsn), Enqueuer(self.dsn)
        with database.transaction() as tx:
            for item in items:
                enqueuer.enqueue(tx, workflow, f"default:{item}", "clips", [item], priority)
        enqueuer.close()
        database.close()

    def scalar(self, query: str, *args: object) -> object:
        """The first field of a query's first row."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return connection.execute(query, args).fetchone()[0]

    def states(self) -> set[str]:
        """The states of all enqueued workflows, without their steps."""
        query = "select coalesce(array_agg(distinct status), '{}') from dbos.workflow_status where parent_workflow_id is null"
        return set(self.scalar(query))

    def done(self) -> bool:
        """Whether every workflow succeeded."""
        return self.states() == {"SUCCESS"}

    def effects(self) -> Counter[tuple[str, str]]:
        """How often worker processes (tests/assets/worker.py) noted each item and step."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            return Counter(connection.execute("select item, step from effects").fetchall())

    def until(self, found: Callable[[], object], seconds: float = 30.0) -> None:
        """Wait until `found` answers something true."""
        deadline = time.monotonic() + seconds
        while not found():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)


@pytest.fixture
def work(dsn: str) -> Work:
    """The work queued in this test's database."""
    return Work(dsn)


@pytest.fixture
def mortal() -> Iterator[tuple[EmbeddedPostgres, Work]]:
    """A migrated server of the test's own, to be killed, and its work; with fsync, like the real one."""
    state = Path(tempfile.mkdtemp(prefix="cs-tests-"))
    state.chmod(0o755)
    with EmbeddedPostgres(state) as server:
        migrate(server.dsn())
        yield server, Work(server.dsn())
    shutil.rmtree(state)


@pytest.fixture
def run_engine(dsn: str) -> Iterator[Callable[..., Engine]]:
    """Launch an engine in this process, over this test's database, with the given workflows and steps."""
    launched = []

    def launch(workflows: dict[str, Callable[..., None]], steps: dict[str, object], **options: object) -> Engine:
        engine = Engine(dsn, workflows, steps, "services", **options)
        engine.launch({"clips": 4, "work": 2})
        launched.append(engine)
        return engine

    yield launch
    for engine in launched:
        engine.shutdown()
