"""A worker process for tests of the engine: notes every step it does in `effects`, and dies when it is told to.

Arguments: database URL, executor id, "guarded" or "unguarded", seconds that the slow step takes.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from moderation import engine as engine_module
from moderation.db import Database
from moderation.engine import DeadLetter, Engine
from moderation.errors import ClipFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    function: Callable[..., object]
    queue: str | None = None


def note(database, item, step):
    with database.system_transaction() as tx:
        tx.pg.execute("insert into effects (item, step, pid) values (%s, %s, %s)", [item, step, os.getpid()])


def quick(database, item, step):
    note(database, item, step)
    return step


def slow(database, item):
    note(database, item, "slow")
    time.sleep(SECONDS)
    note(database, item, "slow done")
    return "slow"


def deadly(database, item):
    note(database, item, "deadly")
    os.kill(os.getpid(), signal.SIGKILL)


def pipe(steps, item):
    steps.run("quick", item, "first")
    steps.start("slow", item)()
    steps.run("quick", item, "last")


def poisoned(steps, item):
    try:
        steps.start("deadly", item)()
    except ClipFault as fault:
        steps.run("quick", item, f"fault: {fault.reason}")


def suicidal(steps, item):
    steps.run("deadly", item)


def bury(letter: DeadLetter):
    note(DATABASE, letter.args[0], f"buried: {letter.workflow} {letter.status}")


WORKFLOWS = {"pipe": pipe, "poisoned": poisoned, "suicidal": suicidal}
STEPS = {
    "quick": Step(function=quick),
    "slow": Step(function=slow, queue="work"),
    "deadly": Step(function=deadly, queue="work"),
}

if __name__ == "__main__":
    dsn, executor, guarded, seconds = sys.argv[1:]
    engine_module.WORKFLOW_CRASHES = int(os.environ.get("WORKER_CRASHES", engine_module.WORKFLOW_CRASHES))
    SECONDS = float(seconds)
    DATABASE = Database(dsn)
    engine = Engine(
        dsn, WORKFLOWS, STEPS, DATABASE, executor_id=executor, guard=guarded == "guarded", on_dead_letter=bury
    )
    engine.launch({"clips": 8, "work": 4})
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    engine.shutdown(seconds=0)
    os._exit(0)
