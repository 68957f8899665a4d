"""Durable work on a real server: what is enqueued runs once to its end, whoever dies on the way."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from moderation import guard
from moderation.db import Database
from moderation.db.migrate import migrate
from moderation.engine import DeadLetter, Engine, Enqueuer
from moderation.errors import ClipFault, Outage
from moderation.postgres import EmbeddedPostgres

WORKER = Path(__file__).resolve().parent.parent / "assets" / "worker.py"
EFFECTS = "create table if not exists effects (id serial, item text, step text, pid int)"
DEAD_AFTER = guard.LOOKS * guard.LOOK_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    function: Callable[..., object]
    queue: str | None = None


def until(found: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def scalar(dsn: str, query: str, *args: object) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(query, args).fetchone()[0]


def effects(dsn: str) -> Counter[tuple[str, str]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return Counter(connection.execute("select item, step from effects").fetchall())


def enqueue(dsn: str, workflow: str, *items: str, priority: int = 5) -> None:
    database, enqueuer = Database(dsn), Enqueuer(dsn)
    with database.transaction() as tx:
        for item in items:
            enqueuer.enqueue(tx, workflow, f"default:{item}", "clips", [item], priority)
    enqueuer.close()
    database.close()


def states(dsn: str, prefix: str = "default:%") -> set[str]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "select distinct status from dbos.workflow_status where workflow_uuid like %s and parent_workflow_id is null"
        return {row[0] for row in connection.execute(query, [prefix])}


# -- in this process

Bodies = dict[str, Callable[..., None]]


@pytest.fixture
def run_engine(dsn: str) -> Iterator[Callable[..., Engine]]:
    """Launch an engine over the test's own database with the given bodies and steps."""
    launched = []

    def launch(workflows: Bodies, steps: dict[str, Step], **options: object) -> Engine:
        engine = Engine(dsn, workflows, steps, "services", **options)
        engine.launch({"clips": 4, "work": 2})
        launched.append(engine)
        return engine

    yield launch
    for engine in launched:
        engine.shutdown()


def test_steps_answer_their_values_and_run_once(dsn: str, run_engine: Callable[..., Engine]):
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
        enqueue(dsn, "sum", 5)
    until(lambda: states(dsn) == {"SUCCESS"})
    enqueue(dsn, "sum", 5)
    time.sleep(0.5)
    assert done == [("services", (5, 1)), ("services", (6, 10)), ("services", (16,))]


def test_outages_and_faults_reach_the_body_as_what_they_are(dsn: str, run_engine: Callable[..., Engine]):
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
    enqueue(dsn, "fail", "x")
    until(lambda: states(dsn) == {"SUCCESS"})
    assert caught == [
        *[("detector:faces", "no faces today")] * 2,
        *[("detector_unavailable", "this one")] * 2,
        *[("processing_failed", "KeyError: 'surprise'")] * 2,
    ]


def test_enqueueing_is_part_of_the_transaction(dsn: str, database: Database):
    enqueuer = Enqueuer(dsn)
    with database.transaction() as tx:
        enqueuer.enqueue(tx, "sum", "default:kept", "clips", [1], 1)
    with contextlib.suppress(RuntimeError), database.transaction() as tx:
        enqueuer.enqueue(tx, "sum", "default:dropped", "clips", [1], 1)
        raise RuntimeError
    enqueuer.close()
    for table in ("workflow_status", "workflow_input"):
        assert scalar(dsn, f"select array_agg(workflow_uuid) from dbos.{table}") == ["default:kept"]


def test_the_application_role_may_enqueue_and_no_more(dsn: str, database: Database):
    for statement in (
        "delete from dbos.workflow_status",
        "update dbos.workflow_input set inputs = ''",
        "select * from dbos.workflow_output",
        "select * from dbos.operation_outputs",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as tx:
            tx.pg.execute(statement)


def test_what_is_stored_is_json(dsn: str, run_engine: Callable[..., Engine]):
    def fail(_services: object) -> None:
        raise ClipFault("processing_failed", "no")

    def body(steps, item: dict[str, object]) -> None:
        steps.run("echo", item)
        steps.start("echo", item)()
        steps.start("fail")()

    steps = {"echo": Step(function=lambda _, x: x, queue="work"), "fail": Step(function=fail, queue="work")}
    run_engine({"echo": body}, steps)
    enqueue(dsn, "echo", "x")
    until(lambda: states(dsn) == {"ERROR"})
    with psycopg.connect(dsn) as connection:
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


def test_a_step_waits_until_the_database_is_back(dsn: str, run_engine: Callable[..., Engine], database: Database):
    tries: list[int] = []

    def work(_services: object) -> str:
        with database.system_transaction() as tx:
            tries.append(tx.pg.info.backend_pid)
            if len(tries) == 1:
                with psycopg.connect(dsn, autocommit=True) as killer:
                    killer.execute("select pg_terminate_backend(%s)", [tries[0]])
            tx.pg.execute("select 1")
        return "done"

    def body(steps, _item: str) -> None:
        assert steps.run("work") == "done"

    run_engine({"work": body}, {"work": Step(function=work)})
    enqueue(dsn, "work", "x")
    until(lambda: states(dsn) == {"SUCCESS"})
    assert len(tries) == 2


def test_urgent_work_overtakes(dsn: str, run_engine: Callable[..., Engine]):
    order: list[str] = []
    enqueue(dsn, "note", *"abcd", priority=10)
    enqueue(dsn, "note", "urgent", priority=1)

    def body(steps, item: str) -> None:
        order.append(item)
        time.sleep(0.1)

    engine = Engine(dsn, {"note": body}, {}, None)
    engine.launch({"clips": 1})
    try:
        until(lambda: len(order) == 5)
    finally:
        engine.shutdown()
    assert order[0] == "urgent"


def test_a_workflow_that_breaks_is_handed_over_until_somebody_takes_it(dsn: str, run_engine: Callable[..., Engine]):
    handed: list[DeadLetter] = []

    def body(_steps, item: str) -> None:
        raise ValueError(item)

    engine = run_engine({"broken": body}, {}, on_dead_letter=handed.append)
    enqueue(dsn, "broken", "x")
    until(lambda: handed)
    until(lambda: not engine.stranded())
    time.sleep(2 * guard.LOOK_SECONDS)
    (letter,) = handed
    assert (letter.workflow_id, letter.workflow, letter.args, letter.status) == ("default:x", "broken", ("x",), "ERROR")


def test_nobody_takes_a_dead_letter_whose_hook_fails(dsn: str, run_engine: Callable[..., Engine]):
    def body(_steps, item: str) -> None:
        raise ValueError(item)

    def refuse(_letter: DeadLetter) -> None:
        raise RuntimeError

    engine = run_engine({"broken": body}, {}, on_dead_letter=refuse)
    enqueue(dsn, "broken", "x")
    until(engine.stranded)
    time.sleep(2 * guard.LOOK_SECONDS)
    assert [letter.workflow_id for letter in engine.stranded()] == ["default:x"]


def test_old_records_are_deleted_with_their_steps(dsn: str, run_engine: Callable[..., Engine]):
    def body(steps, _item: str) -> None:
        steps.start("nothing")()

    engine = run_engine({"short": body}, {"nothing": Step(function=lambda _: None, queue="work")})
    enqueue(dsn, "short", "a", "b")
    until(lambda: states(dsn) == {"SUCCESS"})
    assert engine.delete_finished(timedelta(hours=1)) == 0
    assert engine.delete_finished(timedelta(seconds=-1)) == 2
    for table in ("workflow_status", "workflow_input", "workflow_output", "operation_outputs"):
        assert scalar(dsn, f"select count(*) from dbos.{table}") == 0


def claim_and_forget(dsn: str, executor: str) -> None:
    """Leave the database as it is when the answer to a claim was lost: booked on a process that knows nothing of it."""
    enqueue(dsn, "short", "x")
    update = "update dbos.workflow_status set status = 'PENDING', executor_id = %s, owner_xid = 'lost' returning 1"
    assert scalar(dsn, update, executor) == 1


def test_work_whose_claim_was_lost_is_given_back(dsn: str, run_engine, monkeypatch: pytest.MonkeyPatch):
    claim_and_forget(dsn, "w1")
    monkeypatch.setattr(guard, "LOST_LOOKS", 2)
    # Not what starting under the same name recovers: that happens once, before this.
    monkeypatch.setattr("dbos._dbos.startup_recovery_thread", lambda *_: None)
    run_engine({"short": lambda steps, item: None}, {}, executor_id="w1")
    until(lambda: states(dsn) == {"SUCCESS"})


def test_a_second_process_of_the_same_name_is_refused(dsn: str, run_engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guard, "CONNECT_SECONDS", 1)
    run_engine({}, {}, executor_id="w1")
    with pytest.raises(Outage, match="calls itself w1"):
        Engine(dsn, {}, {}, None, executor_id="w1").launch({"clips": 1})


def test_a_worker_takes_its_lock_back(dsn: str, run_engine: Callable[..., Engine]):
    held = "select pid from pg_stat_activity where application_name = 'guard w1'"
    engine = run_engine({}, {}, executor_id="w1")
    before = scalar(dsn, held)
    scalar(dsn, "select pg_terminate_backend(%s)", before)
    until(lambda: engine._guard._connection is not None and engine._guard._connection.info.backend_pid != before)
    with psycopg.connect(dsn, autocommit=True) as connection, guard.locked(connection, "w1") as free:
        assert not free


# -- in processes that die


class Workers:
    """Worker processes over one database."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.processes: list[subprocess.Popen[str]] = []
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(EFFECTS)

    def start(self, name: str, *, guarded: bool = True, seconds: float = 2.0) -> subprocess.Popen[str]:
        command = [sys.executable, WORKER, self.dsn, name, "guarded" if guarded else "unguarded", str(seconds)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def workers(dsn: str) -> Iterator[Workers]:
    workers = Workers(dsn)
    yield workers
    workers.close()


def kill_in_mid_step(workers: Workers, *, guarded: bool) -> list[str]:
    """Kill one of two workers while slow steps run in both; return the items, all of them accepted."""
    items = [f"i{n}" for n in range(12)]
    first = workers.start("w1", guarded=guarded)
    workers.start("w2", guarded=guarded)
    enqueue(workers.dsn, "pipe", *items)
    until(
        lambda: scalar(
            workers.dsn,
            "select count(*) from dbos.workflow_status where status = 'PENDING' and name = 'step' and executor_id = 'w1'",
        )
    )
    time.sleep(0.3)
    first.kill()
    return items


@pytest.mark.full
def test_the_work_of_a_killed_worker_is_finished_by_another(workers: Workers):
    items = kill_in_mid_step(workers, guarded=True)
    until(lambda: states(workers.dsn) == {"SUCCESS"}, 60)
    seen = effects(workers.dsn)
    for item in items:
        assert seen[item, "last"] >= 1
        # Finished steps are not done again; the one in flight is.
        assert seen[item, "first"] == 1
        assert seen[item, "slow done"] == 1
        assert seen[item, "slow"] <= 2
    assert any(seen[item, "slow"] == 2 for item in items)


@pytest.mark.full
def test_without_the_guard_the_work_of_a_killed_worker_is_stranded(workers: Workers):
    kill_in_mid_step(workers, guarded=False)
    stranded = "select count(*) from dbos.workflow_status where status = 'PENDING' and executor_id = 'w1'"
    time.sleep(3 * DEAD_AFTER + 6)
    assert scalar(workers.dsn, stranded) > 0
    assert "SUCCESS" in states(workers.dsn)
    # Any guarded worker takes it up.
    workers.start("w3")
    until(lambda: states(workers.dsn) == {"SUCCESS"}, 60)


@pytest.mark.full
def test_a_step_that_kills_its_worker_is_given_up_and_the_rest_goes_on(workers: Workers):
    workers.start("w0")
    enqueue(workers.dsn, "poisoned", "poison")
    enqueue(workers.dsn, "pipe", "good1", "good2")
    for n in itertools.count(1):
        until(lambda: workers.processes[-1].poll() is not None or states(workers.dsn) == {"SUCCESS"}, 60)
        if workers.processes[-1].poll() is None:
            break
        assert n < 6, "it never ends"
        workers.start(f"w{n}")
    seen = effects(workers.dsn)
    assert seen["poison", "deadly"] == 3
    assert seen["poison", "fault: processing_failed"] == 1
    assert seen["good1", "last"] == seen["good2", "last"] == 1


@pytest.mark.full
def test_a_workflow_that_kills_its_workers_becomes_a_dead_letter(workers: Workers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKER_CRASHES", "2")
    enqueue(workers.dsn, "suicidal", "poison")
    for name in ("w0", "w1"):
        workers.start(name)
        until(lambda: workers.processes[-1].poll() is not None)
    workers.start("last")
    until(lambda: effects(workers.dsn)["poison", "buried: suicidal MAX_RECOVERY_ATTEMPTS_EXCEEDED"], 60)
    assert effects(workers.dsn)["poison", "deadly"] == 2
    until(lambda: states(workers.dsn) == set())


@pytest.mark.full
def test_a_worker_that_lost_its_lock_cannot_finish_what_others_took_over(workers: Workers):
    # Its guard's connections are cut as fast as they come: to the others it is dead, and yet it runs.
    workers.start("w1", seconds=12)
    enqueue(workers.dsn, "pipe", "x")
    until(lambda: effects(workers.dsn)["x", "slow"])
    workers.start("w2", seconds=2)
    cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'guard w1'"

    def taken() -> object:
        scalar(workers.dsn, cut)
        return effects(workers.dsn)["x", "slow"] == 2

    until(taken, 60)
    until(lambda: states(workers.dsn) == {"SUCCESS"}, 60)
    time.sleep(10)
    seen = effects(workers.dsn)
    assert seen["x", "last"] == 1
    assert seen["x", "first"] == 1


@pytest.fixture
def mortal() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, to be killed; with fsync, like the real one."""
    state = Path(tempfile.mkdtemp(prefix="cs-tests-"))
    state.chmod(0o755)
    with EmbeddedPostgres(state) as server:
        migrate(server.dsn())
        yield server
    shutil.rmtree(state)


@pytest.mark.full
def test_work_goes_on_after_postgres_was_killed(mortal: EmbeddedPostgres):
    workers = Workers(mortal.dsn())
    try:
        workers.start("w1", seconds=1)
        workers.start("w2", seconds=1)
        items = [f"i{n}" for n in range(16)]
        enqueue(mortal.dsn(), "pipe", *items)
        for count in (4, 12):
            until(lambda: sum(n for (_, step), n in effects(mortal.dsn()).items() if step == "slow") >= count)  # noqa: B023
            os.kill(mortal.pid(), signal.SIGKILL)
            time.sleep(1)
            assert mortal.watch()
        until(lambda: states(mortal.dsn()) == {"SUCCESS"}, 60)
        seen = effects(mortal.dsn())
        assert {item for item, step in seen if step == "last"} == set(items)
        assert all(worker.poll() is None for worker in workers.processes)
    finally:
        workers.close()
