"""Spreads work over processes: batches in, results out, a few under way at a time, so that memory stays as it is."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

from moderation.db import Database
from moderation.errors import Outage

B = TypeVar("B")
R = TypeVar("R")
Taken_contra = TypeVar("Taken_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)
#: Batches that wait or are worked on, for each process.
AHEAD = 3
#: With fewer batches than this, starting processes takes longer than the work.
WORTH_IT = 4

_bench: Callable[[Any], Any] | None = None


class Work(Protocol[Taken_contra, Made_co]):
    """What to do with a batch; can be pickled. `begin` makes what it needs once in each process."""

    def begin(self, database: Database) -> Callable[[Taken_contra], Made_co]:
        """Return what does a batch."""
        ...


def carry_out(work: Work[B, R], batches: Iterable[B], dsn: str, processes: int) -> Iterator[R]:
    """Do every batch and give the results in order. Raises what the work raises; Outage when a process dies.

    Little work, or one process, is done here.
    """
    found = iter(batches)
    first = list(islice(found, WORTH_IT))
    if processes <= 1 or len(first) < WORTH_IT:
        yield from _alone(work, chain(first, found), dsn)
    else:
        yield from _together(work, chain(first, found), dsn, processes)


def _alone(work: Work[B, R], batches: Iterable[B], dsn: str) -> Iterator[R]:
    database = Database(dsn, connections=1)
    try:
        do = work.begin(database)
        for batch in batches:
            yield do(batch)
    finally:
        database.close()


def _together(work: Work[B, R], batches: Iterable[B], dsn: str, processes: int) -> Iterator[R]:
    # Spawned, not forked: a fork would share the parent's connections and locks.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_settle_in, initargs=(work, dsn))
    under_way: deque[Future[R]] = deque()
    with ExitStack() as ending:
        ending.callback(pool.shutdown, cancel_futures=True)
        try:
            for batch in batches:
                under_way.append(pool.submit(_do, batch))
                if len(under_way) >= AHEAD * processes:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool as error:
            raise Outage("rehearsal", "a process that judged stored records died; nothing was counted") from error


def _settle_in(work: Work[B, R], dsn: str) -> None:
    global _bench  # noqa: PLW0603 - a pool's processes have no other place to keep what they were given
    _bench = work.begin(Database(dsn, connections=1))


def _do(batch: Any) -> Any:
    assert _bench is not None
    return _bench(batch)
