"""The registered faces and voices of each organisation in this process's memory, as they stood when a clip asked.

Reads the registry and nothing else. What it holds is biometric: it is written nowhere.
"""

import threading
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.base import Gallery, Index
from detectors.index import GRAPH_FROM, ExactIndex, GraphIndex
from moderation.consent import changed_since, gallery_version, rotation_of
from moderation.db import Transaction, queries
from moderation.vault import Vault

SQL = queries("people")
Floats = NDArray[np.float32]

#: Vectors fetched at once, to bound memory.
_BLOCK: Final = 20_000
#: When more than this share of the rows belong to nobody any more, everything is laid out anew.
_MOST_GONE: Final = 0.25


class Galleries:
    """Galleries by organisation and model. An edit is seen by whoever asks after it was committed.

    Asking costs one small query while nothing changed; after an edit, the templates of whoever it changed.
    """

    def __init__(self) -> None:
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._lock = threading.Lock()

    def current(self, tx: Transaction, vault: Vault, model: str, dim: int) -> Gallery:
        """Return the gallery of the transaction's organisation for one embedding model, vectors of `dim` numbers.

        `model` names the weights too (`NAME@HASH`): templates of others are compared with nothing.
        """
        if tx.org is None:
            raise ValueError("a gallery belongs to an organisation, and this transaction to none")
        with self._lock:
            shelf = self._shelves.setdefault((tx.org, model), _Shelf(model=model, dim=dim))
        with shelf.lock:
            # First the version, then the rows: an edit between the two makes the rows newer than their name, never
            # older, and whoever judges by a name that is no longer current looks again.
            version = gallery_version(tx)
            if shelf.gallery is None or shelf.gallery.version != version:
                return shelf.renew(tx, version, rotation_of(tx, vault, dim))
            return shelf.gallery

    def of_person(self, tx: Transaction, vault: Vault, model: str, dim: int, person: str) -> Gallery:
        """Return a gallery of one person alone, empty for who is not verified; it is kept nowhere."""
        return self.of_people(tx, vault, model, dim, [person])

    def of_people(self, tx: Transaction, vault: Vault, model: str, dim: int, people: list[str]) -> Gallery:
        """Return a gallery of these people alone, without those who are not verified; it is kept nowhere."""
        shelf = _Shelf(model=model, dim=dim)
        version = gallery_version(tx)
        shelf.change(tx, people)
        return replace(shelf.publish(version, rotation_of(tx, vault, dim), graph=False), shifts=_shifts(tx))


def _shifts(tx: Transaction) -> dict[str, float]:
    """How far the lines of single people lie from the others'."""
    return {person: round(shift, 4) for person, shift in tx.pg.execute(SQL.line_shifts).fetchall()}


@dataclass(slots=True, kw_only=True, eq=False)
class _Shelf:
    """One gallery being kept up to date. Rows are only added; a row whose template is gone belongs to nobody."""

    model: str
    dim: int
    lock: threading.Lock = field(default_factory=threading.Lock)
    gallery: Gallery | None = None
    _rows: Floats = field(init=False)
    _people: list[str] = field(default_factory=list)
    #: Row of each template, and the templates of each person.
    _places: dict[str, int] = field(default_factory=dict)
    _owned: dict[str, set[str]] = field(default_factory=dict)
    _graph: GraphIndex | None = None

    def __post_init__(self) -> None:
        self._rows = np.empty((0, self.dim), np.float32)

    def renew(self, tx: Transaction, version: str, rotation: Floats) -> Gallery:
        """Make and return the gallery of now. What fails on the way leaves nothing behind that could pass for whole."""
        try:
            self.update(tx, self.gallery.version if self.gallery else None)
            self.gallery = made = replace(self.publish(version, rotation), shifts=_shifts(tx))
        except BaseException:
            self.gallery = None
            self._clear()
            raise
        return made

    def update(self, tx: Transaction, since: str | None) -> None:
        """Bring the rows to what the registry holds now; they are those of version `since`, or of none."""
        if since is not None:
            self.change(tx, changed_since(tx, since))
        if since is None or len(self._people) - len(self._places) > _MOST_GONE * max(len(self._people), 1):
            self._clear()
            listed = tx.pg.execute(SQL.gallery_templates, {"model": self.model}).fetchall()
            self._fetch(tx, [template for (template,) in listed])

    def change(self, tx: Transaction, people: list[str]) -> None:
        """Read the templates of some people anew."""
        for start in range(0, len(people), _BLOCK):
            some = people[start : start + _BLOCK]
            listed = tx.pg.execute(SQL.gallery_templates_of, {"model": self.model, "people": some}).fetchall()
            templates = {template for template, _ in listed}
            self._forget([t for person in some for t in sorted(self._owned.get(person, ())) if t not in templates])
            self._fetch(tx, [template for template, _ in listed if template not in self._places])

    def _fetch(self, tx: Transaction, new: list[str]) -> None:
        for start in range(0, len(new), _BLOCK):
            block = new[start : start + _BLOCK]
            self._take(tx.pg.execute(SQL.vectors_of, {"templates": block}).fetchall())

    def _forget(self, templates: list[str]) -> None:
        places = [self._places.pop(template) for template in templates]
        for template, place in zip(templates, places, strict=True):
            person, self._people[place] = self._people[place], ""
            self._owned[person].discard(template)
            if not self._owned[person]:
                del self._owned[person]
        if self._graph is not None and places:
            self._graph.remove(np.array(places, np.int64))

    def _clear(self) -> None:
        self._rows = np.empty((0, self.dim), np.float32)
        self._people, self._places, self._owned, self._graph = [], {}, {}, None

    def _take(self, found: list[tuple[str, str, bytes]]) -> None:
        if not found:
            return
        start = len(self._people)
        rows = np.stack([np.frombuffer(vector, "<f4") for _, _, vector in found]).astype(np.float32)
        self._make_room(start + len(rows))
        # Rows of galleries that were handed out lie before these and are never written to.
        self._rows[start : start + len(rows)] = rows
        self._people += [person for _, person, _ in found]
        self._places |= {template: start + i for i, (template, _, _) in enumerate(found)}
        for template, person, _ in found:
            self._owned.setdefault(person, set()).add(template)
        if self._graph is not None:
            self._graph.add(np.arange(start, start + len(rows)), rows)

    def _make_room(self, count: int) -> None:
        if count > len(self._rows):
            grown = np.empty((max(count, 2 * len(self._rows)), self.dim), np.float32)
            grown[: len(self._people)] = self._rows[: len(self._people)]
            self._rows = grown

    def publish(self, version: str, rotation: Floats, *, graph: bool = True) -> Gallery:
        """Return the gallery as it stands; what is added later does not change it.

        No `graph` is laid out for what is asked once.
        """
        if not graph or len(self._places) < GRAPH_FROM:
            return self._publish_rows(version, rotation)
        if self._graph is None:
            self._graph = GraphIndex(self.dim)
            kept = np.array(sorted(self._places.values()), np.int64)
            for start in range(0, len(kept), _BLOCK):
                self._graph.add(kept[start : start + _BLOCK], self._rows[kept[start : start + _BLOCK]])
        count = len(self._people)
        return self._gallery(version, rotation, tuple(self._people), self._rows[:count], self._graph)

    def _publish_rows(self, version: str, rotation: Floats) -> Gallery:
        kept = sorted(self._places.values())
        people, rows = tuple(self._people[place] for place in kept), self._rows[kept]
        self._graph = None
        return self._gallery(version, rotation, people, rows, ExactIndex(rows))

    def _gallery(self, version: str, rotation: Floats, people: tuple[str, ...], rows: Floats, index: Index) -> Gallery:
        model, _, _ = self.model.partition("@")
        return Gallery(model=model, version=version, people=people, vectors=rows, rotation=rotation, index=index)
