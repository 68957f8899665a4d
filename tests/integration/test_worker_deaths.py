"""Workers and the database die in the middle of work: whatever was accepted still comes to its end, once."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from moderation import guard

WORKER = Path(__file__).resolve().parent.parent / "assets" / "worker.py"


class Workers:
    """Worker processes over one database."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.processes: list[subprocess.Popen[str]] = []
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("create table effects (id serial, item text, step text, pid int)")

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


def kill_in_mid_step(work, workers: Workers, *, guarded: bool) -> list[str]:
    """Kill one of two workers while slow steps run in both; return the items, all of them accepted."""
    items = [f"i{n}" for n in range(12)]
    first = workers.start("w1", guarded=guarded)
    workers.start("w2", guarded=guarded)
    work.enqueue("pipe", *items)
    slow = "select count(*) filter (where step = 'slow') > count(*) filter (where step = 'slow done') from effects"
    while True:
        work.until(lambda: work.scalar(f"{slow} where pid = {first.pid}"))
        # Stopped, it cannot end the step before it is killed.
        first.send_signal(signal.SIGSTOP)
        if work.scalar(f"{slow} where pid = {first.pid}"):
            break
        first.send_signal(signal.SIGCONT)
    first.kill()
    return items


@pytest.mark.full
def test_the_work_of_a_killed_worker_is_finished_by_another(work, workers: Workers):
    items = kill_in_mid_step(work, workers, guarded=True)
    work.until(work.done, 60)
    seen = work.effects()
    for item in items:
        assert seen[item, "last"] >= 1
        # Finished steps are not done again; the one in flight is.
        assert seen[item, "first"] == 1
        assert seen[item, "slow done"] == 1
        assert seen[item, "slow"] <= 2
    assert any(seen[item, "slow"] == 2 for item in items)


@pytest.mark.full
def test_without_the_guard_the_work_of_a_killed_worker_is_stranded(work, workers: Workers):
    kill_in_mid_step(work, workers, guarded=False)
    stranded = "select count(*) from dbos.workflow_status where status = 'PENDING' and executor_id = 'w1'"
    time.sleep(3 * guard.LOOKS * guard.LOOK_SECONDS + 6)
    assert work.scalar(stranded) > 0
    assert "SUCCESS" in work.states()
    # Any guarded worker takes it up.
    workers.start("w3")
    work.until(work.done, 60)


@pytest.mark.full
def test_a_step_that_kills_its_worker_is_given_up_and_the_rest_goes_on(work, workers: Workers):
    workers.start("w0")
    work.enqueue("poisoned", "poison")
    work.enqueue("pipe", "good1", "good2")
    for n in itertools.count(1):
        work.until(lambda: workers.processes[-1].poll() is not None or work.done(), 60)
        if workers.processes[-1].poll() is None:
            break
        assert n < 6, "it never ends"
        workers.start(f"w{n}")
    seen = work.effects()
    assert seen["poison", "deadly"] == 3
    assert seen["poison", "fault: processing_failed"] == 1
    # Once, or again where a worker died between doing a step and writing it down.
    assert min(seen["good1", "last"], seen["good2", "last"]) >= 1


@pytest.mark.full
def test_a_workflow_that_kills_its_workers_becomes_a_dead_letter(
    work, workers: Workers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("WORKER_CRASHES", "2")
    work.enqueue("suicidal", "poison")
    for name in ("w0", "w1"):
        workers.start(name)
        work.until(lambda: workers.processes[-1].poll() is not None)
    workers.start("last")
    work.until(lambda: work.effects()["poison", "buried: suicidal MAX_RECOVERY_ATTEMPTS_EXCEEDED"], 60)
    assert work.effects()["poison", "deadly"] == 2
    work.until(lambda: work.states() == set())


@pytest.mark.full
def test_a_worker_that_lost_its_lock_cannot_finish_what_others_took_over(work, workers: Workers):
    # Its guard's connections are cut as fast as they come: to the others it is dead, and yet it runs.
    workers.start("w1", seconds=12)
    work.enqueue("pipe", "x")
    work.until(lambda: work.effects()["x", "slow"])
    workers.start("w2", seconds=2)
    cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'guard w1'"

    def taken() -> object:
        work.scalar(cut)
        return work.effects()["x", "slow"] == 2

    work.until(taken, 60)
    work.until(work.done, 60)
    time.sleep(10)
    seen = work.effects()
    assert seen["x", "last"] == 1
    assert seen["x", "first"] == 1


@pytest.mark.full
def test_work_goes_on_after_postgres_was_killed(mortal):
    server, work = mortal
    workers = Workers(work.dsn)
    try:
        workers.start("w1", seconds=1)
        workers.start("w2", seconds=1)
        items = [f"i{n}" for n in range(16)]
        work.enqueue("pipe", *items)
        for count in (4, 12):
            work.until(lambda: sum(n for (_, step), n in work.effects().items() if step == "slow") >= count)  # noqa: B023
            os.kill(server.pid(), signal.SIGKILL)
            time.sleep(1)
            assert server.watch()
        work.until(work.done, 60)
        seen = work.effects()
        assert {item for item, step in seen if step == "last"} == set(items)
        assert all(worker.poll() is None for worker in workers.processes)
    finally:
        workers.close()
