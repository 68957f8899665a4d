"""Pictures of rights holders' works as vectors of one network, in this process's memory and in the database.

Vectors of things, not of people: they lie open. The pictures themselves are not kept.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, References
from moderation.db import Transaction, queries
from moderation.errors import Outage

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("works")
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Pictures as the network in use sees them, and the network with its weights."""

    model: str
    vectors: Floats


def embed(services: "Services", pictures: Sequence[NDArray[np.uint8]]) -> Seen | None:
    """Show pictures (BGR) to the network that compares; None where there is none. Raises Outage when it fails."""
    embedder, model = services.works_embedder if pictures else None, services.works_model
    if embedder is None or model is None:
        return None
    try:
        return Seen(model=model, vectors=embedder.vectors(pictures))
    except DetectorError as error:
        raise Outage("detector:works", str(error)) from error


def keep(tx: Transaction, org: str, work: str, seen: Seen, now: datetime) -> None:
    """Write a work's vectors in the place of any it had."""
    vectors = np.ascontiguousarray(seen.vectors, "<f4")
    row = {"org": org, "work": work, "model": seen.model, "rows": len(vectors), "now": now}
    tx.pg.execute(SQL.keep_vectors, {**row, "vectors": vectors.tobytes()})


class Mirror:
    """References by organisation. An edit is seen by whoever asks after it was committed; only what changed is read."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def current(self, tx: Transaction, model: str | None) -> References | None:
        """What the network `model` saw of the works in force; None where no network compares."""
        if tx.org is None:
            raise ValueError("works belong to an organisation, and this transaction to none")
        if model is None:
            return None
        with self._lock:
            shelf = self._shelves.setdefault(tx.org, _Shelf())
        with shelf.lock:
            return shelf.renew(tx, model)


@dataclass(slots=True, eq=False)
class _Shelf:
    """One organisation's vectors being kept up to date: by work, with the moment they were made."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    known: dict[str, tuple[datetime, Floats]] = field(default_factory=dict)
    made: References | None = None

    def renew(self, tx: Transaction, model: str) -> References:
        listed = tx.pg.execute(SQL.vectors_listed, {"model": model}).fetchall()
        stamps = {work: made_at for work, made_at in listed if made_at is not None}
        unread = len(listed) - len(stamps)
        if self.made is not None and self.made.model != model:
            self.known, self.made = {}, None
        kept = {work: held for work, held in self.known.items() if stamps.get(work) == held[0]}
        new = sorted(stamps.keys() - kept.keys())
        if self.made is None or new or len(kept) != len(self.known):
            kept |= self._read(tx, model, new)
            self.known, self.made = kept, _laid_out(model, kept)
        if self.made.unread != unread:
            made = self.made
            self.made = References(model=model, works=made.works, vectors=made.vectors, unread=unread)
        return self.made

    @staticmethod
    def _read(tx: Transaction, model: str, works: list[str]) -> dict[str, tuple[datetime, Floats]]:
        found = tx.pg.execute(SQL.vectors_of_works, {"model": model, "works": works}).fetchall() if works else []
        return {
            work: (made_at, np.frombuffer(vectors, "<f4").reshape(rows, -1).astype(np.float32))
            for work, made_at, rows, vectors in found
        }


def _laid_out(model: str, known: dict[str, tuple[datetime, Floats]]) -> References:
    works = sorted(known)
    rows = [known[work][1] for work in works]
    return References(
        model=model,
        works=tuple(work for work, held in zip(works, rows, strict=True) for _ in held),
        vectors=np.concatenate(rows) if rows else np.empty((0, 0), np.float32),
    )
