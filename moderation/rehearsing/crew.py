"""Spreads work over processes: batches in, results out, a few under way at a time, so that memory stays as it is.

A process that dies or says nothing for long ends the run; none outlives it.
"""

import contextlib
import multiprocessing
import pickle
import signal
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Protocol, TypeVar

from moderation.db import Database
from moderation.errors import Outage

B = TypeVar("B")
R = TypeVar("R")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)
#: Batches that are worked on, or are done before an earlier one, for each process.
AHEAD: Final = 3
#: With fewer batches than this, starting processes takes longer than the work.
WORTH_IT: Final = 4
#: Seconds without a word from a process that has something to do. A machine that is busy with other things may give it
#: one core second in fifty.
PATIENCE: Final = 300.0
#: Seconds that a process has to end when it is told to.
ENDING: Final = 5.0
_HERE: Final = "here"


class Work(Protocol[Taken_contra, Made_co]):
    """What to do with a batch; can be pickled. `begin` makes what it needs once in each process."""

    def begin(self, database: Database) -> Callable[[Taken_contra], Made_co]:
        """Return what does a batch."""
        ...


def carry_out(
    work: Work[B, R], batches: Iterable[B], dsn: str, processes: int, *, patience: float = PATIENCE
) -> Generator[R, None, None]:
    """Do every batch and give the results in order. Raises what the work raises; Outage when a process dies or hangs.

    Little work, or one process, is done here. Close the iterator to end the processes early.
    """
    found = iter(batches)
    first = list(islice(found, WORTH_IT))
    if processes <= 1 or len(first) < WORTH_IT:
        yield from _alone(work, chain(first, found), dsn)
        return
    with contextlib.ExitStack() as ending:
        crew = _Crew(work=work, members=[_hire(dsn, ending) for _ in range(processes)], patience=patience)
        yield from crew.do(chain(first, found))


def _alone(work: Work[B, R], batches: Iterable[B], dsn: str) -> Iterator[R]:
    database = Database(dsn, connections=1)
    try:
        do = work.begin(database)
        for batch in batches:
            yield do(batch)
    finally:
        database.close()


@dataclass(slots=True, kw_only=True, eq=False)
class _Member:
    """One process. It is sent something only while it waits for it: neither side waits for the other in vain."""

    process: BaseProcess
    line: Connection
    heard: float = field(default_factory=time.monotonic)
    #: Whether it knows what the work is.
    ready: bool = False
    #: The number of the batch it is at.
    at: int | None = None

    @property
    def free(self) -> bool:
        """Whether it waits for a batch."""
        return self.ready and self.at is None

    def send(self, message: object) -> None:
        """Give it something to do. Raises Outage when it is dead."""
        self.heard = time.monotonic()
        try:
            self.line.send(message)
        except OSError:
            raise self._dead() from None

    def receive(self) -> Any:
        """Take its answer. Raises what its work raised; Outage when it is dead."""
        try:
            fault, answer = self.line.recv()
        except (EOFError, OSError):
            raise self._dead() from None
        if fault:
            raise answer
        return answer

    def _dead(self) -> Outage:
        self.process.join(ENDING)
        how = f"a process that judged stored records died (exit code {self.process.exitcode})"
        return Outage("rehearsal", f"{how}; nothing was counted")


@dataclass(slots=True, kw_only=True)
class _Crew:
    """Processes, what they are at, and what is done already although an earlier batch is not."""

    work: Any
    members: Sequence[_Member]
    patience: float
    done: dict[int, Any] = field(default_factory=dict)

    def do(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Give the results in the order of the batches."""
        numbered = enumerate(batches)
        following, given = next(numbered, None), 0
        while following is not None or any(member.at is not None for member in self.members):
            for member in self.members:
                if member.free and following is not None and following[0] < given + AHEAD * len(self.members):
                    member.at = following[0]
                    member.send(following[1])
                    following = next(numbered, None)
            self._listen()
            while given in self.done:
                yield self.done.pop(given)
                given += 1

    def _listen(self) -> None:
        """Take the next answers. Raises Outage when patience is over."""
        busy = [member for member in self.members if not member.free]
        until = min(member.heard for member in busy) + self.patience
        heard = wait([member.line for member in busy], max(0.0, until - time.monotonic()))
        if not heard:
            raise Outage("rehearsal", f"a process that judged stored records said nothing for {self.patience:g} s")
        for member in busy:
            if member.line in heard:
                self._take(member)

    def _take(self, member: _Member) -> None:
        answer = member.receive()
        if member.at is not None:
            self.done[member.at] = answer
            member.at = None
        elif answer == _HERE:
            member.send(self.work)
        else:
            member.ready = True


def _hire(dsn: str, ending: contextlib.ExitStack) -> _Member:
    # Spawned, not forked: a fork would share the parent's connections and locks. What the work is, it is sent when it
    # listens: it is more than a pipe holds, and nobody reads the pipe of a process that does not come up.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    ending.callback(here.close)
    process = context.Process(target=_labour, args=(there, dsn), daemon=True)
    process.start()
    ending.callback(_dismiss, process)
    there.close()
    return _Member(process=process, line=here)


def _dismiss(process: BaseProcess) -> None:
    process.terminate()
    process.join(ENDING)
    if process.exitcode is None:
        process.kill()
        process.join(ENDING)


def _labour(line: Connection, dsn: str) -> None:
    """Do batches until nobody sends any: whoever did closed the line, or died."""
    # Ctrl-C reaches all processes of a terminal; the one that began the work ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    database = Database(dsn, connections=1)
    with contextlib.suppress(EOFError, OSError):
        line.send((False, _HERE))
        work = line.recv()
        do: list[Callable[[Any], Any]] = []
        line.send(_attempt(lambda: do.append(work.begin(database))))
        while do:
            batch = line.recv()
            line.send(_attempt(partial(do[0], batch)))


def _attempt(act: Callable[[], Any]) -> tuple[bool, Any]:
    """Return whether it failed, and what came of it: the answer or the error."""
    try:
        return False, act()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the work was given out
        try:
            told = pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process's own making
        except Exception:  # noqa: BLE001 - errors that do not travel
            told = None
        return True, error if type(told) is type(error) else Outage("rehearsal", f"{type(error).__name__}: {error}")
