"""Durable work on a real server: what is enqueued runs once to its end, whoever dies on the way."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy

from moderation import guard
from moderation.db import Database, sqlalchemy_url
from moderation.engine import DeadLetter, Engine, Enqueuer
from moderation.errors import ClipFault, Outage
from moderation.outcomes import Leaving


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    function: Callable[..., object]
    queue: str | None = None


def test_steps_answer_their_values_and_run_once(work, run_engine):
    done: list[object] = []

    def add(services: str, *args: int) -> int:
        done.append((services, args))
        return sum(args)

    def body(steps, first: int) -> None:
        total = steps.run("add", first, 1)
        child = steps.start("queued", total, 10)
        steps.run("add", child())

    run_engine({"sum": body}, {"add": Step(function=add), "queued": Step(function=add, queue="work")})
    for _ in range(2):
        # The same id twice is one run.
        work.enqueue("sum", 5)
    work.until(work.done)
    work.enqueue("sum", 5)
    time.sleep(0.5)
    assert done == [("services", (5, 1)), ("services", (6, 10)), ("services", (16,))]


def test_outages_and_faults_reach_the_body_as_what_they_are(work, run_engine):
    caught: list[object] = []

    def down(_services: object) -> None:
        raise Outage("detector:faces", "no faces today")

    def spoilt(_services: object) -> None:
        raise ClipFault("detector_unavailable", "this one")

    def unforeseen(_services: object) -> None:
        raise KeyError("surprise")

    def body(steps, _item: str) -> None:
        for step in ("down", "spoilt", "unforeseen"):
            for do in (steps.run, lambda name: steps.start(name)()):
                try:
                    do(step)
                except Outage as outage:
                    caught.append((outage.cause, outage.message))
                except ClipFault as fault:
                    caught.append((fault.reason, fault.message))

    functions = {"down": down, "spoilt": spoilt, "unforeseen": unforeseen}
    run_engine({"fail": body}, {name: Step(function=each, queue="work") for name, each in functions.items()})
    work.enqueue("fail", "x")
    work.until(work.done)
    assert caught == [
        *[("detector:faces", "no faces today")] * 2,
        *[("detector_unavailable", "this one")] * 2,
        *[("processing_failed", "KeyError: 'surprise'")] * 2,
    ]


def test_enqueueing_is_part_of_the_transaction(dsn: str, work, database: Database):
    enqueuer = Enqueuer(dsn)
    with database.transaction() as tx:
        enqueuer.enqueue(tx, "sum", "default:kept", "clips", [1], 1)
    with contextlib.suppress(RuntimeError), database.transaction() as tx:
        enqueuer.enqueue(tx, "sum", "default:dropped", "clips", [1], 1)
        raise RuntimeError
    enqueuer.close()
    for table in ("workflow_status", "workflow_input"):
        assert work.scalar(f"select array_agg(workflow_uuid) from dbos.{table}") == ["default:kept"]


def test_the_application_role_may_enqueue_and_no_more(database: Database):
    for statement in (
        "delete from dbos.workflow_status",
        "update dbos.workflow_input set inputs = ''",
        "select * from dbos.workflow_output",
        "select * from dbos.operation_outputs",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as tx:
            tx.pg.execute(statement)


def test_what_is_stored_is_json(work, run_engine):
    def fail(_services: object) -> None:
        raise ClipFault("processing_failed", "no")

    def body(steps, item: dict[str, object]) -> None:
        steps.run("echo", item)
        steps.start("echo", item)()
        steps.start("fail")()

    steps = {"echo": Step(function=lambda _, x: x, queue="work"), "fail": Step(function=fail, queue="work")}
    run_engine({"echo": body}, steps)
    work.enqueue("echo", "x")
    work.until(lambda: work.states() == {"ERROR"})
    with psycopg.connect(work.dsn) as connection:
        kept = [
            row[0]
            for table, column in (
                ("workflow_input", "inputs"),
                ("workflow_output", "output"),
                ("workflow_output", "error"),
                ("operation_outputs", "output"),
                ("operation_outputs", "error"),
            )
            for row in connection.execute(f"select {column}::json from dbos.{table} where {column} is not null")
        ]
        forms = {row[0] for row in connection.execute("select serialization from dbos.workflow_status")}
    assert len(kept) > 6
    assert forms == {"portable_json"}


def test_a_step_waits_until_the_database_is_back(work, run_engine, database: Database):
    tries: list[int] = []

    def touch(_services: object) -> str:
        with database.system_transaction() as tx:
            tries.append(tx.pg.info.backend_pid)
            if len(tries) == 1:
                with psycopg.connect(work.dsn, autocommit=True) as killer:
                    killer.execute("select pg_terminate_backend(%s)", [tries[0]])
            tx.pg.execute("select 1")
        return "done"

    def body(steps, _item: str) -> None:
        assert steps.run("touch") == "done"

    run_engine({"work": body}, {"touch": Step(function=touch)})
    work.enqueue("work", "x")
    work.until(work.done)
    assert len(tries) == 2


def test_urgent_work_overtakes(work, run_engine):
    order: list[str] = []
    work.enqueue("note", *"abcd", priority=10)
    work.enqueue("note", "urgent", priority=1)

    def body(steps, item: str) -> None:
        order.append(item)
        time.sleep(0.1)

    engine = Engine(work.dsn, {"note": body}, {}, None)
    engine.launch({"clips": 1})
    try:
        work.until(lambda: len(order) == 5)
    finally:
        engine.shutdown()
    assert order[0] == "urgent"


def test_a_workflow_that_breaks_is_handed_over_until_somebody_takes_it(work, run_engine):
    handed: list[DeadLetter] = []

    def body(_steps, item: str) -> None:
        raise ValueError(item)

    engine = run_engine({"broken": body}, {}, on_dead_letter=handed.append)
    work.enqueue("broken", "x")
    work.until(lambda: handed)
    work.until(lambda: not engine.stranded())
    time.sleep(2 * guard.LOOK_SECONDS)
    (letter,) = handed
    assert (letter.workflow_id, letter.workflow, letter.args, letter.status) == ("default:x", "broken", ("x",), "ERROR")


def test_nobody_takes_a_dead_letter_whose_hook_fails(work, run_engine):
    def body(_steps, item: str) -> None:
        raise ValueError(item)

    def refuse(_letter: DeadLetter) -> None:
        raise RuntimeError

    engine = run_engine({"broken": body}, {}, on_dead_letter=refuse)
    work.enqueue("broken", "x")
    work.until(engine.stranded)
    time.sleep(2 * guard.LOOK_SECONDS)
    assert [letter.workflow_id for letter in engine.stranded()] == ["default:x"]


def test_old_records_are_deleted_with_their_steps(work, run_engine):
    def body(steps, _item: str) -> None:
        steps.start("nothing")()

    engine = run_engine({"short": body}, {"nothing": Step(function=lambda _: None, queue="work")})
    work.enqueue("short", "a", "b")
    work.until(work.done)
    assert engine.delete_finished(timedelta(hours=1)) == 0
    assert engine.delete_finished(timedelta(seconds=-1)) == 2
    for table in ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"):
        assert work.scalar(f"select count(*) from dbos.{table}") == 0


def test_a_step_that_waits_for_the_database_is_left_to_others_at_shutdown(work, run_engine):
    tried: list[str] = []

    def away(_services: object, item: str) -> None:
        tried.append(item)
        raise psycopg.OperationalError("the server is away")

    def body(steps, item: str) -> None:
        steps.run("away", item)

    def other(steps, item: str) -> None:
        steps.start("away", item)()

    engine = run_engine({"body": body, "other": other}, {"away": Step(function=away, queue="work")})
    work.enqueue("body", "here")
    work.enqueue("other", "child")
    work.until(lambda: set(tried) == {"here", "child"})
    engine.shutdown()
    time.sleep(2)
    statuses = "select array_agg(distinct status) from dbos.workflow_status"
    assert work.scalar(statuses) == ["PENDING"]


def test_a_connection_that_comes_back_after_the_shutdown_is_closed(work, run_engine, dsn: str):
    engine = run_engine({"body": lambda _steps, _item: None}, {})
    pool = sqlalchemy.create_engine(sqlalchemy_url(dsn), **engine._config()["db_engine_kwargs"])
    held = pool.raw_connection()
    raw = held.driver_connection
    engine.shutdown()
    # As dbos leaves it: the pool is given up while a thread still holds one of its connections.
    pool.dispose()
    held.close()
    assert raw.closed
    with pytest.raises(Leaving):
        pool.raw_connection()
