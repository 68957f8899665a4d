"""An exact index of 256-bit hashes in memory: all within 31 bits of a query. Knows no lists and no database.

Multi-index hashing (Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012): a hash is
cut into 16 bands of 16 bits. Of two hashes at most 31 bits apart, one band differs by at most one bit, since sixteen
bands of two differing bits make 32. So 17 look-ups a band find every one; what else they find is measured in full.

Bits are shuffled first, always in the same way: neighbouring bits of PDQ say similar things, and bands of them would
be crowded (three times the candidates for pictures' hashes; shuffled, hardly more than for random ones).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from moderation.hashlists.columns import Column

_SHUFFLE: Final = np.random.default_rng(256).permutation(256)
_SHUFFLED_AT_ONCE: Final = 1 << 13
#: Up to this distance nothing is missed; farther hashes are found by chance of their bands only.
EXACT_REACH: Final = 31
_BANDS, _KEYS = 16, 1 << 16
#: Which keys to look up, as differences from the query's own, int64 [look-ups, 2] of band and difference: all that are
#: needed for what is near, and the one that is needed for what is equal.
_FLIPS: Final = np.concatenate([[0], 1 << np.arange(16)])
_NEAR: Final = np.stack(np.meshgrid(np.arange(_BANDS), _FLIPS, indexing="ij"), axis=-1).reshape(-1, 2)
_SAME: Final = _NEAR[:1]
#: Rows of a part; a part is sorted once it is full, so that growing never sorts everything again.
PART_ROWS: Final = 1 << 20
#: Newly added rows are compared one by one until there are so many.
LOOSE_ROWS: Final = 1 << 13
#: Look-ups made at once, and candidates compared at once: bounds on memory.
_BUCKETS, _CANDIDATES = 1 << 15, 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Near:
    """Pairs of a query and a stored row, int64 [n] each, with their distance in bits, int32 [n]."""

    query: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.query)

    @classmethod
    def joined(cls, parts: "list[Near]") -> Self:
        """Put parts together, in order."""
        return cls(
            query=np.concatenate([np.empty(0, np.int64), *(part.query for part in parts)]),
            row=np.concatenate([np.empty(0, np.int64), *(part.row for part in parts)]),
            distance=np.concatenate([np.empty(0, np.int32), *(part.distance for part in parts)]),
        )


class HashIndex:
    """Rows of hashes, numbered in the order of their adding; rows are never taken out. One writer at a time.

    Takes about 100 bytes a hash: the hash, and its place in each of sixteen sorted bands.
    """

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    @property
    def nbytes(self) -> int:
        """Bytes the index holds."""
        return sum(part.nbytes for part in self._parts)

    def add(self, hashes: NDArray[np.uint8]) -> int:
        """Add hashes, uint8 [n, 32]; returns the number of the first one's row."""
        first, done = len(self), 0
        hashes = _shuffled(hashes)
        while done < len(hashes):
            if not self._parts or self._parts[-1].full:
                self._parts.append(_Part())
            done += self._parts[-1].add(hashes[done:])
        return first

    def equal(self, hashes: NDArray[np.uint8]) -> Near:
        """Every row that is one of the hashes, uint8 [n, 32]; quick for many of them."""
        return self._look_up(hashes, 0, _SAME)

    def near(self, queries: NDArray[np.uint8], reach: int = EXACT_REACH) -> Near:
        """Every row within `reach` bits of a query, uint8 [q, 32]; beyond 31 bits only those that chance finds.

        A pair may come up more than once.
        """
        return self._look_up(queries, reach, _NEAR)

    def _look_up(self, queries: NDArray[np.uint8], reach: int, keys: NDArray[np.int64]) -> Near:
        queries = _shuffled(queries)
        found: list[Near] = []
        step = _BUCKETS // len(keys)
        for start in range(0, len(queries), step):
            chunk, offset = queries[start : start + step], 0
            for part in self._parts:
                near = part.near(chunk, reach, keys)
                found.append(Near(query=near.query + start, row=near.row + offset, distance=near.distance))
                offset += len(part)
        return Near.joined(found)


def _tables() -> NDArray[np.uint64]:
    """Where the bits of each byte go: uint64 [32, 256, 4], a shuffled hash of this byte in this place alone."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    tables = np.zeros((32, 256, 256), np.uint8)
    for place in range(32):
        tables[place, :, place * 8 : place * 8 + 8] = bits
    return np.packbits(tables[:, :, _SHUFFLE], axis=2).view(np.uint64)


_TABLES: Final = _tables()


def _shuffled(hashes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same hashes, uint8 [n, 32], with their bits in another order."""
    out = np.zeros((len(hashes), 4), np.uint64)
    for start in range(0, len(hashes), _SHUFFLED_AT_ONCE):
        some = slice(start, start + _SHUFFLED_AT_ONCE)
        for table, column in zip(_TABLES, hashes[some].T, strict=True):
            out[some] |= table[column]
    return out.view(np.uint8).reshape(-1, 32)


class _Part:
    """Up to `PART_ROWS` rows: the first of them sorted by every band, the latest few loose."""

    def __init__(self) -> None:
        self._words = Column(np.uint64, 4)
        self._sorted = 0
        #: Where each key of each band begins in `_places`, and the rows in the order of that band's keys.
        self._starts = np.empty(0, np.int32)
        self._places = np.empty(0, np.int32)

    def __len__(self) -> int:
        return len(self._words)

    @property
    def _rows(self) -> NDArray[np.uint64]:
        return self._words.values

    @property
    def full(self) -> bool:
        return len(self) >= PART_ROWS

    @property
    def nbytes(self) -> int:
        return self._words.nbytes + self._starts.nbytes + self._places.nbytes

    def add(self, hashes: NDArray[np.uint8]) -> int:
        """Add as many as there is room for; returns how many."""
        taken = hashes[: PART_ROWS - len(self)]
        self._words.add(np.ascontiguousarray(taken, np.uint8).view(np.uint64).reshape(-1, 4), most=PART_ROWS)
        if self.full or len(self) - self._sorted > LOOSE_ROWS:
            self._sort()
        return len(taken)

    def near(self, queries: NDArray[np.uint8], reach: int, keys: NDArray[np.int64]) -> Near:
        words = queries.view(np.uint64).reshape(-1, 4)
        if len(words) * (len(self) - self._sorted) > _CANDIDATES:
            self._sort()
        parts = self._near_sorted(queries, words, reach, keys) if self._sorted else []
        loose = self._rows[self._sorted :]
        if len(loose):
            apart = np.bitwise_count(words[:, None] ^ loose[None]).sum(axis=-1, dtype=np.int32)
            query, row = np.nonzero(apart <= reach)
            parts.append(Near(query=query, row=row + self._sorted, distance=apart[query, row]))
        return Near.joined(parts)

    def _near_sorted(
        self, queries: NDArray[np.uint8], words: NDArray[np.uint64], reach: int, keys: NDArray[np.int64]
    ) -> list[Near]:
        """Look into every bucket: for each query those of `keys`, in that order."""
        bands, flips = keys.T
        at = (queries.view("<u2")[:, bands].astype(np.int64) ^ flips) + bands * (_KEYS + 1)
        starts = self._starts[at.ravel()].astype(np.int64)
        counts = self._starts[at.ravel() + 1] - starts
        asked = np.repeat(np.arange(len(words)), len(keys))
        ends = np.cumsum(counts)
        # Cut between look-ups, so that a crowded band costs time and not memory.
        cuts = np.searchsorted(ends, np.arange(_CANDIDATES, int(ends[-1]) + _CANDIDATES, _CANDIDATES))
        found, begun = [], 0
        for cut in np.minimum(cuts + 1, len(counts)):
            some = slice(begun, int(cut))
            found.append(self._compare(words, asked[some], starts[some], counts[some], reach))
            begun = int(cut)
        return found

    def _compare(
        self,
        words: NDArray[np.uint64],
        asked: NDArray[np.int64],
        starts: NDArray[np.int64],
        counts: NDArray[np.int64],
        reach: int,
    ) -> Near:
        """Measure what lies in some buckets, of the queries that asked for them."""
        total = np.cumsum(counts)
        if not len(total):
            return Near.joined([])
        place = np.arange(int(total[-1])) + np.repeat(starts - (total - counts), counts)
        rows, query = self._places[place], np.repeat(asked, counts)
        apart = np.bitwise_count(self._rows[rows] ^ words[query]).sum(axis=1, dtype=np.int32)
        kept = np.flatnonzero(apart <= reach)
        return Near(query=query[kept], row=rows[kept].astype(np.int64), distance=apart[kept])

    def _sort(self) -> None:
        count = len(self)
        bands = self._rows.view("<u2").reshape(count, _BANDS)
        places = np.empty((_BANDS, count), np.int32)
        starts = np.zeros((_BANDS, _KEYS + 1), np.int32)
        for band in range(_BANDS):
            keys = np.ascontiguousarray(bands[:, band])
            places[band] = np.argsort(keys, kind="stable")
            np.cumsum(np.bincount(keys, minlength=_KEYS), out=starts[band, 1:])
            starts[band] += band * count
        # `places` is one array of all bands, so that one number says band and place.
        self._places, self._starts, self._sorted = places.ravel(), starts.ravel(), count
