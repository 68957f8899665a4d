"""Keeping hash lists: create, import, add, disable, export. Every change is one transaction with its audit entry.

A list belongs to the organisation of the transaction; the organisation `*` is the deployment, whose lists hold for
all. What changes here is compared with at the next look-up of every process: see `mirror.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Final

from moderation import audit
from moderation.db import Transaction, queries, row, rows
from moderation.errors import Conflict, NotFound, Unprocessable
from moderation.hashlists.formats import Entry, Kind
from moderation.ids import new_id

SQL = queries("hashlists")
#: The organisation whose lists hold for every other.
DEPLOYMENT: Final = "*"
_NAME_CHARACTERS: Final = 100
_CODES: Final = {Kind.PDQ: "p", Kind.SHA256: "s"}
_KINDS: Final = {code: kind for kind, code in _CODES.items()}
#: Rows fetched at once while exporting.
_BATCH: Final = 10_000


class Category(StrEnum):
    """What a match means: `known_illegal` seals the clip, the others are for the policies to judge.

    A list of `works` holds the pictures of one work and is kept by `moderation/works.py`.
    """

    KNOWN_ILLEGAL = "known_illegal"
    TAKEDOWN = "takedown"
    WORKS = "works"


@dataclass(frozen=True, slots=True, kw_only=True)
class HashList:
    """A list at a glance; `entries` are those in force."""

    org_id: str
    list_id: str
    list_no: int
    name: str
    category: str
    source: str
    enabled: bool
    version: int
    created_at: datetime
    entries: int
    disabled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A list whose row this transaction holds, at its new version."""

    list_id: str
    list_no: int
    name: str
    category: str
    version: int


def create_list(tx: Transaction, now: datetime, *, name: str, category: Category, source: str, by: str) -> str:
    """Begin an empty list; returns its id. Raises Conflict for a name that is taken, Unprocessable for one unusable."""
    if not 0 < len(name) <= _NAME_CHARACTERS or not name.isprintable():
        raise Unprocessable(f"a list's name has 1 to {_NAME_CHARACTERS} printable characters")
    list_id = new_id("hlist")
    made = {"org": tx.org, "list": list_id, "name": name, "category": str(category), "source": source, "now": now}
    if tx.pg.execute(SQL.insert_list, made).fetchone() is None:
        raise Conflict(f"there is a list called {name} already")
    audit.record(tx, now, by, "hash_list.created", list_id, name=name, category=str(category), source=source)
    return list_id


def has_list(tx: Transaction, name: str) -> bool:
    """Whether the organisation has a list of its own of this name."""
    return tx.pg.execute(SQL.own_list, {"org": tx.org, "name": name}).fetchone() is not None


def read_lists(tx: Transaction) -> list[HashList]:
    """The lists of the organisation and of the deployment."""
    return rows(tx, SQL.lists, HashList)


def add_entries(
    tx: Transaction, now: datetime, which: str, entries: Iterable[Entry], *, by: str, file_sha256: str = ""
) -> int:
    """Add to a list, named by id or name, what it has not yet; returns how many. Disabled entries stay disabled.

    Raises NotFound, and whatever `entries` raises: then nothing was added.
    """
    held = _hold(tx, which)
    tx.pg.execute(SQL.stage_entries)
    with tx.pg.cursor() as cursor, cursor.copy(SQL.copy_staged) as copy:
        for entry in entries:
            copy.write_row((_CODES[entry.kind], entry.hash, entry.quality, entry.item))
    where = {"org": tx.org, "list_no": held.list_no, "version": held.version}
    added = tx.pg.execute(SQL.merge_staged, where).rowcount
    tx.pg.execute(b"drop table staged_entries")
    said = {"file_sha256": file_sha256} if file_sha256 else {}
    audit.record(tx, now, by, "hash_list.added", held.list_id, name=held.name, entries=added, **said)
    return added


def switch_entries(
    tx: Transaction,
    now: datetime,
    which: str,
    *,
    hashes: Sequence[bytes],
    items: Sequence[str],
    enabled: bool,
    by: str,
    named: Sequence[str] = (),
) -> int:
    """Disable entries by hash or item, or put them in force again; returns how many changed. Raises NotFound.

    The audit log has the hashes and items, or what `named` calls them.
    """
    held = _hold(tx, which)
    found = {"list_no": held.list_no, "version": held.version, "hashes": list(hashes), "items": list(items)}
    changed = tx.pg.execute(SQL.switch_entries, {**found, "enabled": enabled}).rowcount
    told = list(named) or [each.hex() for each in hashes] + list(items)
    action = "hash_list.entries_enabled" if enabled else "hash_list.entries_disabled"
    audit.record(tx, now, by, action, held.list_id, name=held.name, entries=changed, named=told)
    return changed


def switch_list(tx: Transaction, now: datetime, which: str, *, enabled: bool, by: str) -> None:
    """Take a whole list out of force, or put it back. Raises NotFound."""
    held = _hold(tx, which)
    tx.pg.execute(SQL.switch_list, {"list_no": held.list_no, "enabled": enabled})
    action = "hash_list.enabled" if enabled else "hash_list.disabled"
    audit.record(tx, now, by, action, held.list_id, name=held.name)


def export_entries(tx: Transaction, now: datetime, which: str, *, by: str) -> Iterator[Entry]:
    """Every entry of a list that is in force; that it left the house is written down. Raises NotFound."""
    found = tx.pg.execute(SQL.list_of, {"org": tx.org, "list": which}).fetchone()
    if found is None:
        raise _missing(which)
    audit.record(tx, now, by, "hash_list.exported", which, name=found[1])
    with tx.pg.cursor("exported") as cursor:
        cursor.itersize = _BATCH
        cursor.execute(SQL.export_entries, {"list_no": found[0]})
        while batch := list(islice(cursor, _BATCH)):
            for code, hash_, quality, item in batch:
                yield Entry(kind=_KINDS[code], hash=bytes(hash_), quality=quality, item=item)


def _text(code: object) -> str:
    return code.decode() if isinstance(code, bytes) else str(code)


def _hold(tx: Transaction, which: str) -> _Held:
    """Lock a list of this very organisation and raise its version."""
    found = row(tx, SQL.change_list, _Held, {"org": tx.org, "list": which})
    if found is None:
        raise _missing(which)
    return found


def _missing(which: str) -> NotFound:
    return NotFound(f"there is no list {which} here; `moderation lists list` names them")
