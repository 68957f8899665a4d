"""An erased person's vectors are nowhere: not in tables, their indexes, statistics, files, blobs, dumps or logs."""

from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import numpy as np
import psycopg
import pytest
import structlog
from psycopg.types.json import Jsonb

from detectors.likeness import turn
from moderation import consent, erasure, intake, passkeys, works
from moderation.assembly import open_services
from moderation.clips import Submission
from moderation.consent.people import SQL
from moderation.enrolling import attempts
from moderation.enrolling.checks import Check, CheckState
from moderation.enrolling.verdicts import Outcome, Verdict
from moderation.enrolment import register_person
from moderation.ids import new_id

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SOURCE = "a portrait of an unlikely name"


@pytest.fixture
def services(settings):
    with open_services(settings) as services:
        yield services


@pytest.fixture
def log():
    written = StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written))
    return written


@pytest.fixture
def lost(services):
    """Two people, of whom one is erased; every byte string that would be the erased one's."""
    vectors = np.random.default_rng(7).standard_normal((2, 128)).astype(np.float32)
    given = {"kind": "cameo", "model": services.face_model, "by": "test"}
    with services.database.transaction() as tx:
        people = [
            consent.add_person(
                tx, services.vault, NOW, name=name, vectors=row[None], sources=[SOURCE], account=name, **given
            )
            for name, row in zip(("Unlikely Name", "somebody else"), vectors, strict=True)
        ]
        consent.add_alias(tx, services.vault, NOW, people[0], "another name", by="test")
        credential = b"an unlikely credential"
        passkey = {"org": "default", "passkey": new_id("pk"), "person": people[0], "public_key": b"x", "now": NOW}
        tx.pg.execute(passkeys.SQL.insert_passkey, {**passkey, "credential": credential, "sign_count": 0})
        rotation = consent.rotation_of(tx, services.vault, 128)
        kept = "select sealed from moderation.templates where person_id = %s"
        sealed, beside = (bytes(tx.pg.execute(kept, (person,)).fetchone()[0]) for person in people)
        wrapped = bytes(tx.pg.execute(SQL.person_key, {"person": people[0]}).fetchone()[0])
    why, candidate = b"unlikely words about them", b"per_unlikely_candidate"
    answered(services, people[0], why.decode(), candidate.decode())
    marks = {
        "raw": vectors[0].tobytes(),
        "turned": turn(vectors[0][None], rotation)[0].tobytes(),
        "sealed": sealed,
        "key": wrapped,
        "reason": why,
        "evidence": candidate,
        "passkey": credential,
    }
    return people[0], marks, beside


def answered(services, person: str, why: str, candidate: str) -> None:
    """An enrolment of theirs that was checked and refused, and why; its recording plays no part."""
    likeness = Check(name="nobody_else", state=CheckState.UNCERTAIN, evidence={"candidates": [{"person": candidate}]})
    now = services.clock.now()
    with services.database.transaction() as tx:
        row = {"org": "default", "enrolment": (made := new_id("enr")), "person": person, "by": "platform", "now": now}
        tx.pg.execute(attempts.SQL.insert_enrolment, {**row, "challenge": Jsonb({}), "expires_at": now})
        tx.pg.execute("update moderation.enrolments set state = 'received', received_at = %s", (now,))
        received = attempts.read(tx, made)
    attempts.settle(services, received, [likeness], Verdict(outcome=Outcome.UNCERTAIN), None)
    attempts.answer(services, "default", made, "refuse", reason=why, by="staff")


def files_of(services) -> list[Path]:
    """The files of this database, as they are on the disk: tables, indexes, statistics."""
    with psycopg.connect(services.dsn, autocommit=True) as connection:
        connection.execute("analyze")
        connection.execute("checkpoint")
        (folder,) = connection.execute("show data_directory").fetchone()
        (oid,) = connection.execute("select oid from pg_database where datname = current_database()").fetchone()
    return [path for path in (Path(folder) / "base" / str(oid)).iterdir() if path.is_file()]


def found(paths, marks) -> set[str]:
    """Which of the byte strings some file holds, whole or in hexadecimal."""
    texts = [path.read_bytes() for path in paths]
    return {name for name, mark in marks.items() if any(mark in text or mark.hex().encode() in text for text in texts)}


def dumped(services) -> bytes:
    """Every table of every schema of ours, copied out."""
    with psycopg.connect(services.dsn, autocommit=True) as connection:
        tables = connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname <> 'information_schema' "
            "and schemaname <> 'pg_catalog' union all select 'pg_catalog.pg_statistic'"
        ).fetchall()
        rows = []
        for (table,) in tables:
            with connection.cursor().copy(f"copy (select t::text from {table} t) to stdout") as copy:
                rows += [bytes(row) for row in copy]
    return b"".join(rows)


def in_text(text: bytes, marks) -> set[str]:
    return {name for name, mark in marks.items() if mark in text or mark.hex().encode() in text}


def erase(services, person) -> None:
    with services.database.transaction() as tx:
        erasure.forget_person(tx, services, NOW, person, by="test")


def test_nothing_of_an_erased_person_is_left_after_the_rebuild(services, lost, log, postgres):
    person, marks, beside = lost
    assert found(files_of(services), marks) == {"turned", "sealed", "key", "reason", "evidence", "passkey"}
    erase(services, person)
    # The rows are gone and their bytes are not: this is what the rebuild is for.
    assert in_text(dumped(services), marks) == set()
    assert found(files_of(services), marks) != set()
    assert erasure.rebuild(services) == 1
    files = files_of(services)
    assert found(files, marks) == set()
    assert found(files, {"beside": beside}) == {"beside"}, "the others stay"
    assert in_text(dumped(services), marks) == set()
    stored = [path for path in services.settings.state.rglob("*") if path.is_file() and path.suffix != ".key"]
    assert found(stored, marks) == set()
    assert in_text(log.getvalue().encode(), marks) == set()
    assert in_text(postgres_log(services), marks) == set()
    assert erasure.rebuild(services) == 0


def postgres_log(services) -> bytes:
    with psycopg.connect(services.dsn) as connection:
        (folder,) = connection.execute("show data_directory").fetchone()
    return b"".join(path.read_bytes() for path in Path(folder).parent.glob("server.log*"))


def test_the_planner_keeps_no_sample_of_a_vector(services, lost):
    with psycopg.connect(services.dsn, autocommit=True) as connection:
        connection.execute("analyze")
        kept = connection.execute(
            "select attname from pg_stats where schemaname = 'moderation' and tablename = any(%s) "
            "and attname in ('vector', 'sealed', 'wrapped', 'name', 'templates', 'checks', 'reason', 'value')",
            [list(erasure.TABLES)],
        ).fetchall()
    assert kept == []


def test_while_somebody_still_sees_the_rows_the_rebuild_waits(services, lost):
    person, marks, _ = lost
    with psycopg.connect(services.dsn) as looking:
        looking.execute("set transaction isolation level repeatable read")
        looking.execute("select 1 from moderation.gallery_vectors")
        erase(services, person)
        assert erasure.rebuild(services) == 0
        looking.rollback()
    assert erasure.rebuild(services) == 1
    assert found(files_of(services), marks) == set()


def test_what_showed_the_person_is_withdrawn(services, lost, drawn):
    person, _, _ = lost
    said = Submission(creator="a", cameos=(person,))
    clip = intake.accept_file(services, "default", "t", drawn, said, runner="check")
    erase(services, person)
    with services.database.transaction() as tx:
        row = tx.pg.execute("select status from moderation.clips where clip_id = %s", (clip.clip_id,)).fetchone()
    assert row == ("withdrawn",)


def test_a_rights_holders_works_end_with_them(services):
    known = {"name": "Pip Pictures", "kind": "rights_holder", "images": [], "by": "test"}
    holder, other = (register_person(services, "default", **known) for _ in range(2))
    work, kept = (works.add_work(services, "default", each, title="Captain Pip", by="test") for each in (holder, other))
    with services.database.transaction() as tx:
        tx.pg.execute(
            works.SQL.keep_vectors,
            {"org": "default", "work": work, "model": "m", "rows": 1, "vectors": b"x", "now": NOW},
        )
        assert {hit.id for hit in names_in(services, tx)} == {work, kept}
    erase(services, holder)
    with services.database.transaction() as tx:
        assert {hit.id for hit in names_in(services, tx)} == {kept}
        assert [each.work_id for each in works.list_works(tx)] == [kept]
        assert tx.pg.execute("select count(*) from moderation.work_vectors").fetchone() == (0,)
        in_force = tx.pg.execute(
            "select name from moderation.hash_lists where enabled and category = 'works'"
        ).fetchall()
    assert in_force == [(kept,)]


def names_in(services, tx):
    return services.names.find(tx, services.vault, {"prompt": "Captain Pip in a boat"})
