"""The names of each organisation's registered people and works in this process's memory, for the prompt check.

Reads the registry and nothing else. Names lie sealed in the database; what is held here is written nowhere.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from detectors.names import NameHit, NameIndex
from moderation import consent
from moderation.db import Transaction, queries
from moderation.facts import Scalar
from moderation.vault import Vault

SQL = queries("naming")
#: People whose names are opened at once, to bound memory.
_BLOCK: Final = 5_000
_ALLOWED: Final = "consented"
#: The fact that counts each kind; rights holders' people are told by their works.
_COUNTED: Final = {"public_figure": "public_figures", "protected_person": "protected_people", "cameo": "cameos"}


class Names:
    """Indexes by organisation. An edit is seen by whoever asks after it was committed; only who changed is read."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    def find(self, tx: Transaction, vault: Vault, texts: Mapping[str, str]) -> tuple[NameHit, ...]:
        """Everybody and everything that texts (by source) name, of the transaction's organisation."""
        if tx.org is None:
            raise ValueError("names belong to an organisation, and this transaction to none")
        if not any(texts.values()):
            return ()
        with self._lock:
            shelf = self._shelves.setdefault(tx.org, _Shelf())
        with shelf.lock:
            shelf.renew(tx, vault)
            return shelf.index.find(texts)


@dataclass(slots=True, eq=False)
class _Shelf:
    """One organisation's names being kept up to date."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    index: NameIndex = field(default_factory=NameIndex)
    version: str | None = None
    works: frozenset[str] = frozenset()

    def renew(self, tx: Transaction, vault: Vault) -> None:
        # First the version, then the names: an edit between the two makes them newer than their name, never older.
        version = consent.gallery_version(tx)
        if version == self.version:
            return
        people = consent.changed_since(tx, self.version)
        self.version = None
        for start in range(0, len(people), _BLOCK):
            self._learn(tx, vault, people[start : start + _BLOCK])
        named: dict[str, list[str]] = dict(tx.pg.execute(SQL.names_of_works).fetchall())
        for gone in self.works - named.keys():
            self.index.learn(gone, ())
        for work, names in named.items():
            self.index.learn(work, names)
        self.works = frozenset(named)
        self.version = version

    def _learn(self, tx: Transaction, vault: Vault, people: list[str]) -> None:
        names: dict[str, list[str]] = {person: [] for person in people}
        for person, wrapped, sealed, what in tx.pg.execute(SQL.names_of, {"people": people}).fetchall():
            names[person].append(vault.open_for(person, bytes(wrapped), bytes(sealed), what).decode())
        for person, known in names.items():
            self.index.learn(person, known)


def named_people(hits: Collection[NameHit]) -> frozenset[str]:
    """The people among what was named."""
    return frozenset(hit.id for hit in hits if hit.id.startswith("per_"))


def facts_of(
    hits: Collection[NameHit], standings: Mapping[str, consent.Standing], seen: Collection[str]
) -> dict[str, Scalar]:
    """What the texts name, as the fact record holds it; `seen` are the people whom a face or voice resembles."""
    counts: dict[str, Scalar] = dict.fromkeys((*_COUNTED.values(), "works", "alike"), 0)
    unallowed = [
        standing
        for standing in (standings[person] for person in sorted(named_people(hits)) if person in standings)
        if standing.kind == "protected_person" or standing.consent != _ALLOWED
    ]
    for kind, fact in _COUNTED.items():
        counts[fact] = sum(standing.kind == kind for standing in unallowed)
    figures = {standing.person for standing in unallowed if standing.kind == "public_figure"}
    counts["alike"] = len(figures & set(seen))
    counts["works"] = len({hit.id for hit in hits if hit.id.startswith("work_")})
    return counts | {"who": who(hits)}


def who(hits: Collection[NameHit]) -> str:
    """The ids of all that was named, in one text."""
    return " ".join(sorted({hit.id for hit in hits}))
