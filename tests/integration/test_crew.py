"""Work spread over processes: whatever becomes of one of them, the run ends, says so, and leaves none behind."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest

from moderation.errors import Outage, Unprocessable
from moderation.rehearsing.crew import carry_out

#: Work of many kinds, in a module that other processes can import too.
CHORES = """
    import os, signal, time
    from dataclasses import dataclass
    from moderation.errors import Unprocessable

    class Stubborn(Exception):
        def __init__(self, one, two):
            super().__init__(f"{one} {two}")

    @dataclass
    class Chore:
        kind: str
        ballast: str = ""

        def begin(self, database):
            if self.kind == "dies at once":
                os._exit(3)
            if self.kind == "cannot begin":
                raise Unprocessable("no such rule")
            return self.do

        def do(self, batch):
            if self.kind == "late" and batch == 0:
                time.sleep(0.5)
            if batch == 5:
                if self.kind == "dies":
                    os.kill(os.getpid(), signal.SIGKILL)
                if self.kind == "hangs":
                    time.sleep(600)
            if self.kind == "slow":
                time.sleep(0.2)
            if batch == 5:
                if self.kind == "fails":
                    raise Stubborn("a", "b")
            return batch * 2
"""


#: Tells who its processes are, and has them work.
BEGAN = """
    import json, multiprocessing, sys
    from itertools import count
    from chores import Chore
    from moderation.interrupts import Interrupts
    from moderation.rehearsing.crew import carry_out

    if __name__ == "__main__":
        Interrupts().take()
        for answer in carry_out(Chore(sys.argv[1]), count(), "postgresql://nobody", 2):
            if answer == 8:
                print(json.dumps([child.pid for child in multiprocessing.active_children()]), flush=True)
"""


@pytest.fixture
def chores(tmp_path, monkeypatch):
    (tmp_path / "chores.py").write_text(textwrap.dedent(CHORES), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return __import__("chores")


def run(work, batches=range(12), patience: float = 60.0):
    """Carry out with two processes; the database is never asked."""
    with closing(carry_out(work, batches, "postgresql://nobody", 2, patience=patience)) as parts:
        return list(parts)


def test_results_come_in_order_however_late_one_is(chores):
    assert run(chores.Chore("late")) == [2 * batch for batch in range(12)]
    assert multiprocessing.active_children() == []


def test_work_batches_and_results_may_be_larger_than_a_pipe(chores):
    batch = "y" * 3_000_000
    assert run(chores.Chore("", "z" * 3_000_000), [batch] * 6) == [batch * 2] * 6


@pytest.mark.parametrize(("kind", "code"), [("dies", -9), ("dies at once", 3)])
def test_a_process_that_dies_ends_the_run(chores, kind: str, code: int):
    with pytest.raises(Outage, match=rf"died \(exit code {code}\)"):
        run(chores.Chore(kind))
    assert multiprocessing.active_children() == []


def test_a_process_that_hangs_ends_the_run(chores):
    began = time.monotonic()
    with pytest.raises(Outage, match="said nothing for 6 s"):
        run(chores.Chore("hangs"), patience=6)
    assert time.monotonic() - began < 60
    assert multiprocessing.active_children() == []


def test_what_the_work_raises_is_raised_here_as_far_as_it_travels(chores):
    with pytest.raises(Unprocessable, match="no such rule"):
        run(chores.Chore("cannot begin"))
    with pytest.raises(Outage, match="Stubborn: a b"):
        run(chores.Chore("fails"))
    assert multiprocessing.active_children() == []


def test_who_stops_listening_leaves_no_process_behind(chores):
    with closing(carry_out(chores.Chore(""), iter(range(1000)), "postgresql://nobody", 2)) as parts:
        assert next(parts) == 0
        assert len(multiprocessing.active_children()) == 2
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("signal_", "kind"), [(signal.SIGINT, "hangs"), (signal.SIGTERM, "hangs"), (signal.SIGKILL, "slow")]
)
def test_no_process_outlives_the_one_that_began(chores, tmp_path, signal_: signal.Signals, kind: str):
    """Ctrl-C and SIGTERM end processes at whatever they are; of one that is killed, the others find the line closed."""
    script = tmp_path / "began.py"
    script.write_text(textwrap.dedent(BEGAN), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    with subprocess.Popen(
        [sys.executable, str(script), kind],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as began:
        assert began.stdout is not None
        children = json.loads(began.stdout.readline())
        assert len(children) == 2
        # A terminal sends Ctrl-C to all of them.
        os.killpg(began.pid, signal_) if signal_ is signal.SIGINT else began.send_signal(signal_)
        began.wait(60)
    until = time.monotonic() + 30
    while any(map(runs, children)) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(runs, children))


def runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
