"""Transactions, row-level security, named queries and migrations, against a real server."""

import contextlib
import subprocess
import sys
from dataclasses import dataclass

import psycopg
import pytest
from alembic.script import ScriptDirectory

from moderation.db import Database, Queries, Transaction, queries, row, rows
from moderation.db.migrate import _config, head, migrate, migrations_current

NOTES = b"""
create schema if not exists scratch;
grant usage on schema scratch to moderation_app;
create table scratch.notes (org_id text not null, note text not null);
alter table scratch.notes enable row level security;
create policy own on scratch.notes to moderation_app
  using (org_id = current_setting('moderation.org')) with check (org_id = current_setting('moderation.org'));
grant select, insert on scratch.notes to moderation_app;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    org_id: str
    note: str


@pytest.fixture
def notes(database: Database) -> Database:
    with database.system_transaction() as tx:
        tx.pg.execute(NOTES)
    return database


def write(tx: Transaction, note: str) -> None:
    tx.pg.execute("insert into scratch.notes values (%s, %s)", [tx.org, note])


def read(database: Database, org: str) -> list[str]:
    with database.transaction(org) as tx:
        return [note.note for note in rows(tx, b"select * from scratch.notes order by note", Note)]


def test_a_transaction_commits_or_leaves_nothing(notes: Database):
    with notes.transaction() as tx:
        write(tx, "kept")
    with contextlib.suppress(RuntimeError), notes.transaction() as tx:
        write(tx, "dropped")
        raise RuntimeError
    assert read(notes, "default") == ["kept"]


def test_an_organisation_sees_only_its_own_rows_although_the_connection_is_a_superusers(notes: Database):
    for org in ("a", "b"):
        with notes.transaction(org) as tx:
            write(tx, f"of {org}")
    assert read(notes, "a") == ["of a"]
    assert read(notes, "b") == ["of b"]
    with notes.system_transaction() as tx:
        assert len(rows(tx, b"select * from scratch.notes", Note)) == 2


def test_an_organisation_cannot_write_for_another(notes: Database):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), notes.transaction("a") as tx:
        tx.pg.execute("insert into scratch.notes values ('b', 'forged')")


def test_role_and_organisation_end_with_their_transaction(notes: Database):
    with notes.transaction("a"):
        pass
    with notes.system_transaction() as tx:
        role, org = tx.pg.execute("select current_user, current_setting('moderation.org', true)").fetchone()
    assert role != "moderation_app"
    assert not org


def test_psycopg_and_sqlalchemy_share_the_transaction(notes: Database):
    with notes.transaction() as tx:
        write(tx, "seen by both")
        assert tx.sa.exec_driver_sql("select note from scratch.notes").scalar() == "seen by both"


def test_a_killed_connection_is_replaced_before_use(notes: Database):
    with notes.transaction() as tx:
        (pid,) = tx.pg.execute("select pg_backend_pid()").fetchone()
    with psycopg.connect(notes_dsn(notes), autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(%s)", [pid])
    assert read(notes, "default") == []


def notes_dsn(database: Database) -> str:
    url = database._engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def test_row_is_none_when_there_is_none(notes: Database):
    with notes.transaction() as tx:
        assert row(tx, b"select * from scratch.notes", Note) is None
        write(tx, "one")
        assert row(tx, b"select * from scratch.notes where note = %(n)s", Note, {"n": "one"}) == Note(
            org_id="default", note="one"
        )


def test_named_queries_are_attributes_and_a_missing_one_is_named():
    loaded = Queries("notes", "-- for readers\n-- name: first\nselect 1;\n\n-- name: second\n-- why\nselect 2;\n")
    assert loaded.first == b"select 1;"
    assert loaded.second == b"-- why\nselect 2;"
    with pytest.raises(AttributeError, match=r"third.*notes\.sql"):
        loaded.third  # noqa: B018
    assert queries("clips").insert_clip.startswith(b"-- A clip")


def test_a_fresh_database_is_not_current_until_migrated(dsn: str):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema moderation cascade")
        assert not migrations_current(dsn)
        connection.execute("drop schema dbos cascade")
    migrate(dsn)
    assert migrations_current(dsn)


def test_many_processes_may_migrate_at_once(dsn: str):
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop schema moderation cascade")
        connection.execute("drop schema dbos cascade")
    command = [sys.executable, "-c", f"from moderation.db.migrate import migrate; migrate({dsn!r})"]
    migrating = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in migrating] == [0, 0, 0]
    assert migrations_current(dsn)


def test_the_head_by_file_names_is_the_head_alembic_knows() -> None:
    with _config() as config:
        assert ScriptDirectory.from_config(config).get_current_head() == head()
