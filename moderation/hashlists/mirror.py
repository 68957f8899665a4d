"""This process's copies of the lists and of our own clips' prints, as indexes; brought up to date before a look-up.

Postgres is the truth; a copy holds hashes and numbers only. A change is seen by the first look-up after its commit.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from moderation.db import Database, Transaction, queries, rows
from moderation.hashlists.columns import Column
from moderation.hashlists.index import HashIndex
from moderation.hashlists.lists import DEPLOYMENT
from moderation.hashlists.prints import QUALITY

SQL = queries("hashlists")
#: Rows taken over at once.
_BATCH: Final = 1 << 18
#: Numbers are given out before a transaction commits: so many of the latest prints are looked through again.
OVERLAP: Final = 200
#: Stands for an entry without an item; items themselves are told by 63 bits of a hash of their name.
NO_ITEM: Final = -1
#: A row of `changed_entries` in PostgreSQL's binary COPY format: a count of fields, then length and value of each.
_ROW: Final = np.dtype(
    [("n", ">i2"), ("l0", ">i4"), ("hash", "u1", 32), ("l1", ">i4"), ("live", "?"), ("l2", ">i4"), ("item", ">i8")]
)
_COPY_HEAD, _COPY_TAIL = 19, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ListState:
    """A list as it stands in the database."""

    list_no: int
    org_id: str
    name: str
    category: str
    enabled: bool
    version: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hits:
    """Stored hashes near a query's, arrays [n]: place in the query, row, distance, and what the row belongs to.

    `source` is the number of the list; `item` tells hashes of one video from another's.
    """

    query: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: NDArray[np.int32]
    source: NDArray[np.int32]
    item: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnHits:
    """What one of our own clips shows of a query, arrays [n] as of `Hits`; `frames` is how many hashes the clip has."""

    clip: str
    frames: int
    query: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: NDArray[np.int32]


class ListMirror:
    """Every list's PDQ entries of quality 50 and more, over all organisations, as one index. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._index = HashIndex()
        #: Parallel to the index's rows.
        self._lists, self._items, self._live = Column(np.int32), Column(np.int64), Column(np.bool_)
        self._states: dict[int, ListState] = {}
        self._seen: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._index.nbytes + self._lists.nbytes + self._items.nbytes + self._live.nbytes

    def refresh(self, database: Database) -> None:
        """Take over what changed since the last time."""
        with self._lock, database.system_transaction() as tx:
            states = {state.list_no: state for state in rows(tx, SQL.versions, ListState)}
            try:
                for number, state in states.items():
                    if self._seen.get(number, -1) < state.version:
                        self._take_over(tx, number)
                        self._seen[number] = state.version
            except BaseException:
                # Half a list must not be taken for a whole one, nor stand there twice after the next try.
                self._forget()
                raise
            self._states = states

    def lists(self, org: str, category: str) -> dict[int, str]:
        """Names by number of the lists in force for an organisation: its own and the deployment's."""
        return {
            number: state.name
            for number, state in self._states.items()
            if state.enabled and state.category == category and state.org_id in (org, DEPLOYMENT)
        }

    def near(self, hashes: NDArray[np.uint8], lists: "set[int] | dict[int, str]", reach: int) -> Hits:
        """What these lists hold within `reach` bits of hashes, uint8 [n, 32]. No pair comes up twice."""
        with self._lock:
            near = self._index.near(hashes, reach)
            _, once = np.unique(near.query * (len(self) + 1) + near.row, return_index=True)
            wanted = np.isin(self._lists.values[near.row[once]], list(lists)) & self._live.values[near.row[once]]
            kept = once[wanted]
            row = near.row[kept]
            return Hits(
                query=near.query[kept],
                row=row,
                distance=near.distance[kept],
                source=self._lists.values[row],
                # Entries without an item are items of their own, numbered by their rows.
                item=np.where(self._items.values[row] == NO_ITEM, NO_ITEM - 1 - row, self._items.values[row]),
            )

    def size_of(self, list_no: int, item: int) -> int:
        """How many hashes in force an item has in a list."""
        if item < NO_ITEM:
            return 1
        with self._lock:
            same = (self._items.values == item) & (self._lists.values == list_no) & self._live.values
            return int(np.count_nonzero(same))

    def _take_over(self, tx: Transaction, list_no: int) -> None:
        fresh = list_no not in self._seen
        where = {"list_no": list_no, "after": self._seen.get(list_no, -1), "quality": QUALITY}
        for batch in copy_changes(tx, where):
            hashes = np.ascontiguousarray(batch["hash"])
            known = np.full(len(batch), -1) if fresh else self._rows_of(hashes, list_no)
            self._live.values[known[known >= 0]] = batch["live"][known >= 0]
            new = known < 0
            self._index.add(hashes[new])
            self._lists.add(np.full(int(new.sum()), list_no, np.int32))
            self._items.add(batch["item"][new].astype(np.int64))
            self._live.add(batch["live"][new])

    def _rows_of(self, hashes: NDArray[np.uint8], list_no: int) -> NDArray[np.int64]:
        """The row of each hash in a list, -1 where it is new."""
        near = self._index.equal(hashes)
        mine = self._lists.values[near.row] == list_no
        found = np.full(len(hashes), -1)
        found[near.query[mine]] = near.row[mine]
        return found


def copy_changes(tx: Transaction, where: dict[str, int]) -> Iterator[NDArray[Any]]:
    """Changed entries in batches, as arrays of `_ROW`."""
    held = bytearray()
    with tx.pg.cursor() as cursor, cursor.copy(SQL.changed_entries, where) as copy:
        skipped = False
        for data in copy:
            held += data
            if not skipped and len(held) >= _COPY_HEAD:
                del held[:_COPY_HEAD]
                skipped = True
            if len(held) > _BATCH * _ROW.itemsize:
                whole = len(held) // _ROW.itemsize * _ROW.itemsize - _ROW.itemsize
                yield np.frombuffer(bytes(held[:whole]), _ROW)
                del held[:whole]
    yield np.frombuffer(bytes(held[: len(held) - _COPY_TAIL]), _ROW)


class ClipMirror:
    """The prints of the newest clips, over all organisations, as one index. Thread-safe."""

    def __init__(self, clips: int) -> None:
        """Hold at least the newest `clips`, and at most twice as many."""
        self._most = clips
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._index, self._owners = HashIndex(), Column(np.int32)
        self._clips: list[str] = []
        self._sizes: list[int] = []
        self._numbers: set[int] = set()
        self._latest = 0

    def refresh(self, database: Database) -> None:
        """Take over the prints that are new."""
        if not self._most:
            return
        with self._lock, database.system_transaction() as tx:
            if len(self._clips) > 2 * self._most:
                self._forget()
            where = {"after": self._latest - OVERLAP, "limit": self._most}
            for number, clip, body in tx.pg.execute(SQL.latest_prints, where).fetchall():
                if number not in self._numbers:
                    self._add(number, clip, np.frombuffer(bytes(body), np.uint8).reshape(-1, 32))
            self._latest = max(self._numbers, default=0)
            self._numbers = {number for number in self._numbers if number > self._latest - OVERLAP}

    def near(self, hashes: NDArray[np.uint8], reach: int) -> list[OwnHits]:
        """What our own clips showed within `reach` bits of hashes, uint8 [n, 32], by clip; may name a pair twice."""
        with self._lock:
            near = self._index.near(hashes, reach)
            owners = self._owners.values[near.row]
            # Named here: outside of the lock, another thread's refresh may number the clips anew.
            return [
                OwnHits(
                    clip=self._clips[owner],
                    frames=self._sizes[owner],
                    query=near.query[owners == owner],
                    row=near.row[owners == owner],
                    distance=near.distance[owners == owner],
                )
                for owner in np.unique(owners).tolist()
            ]

    def _add(self, number: int, clip: str, hashes: NDArray[np.uint8]) -> None:
        self._numbers.add(number)
        self._index.add(hashes)
        self._owners.add(np.full(len(hashes), len(self._clips), np.int32))
        self._clips.append(clip)
        self._sizes.append(len(hashes))
