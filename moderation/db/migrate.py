"""Bring a database to the schema of this version of the code: the workflow engine's tables, then ours.

Plain SQL in numbered revisions; many processes may call `migrate` at once.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy

from moderation import engine
from moderation.db import CONNECT_SECONDS, ROLE, libpq_url, sqlalchemy_url

if TYPE_CHECKING:
    from alembic.config import Config

#: Any number that nothing else locks; one migration at a time per database.
MIGRATION_LOCK = 0x636F756E74657273


def migrate(dsn: str) -> None:
    """Create or upgrade every table; does nothing when the schema is current."""
    if migrations_current(dsn):
        return
    # Only an upgrade needs it, and it would cost every start of every process.
    from alembic import command  # noqa: PLC0415

    with _alone(dsn):
        engine.migrate(dsn)
        with _engine(dsn) as pool, pool.begin() as connection, _config() as config:
            connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS moderation")
            # Whole SQL files: several statements at once, and a percent sign is only that.
            config.attributes["connection"] = connection.execution_options(no_parameters=True)
            command.upgrade(config, "head")
        with psycopg.connect(libpq_url(dsn), autocommit=True) as connection_:
            engine.grant_enqueue(connection_, ROLE)


def migrations_current(dsn: str) -> bool:
    """Tell whether the database has exactly the schema that this code expects."""
    with psycopg.connect(libpq_url(dsn), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        if connection.execute("SELECT to_regclass('moderation.migrations')").fetchone() == (None,):
            return False
        found = connection.execute("SELECT version_num FROM moderation.migrations").fetchall()
    return found == [(head(),)] and engine.migrated(dsn)


def head() -> str:
    """The newest revision, by the names of the files: `0001_first_schema.py` is revision 0001."""
    versions = files("moderation.db").joinpath("migrations", "versions")
    return max(name.partition("_")[0] for file in versions.iterdir() if (name := file.name)[:1].isdigit())


@contextmanager
def _alone(dsn: str) -> Iterator[None]:
    """Hold the migration lock. Polled, since a statement waiting for it would stop CREATE INDEX CONCURRENTLY."""
    with psycopg.connect(libpq_url(dsn), autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        while connection.execute("SELECT pg_try_advisory_lock(%s)", [MIGRATION_LOCK]).fetchone() == (False,):
            time.sleep(0.1)
        yield


@contextmanager
def _engine(dsn: str) -> Iterator[sqlalchemy.Engine]:
    pool = sqlalchemy.create_engine(sqlalchemy_url(dsn), connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        yield pool
    finally:
        pool.dispose()


@contextmanager
def _config() -> "Iterator[Config]":
    from alembic.config import Config  # noqa: PLC0415

    with as_file(files("moderation.db").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        yield config
