"""Fixtures that more than one test module uses. Real Postgres, real files; nothing of our own is replaced."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from detectors.manifests import Manifest
from detectors.packs import build
from moderation.db import Database
from moderation.db.migrate import migrate
from moderation.postgres import EmbeddedPostgres
from moderation.settings import Settings

pytest_plugins = ("skips",)

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """One server for the whole run, without fsync; its `moderation` database is the migrated template."""
    state = Path(tempfile.mkdtemp(prefix="cs-tests-"))
    state.chmod(0o755)
    with EmbeddedPostgres(state, fsync=False) as server:
        migrate(server.dsn())
        yield server
    shutil.rmtree(state)


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh, migrated database of this test's own."""
    name = f"test_{next(_numbers)}"
    template = postgres.dsn()
    admin = template.replace("/moderation?", "/postgres?")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE moderation")
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
