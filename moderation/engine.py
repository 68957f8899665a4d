"""The adapter to DBOS Transact: durable workflows and queues in Postgres. The only module that imports dbos."""

from importlib.metadata import version

import psycopg
from dbos import run_dbos_database_migrations

from moderation.db import libpq_url, sqlalchemy_url


def migrate(dsn: str) -> None:
    """Create or upgrade the engine's own tables (schema `dbos`) and note which version of it made them."""
    if not migrated(dsn):
        run_dbos_database_migrations(sqlalchemy_url(dsn))
        with psycopg.connect(libpq_url(dsn), autocommit=True) as connection:
            connection.execute(f"COMMENT ON SCHEMA dbos IS 'dbos {version('dbos')}'".encode())


def migrated(dsn: str) -> bool:
    """Tell whether the engine's tables were made by the installed version of it."""
    with psycopg.connect(libpq_url(dsn), autocommit=True, connect_timeout=10) as connection:
        found = connection.execute("SELECT obj_description(to_regnamespace('dbos'), 'pg_namespace')").fetchone()
    return found == (f"dbos {version('dbos')}",)


def grant_enqueue(connection: psycopg.Connection[tuple[object, ...]], role: str) -> None:
    """Let a role enqueue work in its own transactions, and nothing else."""
    for statement in (
        f"GRANT USAGE ON SCHEMA dbos TO {role}",
        f"GRANT SELECT, INSERT, UPDATE ON dbos.workflow_status TO {role}",
        f"GRANT SELECT, INSERT ON dbos.workflow_input TO {role}",
    ):
        connection.execute(statement.encode())
