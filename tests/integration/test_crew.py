"""Work spread over processes: whatever becomes of one of them, the run ends, says so, and leaves none behind."""

import multiprocessing
import textwrap
import time
from contextlib import closing

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
                if self.kind == "fails":
                    raise Stubborn("a", "b")
            return batch * 2
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
