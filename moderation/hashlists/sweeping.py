"""Older releases meet newly listed hashes: a clip that shows one is judged again. Decides nothing itself.

Each version of a list is compared once with every stored print, a batch at a time. What a batch found is acted on
before its progress is committed; a batch done twice only judges a clip twice.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from moderation import audit, outbox
from moderation.clips import Status
from moderation.db import Transaction, queries, row
from moderation.db.clips import next_generation, read_clip
from moderation.hashlists.columns import Column
from moderation.hashlists.index import HashIndex
from moderation.hashlists.lists import Category
from moderation.hashlists.mirror import copy_changes
from moderation.hashlists.prints import QUALITY, ClipPrint
from watermark.fingerprint import SAME_PICTURE

if TYPE_CHECKING:
    from moderation.services import Services

SQL, CASES, RECORDS = queries("hashlists"), queries("cases"), queries("records")
#: Clips compared in one transaction, and how long one round of the sweep goes on beginning such batches.
BATCH: Final = 50
ROUND_SECONDS: Final = 0.5
#: From which share of a batch's hashes on the entries are what is looked into: a question costs more than a stored row.
_QUERIES: Final = 0.2
#: A clip that is still on its way may have been judged just before the hash was listed.
_REACHED: Final = frozenset({Status.RELEASED, Status.PROCESSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A list whose entries after version `done` are compared with clips whose prints lie after `after_print`."""

    list_no: int
    list_id: str
    org_id: str
    category: str
    done: int
    until: int
    after_print: int
    last_print: int

    @property
    def reached(self) -> frozenset[Status]:
        """States of clips that are judged again. What is known to be illegal is taken from reviewers' hands too."""
        return _REACHED | ({Status.IN_REVIEW} if self.category == Category.KNOWN_ILLEGAL else set())


class Sweeper:
    """One worker's share of the sweep: over all workers, one batch at a time is compared."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._entries: tuple[tuple[int, int], NDArray[np.uint8], HashIndex] | None = None

    def sweep(self) -> int:
        """Compare batches for about half a second; returns how many clips are judged again because of them."""
        until, found = time.monotonic() + ROUND_SECONDS, 0
        while (more := self._sweep_batch()) is not None:
            found += more
            if time.monotonic() > until:
                return found
        self._entries = None
        return found

    def _sweep_batch(self) -> int | None:
        """The clips of one batch that are judged again; None when there is nothing to do, or another worker does it."""
        with self._services.database.system_transaction() as tx:
            if tx.pg.execute(SQL.sweep_turn).fetchone() != (True,):
                return None
            for statement in (SQL.new_sweeps, SQL.forget_sweeps, SQL.begin_sweeps):
                tx.pg.execute(statement)
            task = row(tx, SQL.next_sweep, Task)
            if task is None:
                return None
            clips, after = self._matches(tx, task)
            again = sum(judge_again(self._services, org, clip, task) for org, clip in clips)
            end = {"list_no": task.list_no, "done": task.until}
            tx.pg.execute(SQL.end_sweep if after is None else SQL.advance_sweep, {**end, "after": after})
        return again

    def _matches(self, tx: Transaction, task: Task) -> tuple[list[tuple[str, str]], int | None]:
        """Organisation and id of the clips of a batch that show an entry, and the batch's last print if it was full."""
        where = {
            "list_no": task.list_no,
            "org": task.org_id,
            "done": task.done,
            "after": task.after_print,
            "last": task.last_print,
            "states": [str(state) for state in task.reached],
            "limit": BATCH,
        }
        found = tx.pg.execute(SQL.prints_to_sweep, where).fetchall()
        prints = [ClipPrint.from_bytes(bytes(body)).hashes.reshape(-1, 32) for *_, body in found]
        shown = self._shown(tx, task, prints) if found else set()
        matched = [(org, clip) for at, (_, org, clip, listed, _) in enumerate(found) if listed or at in shown]
        return matched, found[-1][0] if len(found) == BATCH else None

    def _shown(self, tx: Transaction, task: Task, prints: list[NDArray[np.uint8]]) -> set[int]:
        """Which of some prints show an entry in any orientation; the fewer hashes are what is asked about."""
        entries, index = self._entries_of(tx, task)
        hashes, owners = np.concatenate(prints), np.repeat(np.arange(len(prints)), [len(each) for each in prints])
        if len(entries) > len(hashes) * _QUERIES:
            return set(owners[index.near(hashes, SAME_PICTURE).query].tolist())
        among = HashIndex()
        among.add(hashes)
        return set(owners[among.near(entries, SAME_PICTURE).row].tolist())

    def _entries_of(self, tx: Transaction, task: Task) -> tuple[NDArray[np.uint8], HashIndex]:
        """The entries of a task, uint8 [n, 32], and an index of them; kept until the task is done."""
        key = (task.list_no, task.until)
        if self._entries is None or self._entries[0] != key:
            column, index = Column(np.uint8, 32), HashIndex()
            for batch in copy_changes(tx, {"list_no": task.list_no, "after": task.done, "quality": QUALITY}):
                column.add(np.ascontiguousarray(batch["hash"][batch["live"]]))
            index.add(column.values)
            self._entries = key, column.values, index
        return self._entries[1:]


def judge_again(services: "Services", org: str, clip_id: str, task: Task) -> bool:
    """Take a clip back and send it through the pipeline once more; False when it has moved on meanwhile."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state not in task.reached:
            return False
        tx.pg.execute(RECORDS.withdraw_release, {"clip": clip_id, "now": now})
        tx.pg.execute(CASES.close_cases, {"clip": clip_id, "now": now})
        audit.record(tx, now, "system", "clip.hash_listed", clip_id, list=task.list_id)
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))
    return True
