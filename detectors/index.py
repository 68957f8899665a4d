"""Find the registered faces near a vector: exactly while they are few, by an HNSW graph when they are many.

Knows rows and distances, no names. Holds vectors as they are given: turned by the organisation's secret.
"""

import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

#: From so many rows on the graph is faster than comparing with all of them, for the eight or so vectors of a track.
GRAPH_FROM: Final = 2_000
#: Neighbours asked for per vector. More people than this within the outer line are no likeness but a broken line.
NEIGHBOURS: Final = 16
#: How the graph is built and searched (Malkov and Yashunin 2016: M, efConstruction, ef); benchmarks/identity_scale.py
#: measures recall and time with these.
CONNECTIVITY: Final = 24
BREADTH_OF_BUILDING: Final = 128
BREADTH_OF_SEARCH: Final = 96
#: The fast comparison errs by less than this near a line (float32 products of vectors of length about 1.4).
_SLACK: Final = 1e-3


class ExactIndex:
    """Compares with every row. Raises ValueError for rows that are no numbers."""

    def __init__(self, rows: Floats) -> None:
        """Take `rows`, float32 [n, dim]; they are not copied."""
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise ValueError("the gallery holds a vector that is not a number")
        self._rows = rows
        self._norms = np.einsum("ij,ij->i", rows, rows)

    def __len__(self) -> int:
        return len(self._rows)

    def near(self, queries: Floats, within: float) -> list[Rows]:
        """See `base.Index`. The work grows with the rows."""
        if not len(self):
            return [np.empty(0, np.int64) for _ in queries]
        rough = self._norms - 2 * (queries @ self._rows.T) + np.einsum("ij,ij->i", queries, queries)[:, None]
        limits = np.maximum((within + _SLACK) ** 2, rough.min(axis=1) + _SLACK)
        return [np.flatnonzero(line <= limit) for line, limit in zip(rough, limits, strict=True)]


class GraphIndex:
    """An HNSW graph (usearch) over half-precision copies of the rows. The work of a question hardly grows with them."""

    def __init__(self, dim: int) -> None:
        from usearch.index import Index as Graph

        self._graph: Any = Graph(
            ndim=dim,
            metric="l2sq",
            dtype="f16",
            connectivity=CONNECTIVITY,
            expansion_add=BREADTH_OF_BUILDING,
            expansion_search=BREADTH_OF_SEARCH,
        )

        #: One at a time: a question while rows are being removed is not promised to be safe.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._graph)

    def add(self, keys: Rows, rows: Floats) -> None:
        """Add rows (float32 [n, dim]) under keys, one after the other: the same calls give the same graph."""
        if not np.isfinite(rows).all():
            raise ValueError("the gallery holds a vector that is not a number")
        with self._lock:
            self._graph.add(keys, rows, threads=1, copy=True)

    def remove(self, keys: Rows) -> None:
        """Forget these keys."""
        with self._lock:
            self._graph.remove(keys, compact=False, threads=1)

    def near(self, queries: Floats, within: float) -> list[Rows]:
        """See `base.Index`; at most `NEIGHBOURS` rows a query, found with the recall that is measured."""
        if not len(self):
            return [np.empty(0, np.int64) for _ in queries]
        return [self._near_one(query, (within + _SLACK) ** 2) for query in queries]

    def _near_one(self, query: Floats, limit: float) -> Rows:
        with self._lock:
            found = self._graph.search(query, NEIGHBOURS, threads=1)
        keys, squares = np.asarray(found.keys, np.int64), np.asarray(found.distances)
        inside = squares <= limit
        inside[:1] = True
        return keys[inside]
