"""A real worker over a real state that dies where it is told: `python mortal_worker.py STATE ORDERS [unguarded]`.

ORDERS is a folder; a file `STEP.MOMENT` in it is an order to die (SIGKILL) once, at that moment of the next such
step: `before` it, `inside` it (in the middle of its work, before its transaction commits), or `after` it (its effects
are there, its answer is not yet kept).
"""

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from moderation import steps, working
from moderation.assembly import open_services
from moderation.db import Database
from moderation.settings import Settings

STATE, ORDERS = Path(sys.argv[1]), Path(sys.argv[2])
GUARDED = "unguarded" not in sys.argv
#: Steps whose work is one transaction die in it, the others some time after they began.
LONG = {"screen": 0.02, "detect": 0.6, "mark": 0.3, "prove": 0.3, "fetch": 0.1, "deliver": 0.02}
die_in_transaction = threading.local()


def ordered(step: str, moment: str) -> bool:
    """Take an order, if there is one: of several workers exactly one gets it."""
    try:
        (ORDERS / f"{step}.{moment}").rename(ORDERS.parent / "done" / f"{step}.{moment}.{os.getpid()}")
    except FileNotFoundError:
        return False
    return True


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def mortal(name, function):
    def step(services, *args):
        if ordered(name, "before"):
            die()
        if ordered(name, "inside"):
            if name in LONG:
                threading.Timer(LONG[name], die).start()
            else:
                die_in_transaction.armed = True
        answer = function(services, *args)
        if ordered(name, "after"):
            die()
        return answer

    return step


original = Database.transaction


@contextmanager
def transaction(self, org="default"):
    with original(self, org) as tx:
        yield tx
        if getattr(die_in_transaction, "armed", False):
            die()


Database.transaction = transaction
steps.STEPS.update(
    {name: steps.Step(function=mortal(name, step.function), queue=step.queue) for name, step in steps.STEPS.items()}
)

settings = Settings(state=STATE, env="development", webhooks={"allow_loopback": True})
with open_services(settings, sandbox_children=2) as services:
    engine = working.make_engine(services, guard=GUARDED)
    engine.launch(dict(steps.QUEUES))
    print("ready", flush=True)
    stop = working.stop_on_signals()
    working.sweep_until(services, engine, list(steps.QUEUES), stop)
    engine.shutdown()
sys.stdout.flush()
time.sleep(0)
os._exit(0)
