"""The decisions that cannot be changed later: each test fails when its decision is broken."""

import re
from datetime import UTC, datetime
from importlib.resources import files

import psycopg
import pytest
from cryptography.exceptions import InvalidTag

from moderation import ids
from moderation.db import queries
from moderation.vault import Vault

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SQL = queries("clips")


def insert_clip(tx, clip, org="default"):
    tx.pg.execute(
        "insert into moderation.clips (org_id, clip_id, status, created_at, updated_at) "
        "values (%s, %s, 'received', %s, %s)",
        (org, clip, NOW, NOW),
    )


def insert_decision(tx, clip, decision="dec_1"):
    tx.pg.execute(
        "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, "
        "created_at) values ('default', %s, %s, 1, 'allow', '{}', 'rule', 'policy', %s)",
        (decision, clip, NOW),
    )


@pytest.fixture
def two_organisations(database):
    with database.system_transaction() as tx:
        tx.pg.execute("insert into moderation.organisations (org_id) values ('other')")
    with database.transaction() as tx:
        insert_clip(tx, "clip_ours")
    with database.transaction("other") as tx:
        insert_clip(tx, "clip_theirs", "other")
    return database


def test_every_table_knows_its_organisation_and_has_row_level_security(database):
    with database.system_transaction() as tx:
        tables = dict(
            tx.pg.execute(
                "select relname, relrowsecurity from pg_class where relnamespace = 'moderation'::regnamespace "
                "and relkind = 'r'"
            ).fetchall()
        )
        owned = {
            row[0]
            for row in tx.pg.execute(
                "select table_name from information_schema.columns where table_schema = 'moderation' "
                "and column_name = 'org_id'"
            )
        }
    assert set(tables) - owned == {"retention", "retention_classes", "migrations"}
    assert [name for name in owned if not tables[name]] == []


def test_an_organisation_sees_only_its_own_rows(two_organisations):
    with two_organisations.transaction("other") as tx:
        assert tx.pg.execute("select clip_id from moderation.clips").fetchall() == [("clip_theirs",)]
        assert tx.pg.execute("update moderation.clips set title = 'x'").rowcount == 1


def test_an_organisation_cannot_write_into_another(two_organisations):
    with pytest.raises(psycopg.errors.InsufficientPrivilege), two_organisations.transaction("other") as tx:
        insert_clip(tx, "clip_smuggled", "default")


def test_without_an_organisation_nothing_is_seen(two_organisations):
    with two_organisations.transaction("") as tx:
        assert tx.pg.execute("select count(*) from moderation.clips").fetchone() == (0,)


def test_mark_ids_are_unique_over_the_whole_deployment(two_organisations):
    row = {"payload": "0123456789ab", "key_version": 1, "now": NOW}
    with two_organisations.transaction() as tx:
        assert tx.pg.execute(SQL.insert_payload, {**row, "org": "default", "clip": "clip_ours"}).fetchone()
    with two_organisations.transaction("other") as tx:
        taken = tx.pg.execute(SQL.insert_payload, {**row, "org": "other", "clip": "clip_theirs"}).fetchone()
    assert taken is None


def test_ids_name_their_kind_and_sort_by_time():
    made = [ids.new_id("clip") for _ in range(100)]
    assert all(re.fullmatch(r"clip_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", each) for each in made)
    assert made == sorted(made)
    assert len(set(made)) == 100


def test_mark_ids_are_48_random_bits_in_12_digits():
    drawn = [ids.new_mark_id() for _ in range(200)]
    assert max(drawn) > 2**46
    assert all(re.fullmatch(r"[0-9a-f]{12}", ids.mark_text(each)) for each in drawn)


@pytest.mark.parametrize(
    "act", ["update moderation.decisions set outcome = 'block'", "delete from moderation.decisions"]
)
def test_decisions_are_append_only_even_for_the_owner(database, act):
    with database.transaction() as tx:
        insert_clip(tx, "clip_1")
        insert_decision(tx, "clip_1")
    with pytest.raises(psycopg.errors.Error, match="append-only"), database.system_transaction() as tx:
        tx.pg.execute(act)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as tx:
        tx.pg.execute(act)


@pytest.mark.parametrize(
    "table",
    [
        "events",
        "grants",
        "revocations",
        "list_entries",
        "person_limits",
        "audit_entries",
        "audit_roots",
        "case_actions",
    ],
)
def test_what_happened_cannot_be_rewritten(database, table):
    for act in (f"update moderation.{table} set org_id = org_id", f"delete from moderation.{table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as tx:
            tx.pg.execute(act)


def test_a_clip_has_at_most_one_open_case(database):
    insert = (
        "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at) "
        "values ('default', %s, 'clip_1', 'general', 'dec_1', %s, %s)"
    )
    with database.transaction() as tx:
        insert_clip(tx, "clip_1")
        insert_decision(tx, "clip_1")
        tx.pg.execute(insert, ("case_1", NOW, NOW))
    with pytest.raises(psycopg.errors.UniqueViolation), database.transaction() as tx:
        tx.pg.execute(insert, ("case_2", NOW, NOW))


def test_nothing_is_released_without_a_proof_of_these_very_bytes(database):
    with database.transaction() as tx:
        insert_clip(tx, "clip_1")
        insert_decision(tx, "clip_1")
    with pytest.raises(psycopg.errors.ForeignKeyViolation), database.transaction() as tx:
        tx.pg.execute(
            "insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at) "
            "values ('default', 'clip_1', 'beef', 'k', 'dec_1', %s)",
            (NOW,),
        )


def test_every_table_and_blob_prefix_has_a_retention_class(database):
    with database.system_transaction() as tx:
        listed = {row[0] for row in tx.pg.execute("select thing from moderation.retention")}
        tables = {
            row[0]
            for row in tx.pg.execute(
                "select table_name from information_schema.tables where table_schema = 'moderation' "
                "and table_name <> 'migrations'"
            )
        }
    assert tables - listed == set()
    assert {"blob:upload", "blob:marked", "blob:veiled", "blob:sealed"} <= listed


def test_the_readable_schema_is_what_the_migrations_make(database):
    text = files("moderation.db").joinpath("schema.sql").read_text()
    tables = re.findall(r"^create table moderation\.(\w+) \((.*?)^\)", text, re.DOTALL | re.MULTILINE)
    column = re.compile(r"^  (?!constraint |check |primary |unique |foreign )(\w+) ", re.MULTILINE)
    named = {(table, name) for table, body in tables for name in column.findall(body)}
    with database.system_transaction() as tx:
        made = set(
            tx.pg.execute(
                "select table_name, column_name from information_schema.columns where table_schema = 'moderation' "
                "and table_name <> 'migrations'"
            )
        )
    assert made == named


def test_a_person_erased_takes_everything_sealed_with_their_key(tmp_path):
    vault = Vault(tmp_path)
    wrapped, other = vault.new_person_key("per_1"), vault.new_person_key("per_2")
    sealed = vault.seal_for("per_1", wrapped, b"a template", "template")
    assert vault.open_for("per_1", wrapped, sealed, "template") == b"a template"
    with pytest.raises(InvalidTag):
        vault.open_for("per_2", other, sealed, "template")
    with pytest.raises(InvalidTag):
        vault.open(sealed, "template")


def test_secrets_are_private_files_and_stay_the_same(tmp_path):
    first = Vault(tmp_path / "keys")
    keys = first.mark_keys()
    assert Vault(tmp_path / "keys").mark_keys() == keys
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == {0o600}


def test_held_clips_always_know_cause_and_time(database):
    with database.transaction() as tx:
        insert_clip(tx, "clip_1")
    with pytest.raises(psycopg.errors.CheckViolation), database.transaction() as tx:
        tx.pg.execute("update moderation.clips set status = 'held' where clip_id = 'clip_1'")
