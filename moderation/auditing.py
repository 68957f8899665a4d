"""Reading the audit log: its entries by filters, one of them in full, exports. Writes nothing but that somebody did."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg.errors import QueryCanceled

from moderation import audit, code_names
from moderation.db import Transaction, queries
from moderation.db import row as read_row
from moderation.db import rows as read_rows
from moderation.errors import NotFound, Unprocessable
from moderation.keys import Principal
from moderation.searching import MILLISECONDS, TooBroad

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("auditing")
BOUNDS = queries("searching").bounds
PAGE: Final = 50
MOST_EXPORTED: Final = 100_000
#: A reason for seeing who a creator is has at least so many letters.
SHORTEST_REASON: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which entries are wanted; what is None or empty is not asked. `actor` is a code name or a name of the log."""

    actor: str = ""
    action: str = ""
    #: What it happened to: a clip, a case, a bundle, a key.
    subject: str = ""
    #: A policy version.
    policy: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def asked(self) -> dict[str, str]:
        """What is asked, as text, for addresses and for the log itself."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.isoformat() if isinstance(value, datetime) else value for name, value in found.items() if value
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended."""

    at: datetime
    shard: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry. `called` is the actor as colleagues know them; rules, services and the system have their own names."""

    shard: int
    seq: int
    at: datetime
    actor: str
    called: str
    action: str
    subject: str
    details: dict[str, Any]
    previous: str
    hash: str

    @property
    def place(self) -> str:
        """Its name in the log: chain and number."""
        return f"{self.shard}-{self.seq}"

    def to_json(self) -> dict[str, object]:
        """The entry as the API and exports write it, people by code name."""
        return {
            "entry": self.place,
            "at": self.at.isoformat(),
            "actor": self.called,
            "action": self.action,
            "subject": self.subject,
            "details": self.details,
            "previous": self.previous,
            "hash": self.hash,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entry with all that it refers to and that is still kept."""

    entry: Entry
    #: The decision that it names, as stored: outcome, reasons and the trace of every rule that fired.
    decision: dict[str, Any] | None
    #: What handles stand for; a handle that is missing here was erased.
    references: dict[str, str]
    #: Milliseconds that the actor had looked at the case or clip unveiled by then, and in how many looks.
    revealed_ms: int
    reveals: int
    #: The pseudonym of the clip's creator, empty where the entry is about no clip or nobody is named.
    creator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    shard: int
    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    previous: str
    hash: str
    body: str


def read_entries(
    tx: Transaction, filters: Filters, after: Cursor | None = None, *, limit: int = PAGE
) -> tuple[list[Entry], Cursor | None]:
    """A page of entries, newest first, and where the next one begins. Raises TooBroad."""
    found = _read(tx, filters, after, limit + 1, MILLISECONDS)
    last = found[limit - 1] if len(found) > limit else None
    return found[:limit], Cursor(at=last.at, shard=last.shard, seq=last.seq) if last else None


def export(services: "Services", filters: Filters, reader: Principal) -> list[Entry]:
    """All entries that filters find, at most `MOST_EXPORTED`, and the entry that says so. Raises TooBroad."""
    now = services.clock.now()
    with services.database.transaction(reader.org) as tx:
        found = _read(tx, filters, None, MOST_EXPORTED, 10 * MILLISECONDS)
        who = reader.principal
        audit.record(tx, now, who, "audit.exported", who, filters=filters.asked, entries=len(found))
    return found


def read_record(tx: Transaction, shard: int, seq: int) -> Record:
    """One entry in full. Raises NotFound."""
    row = read_row(tx, SQL.entry, _Row, {"shard": shard, "seq": seq})
    if row is None:
        raise NotFound("there is no such entry")
    entry = next(_entries(tx, [row]))
    decision = tx.pg.execute(SQL.decision, {"decision": entry.details.get("decision")}).fetchone()
    told = tx.pg.execute(SQL.references, {"handles": list(_handles(entry.details))}).fetchall()
    creator = tx.pg.execute(SQL.creator_of_clip, {"clip": entry.subject}).fetchone()
    where = {"actor": entry.actor, "at": entry.at, "subject": entry.subject}
    ms, looks = tx.pg.execute(SQL.revealed, where).fetchone() or (0, 0)
    return Record(
        entry=entry,
        decision=json.loads(decision[0]) if decision else None,
        references=dict(told),
        revealed_ms=int(ms),
        reveals=looks,
        creator=creator[1] if creator else "",
    )


def clips_of(tx: Transaction, pseudonym: str) -> int:
    """How many clips a creator has here. Raises NotFound for a pseudonym that is nobody's."""
    found = tx.pg.execute(SQL.clips_of_creator, {"pseudonym": pseudonym}).fetchone()
    if not found or not found[0]:
        raise NotFound("there is no creator of this pseudonym")
    return int(found[0])


def unmask(tx: Transaction, now: datetime, pseudonym: str, reader: Principal, why: str) -> str:
    """The handle behind a pseudonym, and the log's entry on who asked and why. Raises NotFound, Unprocessable."""
    if len(why.strip()) < SHORTEST_REASON:
        raise Unprocessable(f"say in at least {SHORTEST_REASON} letters why you need to know")
    found = tx.pg.execute(SQL.creator, {"pseudonym": pseudonym}).fetchone()
    if found is None:
        raise NotFound("there is no creator of this pseudonym")
    # The reason may name people: the chain keeps a reference, which can be erased.
    audit.record(tx, now, reader.principal, "creator.unmasked", pseudonym, why=audit.refer(tx, now, why.strip()))
    return str(found[0])


def _read(tx: Transaction, filters: Filters, after: Cursor | None, limit: int, milliseconds: int) -> list[Entry]:
    asked = filters.asked
    values: dict[str, object] = {name: getattr(filters, name) for name in asked}
    for name in ("actor", "subject"):
        if name in asked:
            values[name] = code_names.principal_of(tx, asked[name]) or asked[name]
    if after is not None:
        values |= {"at": after.at, "shard": after.shard, "seq": after.seq}
    conditions = [getattr(SQL, name if name in {"since", "until"} else f"by_{name}") for name in asked]
    parts = [SQL.entries_where, *conditions, *([SQL.after] if after else []), SQL.entries_end]
    try:
        tx.pg.execute(BOUNDS, {"milliseconds": str(milliseconds)})
        rows = read_rows(tx, b"\n".join(parts), _Row, {**values, "org": tx.org, "limit": limit})
    except QueryCanceled as error:
        raise TooBroad from error
    return list(_entries(tx, rows))


def _entries(tx: Transaction, rows: list[_Row]) -> Iterator[Entry]:
    names = code_names.code_names(tx, {name for row in rows for name in (row.actor, row.subject)})
    for row in rows:
        yield Entry(
            shard=row.shard,
            seq=row.seq,
            at=row.at,
            actor=row.actor,
            called=names.get(row.actor, row.actor),
            action=row.action,
            subject=names.get(row.subject, row.subject),
            details=json.loads(row.body)["details"],
            previous=row.previous,
            hash=row.hash,
        )


def _handles(value: object) -> Iterator[str]:
    """Every handle that details refer to, however deep."""
    if isinstance(value, str) and value.startswith("ref_"):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _handles(each)
    elif isinstance(value, list):
        for each in value:
            yield from _handles(each)
