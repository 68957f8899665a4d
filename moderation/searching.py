"""Looking clips up, apart from the queue: by what is known of them, a page at a time, within bounds. Deals nothing.

Clips of the specialists' queues are found by specialists alone; nobody finds a clip whose case they hold.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg.errors import QueryCanceled
from psycopg.types.json import Jsonb

from moderation import audit, code_names
from moderation.db import Transaction, queries
from moderation.db import rows as read_rows
from moderation.errors import Unprocessable
from moderation.keys import Principal

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("searching")
PAGE: Final = 50
MOST_EXPORTED: Final = 10_000
#: A page of search may take so long in the database, an export ten times that.
MILLISECONDS: Final = 3_000
#: Reasons whose clips are the specialists', whatever queue they came through.
SPECIALISTS_REASONS: Final = frozenset({"known_illegal", "minor_safety", "minor_sexualised"})
#: From here on words of a prompt are left out of a row.
SHOWN_WORDS: Final = 160


class TooBroad(Unprocessable):
    """This search takes too long: add a period, a status or a queue."""

    code = "too_broad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What clips are looked for; what is None or empty is not asked. Times are UTC, `until` is exclusive."""

    clip: str = ""
    case: str = ""
    creator: str = ""
    status: str = ""
    queue: str = ""
    reason: str = ""
    #: `area.rule`, or the name of a rule in whatever area.
    rule: str = ""
    policy: str = ""
    #: A code name.
    person: str = ""
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""

    @property
    def asked(self) -> dict[str, str]:
        """What is asked, as text, for addresses and the audit log."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: _text(value) for name, value in found.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page ended: the clip and when it was received."""

    at: datetime
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One clip. `rules` are those of its latest decision; `decided_by` is a code name, or who else decides."""

    clip_id: str
    created_at: datetime
    status: str
    words: str
    creator: str
    outcome: str
    reasons: tuple[str, ...]
    rules: tuple[str, ...]
    policy: str
    decided_by: str
    decided_at: datetime | None
    case_id: str
    queue: str
    case_state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    clip_id: str
    created_at: datetime
    status: str
    prompt: str | None
    creator: str | None
    decision: str | None
    actor_kind: str | None
    actor: str | None
    code_name: str | None
    policy_version: str | None
    decided_at: datetime | None
    case_id: str | None
    queue: str | None
    case_state: str | None


def search(
    tx: Transaction,
    now: datetime,
    filters: Filters,
    reader: Principal,
    after: Cursor | None = None,
    *,
    limit: int = PAGE,
) -> tuple[list[Found], Cursor | None]:
    """A page of clips, newest first, and where the next one begins. Raises TooBroad."""
    try:
        tx.pg.execute(SQL.bounds, {"milliseconds": str(MILLISECONDS)})
        rows = _read(tx, now, filters, reader, after, limit + 1)
    except QueryCanceled as error:
        raise TooBroad from error
    more = Cursor(at=rows[limit - 1].created_at, after=rows[limit - 1].clip_id) if len(rows) > limit else None
    return list(_shown(rows[:limit], reader)), more


def export(services: "Services", filters: Filters, reader: Principal) -> list[Found]:
    """All that a search finds, at most `MOST_EXPORTED` clips, and the audit log's entry on it. Raises TooBroad."""
    now = services.clock.now()
    with services.database.transaction(reader.org) as tx:
        try:
            tx.pg.execute(SQL.bounds, {"milliseconds": str(10 * MILLISECONDS)})
            found = list(_shown(_read(tx, now, filters, reader, None, MOST_EXPORTED), reader))
        except QueryCanceled as error:
            raise TooBroad from error
        said = dict(filters.asked)
        if "words" in said:
            # Words that somebody wrote may name a person: the chain keeps a reference.
            said["words"] = audit.refer(tx, now, said["words"])
        audit.record(tx, now, reader.principal, "search.exported", reader.principal, filters=said, clips=len(found))
    return found


def queue_names(tx: Transaction, reader: Principal) -> list[str]:
    """The queues that this reader may look into."""
    specialist = reader.may("specialist")
    return [name for name, special in tx.pg.execute(SQL.queue_names).fetchall() if specialist or not special]


def _read(
    tx: Transaction, now: datetime, filters: Filters, reader: Principal, after: Cursor | None, limit: int
) -> list[_Row]:
    values = _values(tx, filters)
    if values is None:
        return []
    parts = [getattr(SQL, name) for name in _conditions(filters)]
    parts += [] if reader.may("specialist") else [SQL.not_for_specialists]
    parts += [SQL.not_in_my_hands, *([SQL.after] if after else [])]
    statement = b"\n".join([SQL.clips_where, *parts, SQL.clips_show])
    where = {"org": tx.org, "now": now, "reader": reader.principal, "limit": limit}
    where |= {"at": after.at, "after": after.after} if after else {}
    return read_rows(tx, statement, _Row, {**values, **where})


def _conditions(filters: Filters) -> Iterator[str]:
    for name in filters.asked:
        yield name if name in {"since", "until"} else f"by_{name}"


def _values(tx: Transaction, filters: Filters) -> dict[str, object] | None:
    """What the conditions are bound to; None when a code name is nobody's, so that nothing is found."""
    values: dict[str, object] = {name: getattr(filters, name) for name in filters.asked}
    if filters.person:
        values["person"] = code_names.principal_of(tx, filters.person)
        if values["person"] is None:
            return None
    if filters.reason:
        values["reason"] = Jsonb([{"code": filters.reason}])
    if filters.rule:
        area, _, rule = filters.rule.rpartition(".")
        values["rule"] = Jsonb([{"rule": rule, **({"policy": area} if area else {})}])
    return values


def _shown(rows: list[_Row], reader: Principal) -> Iterator[Found]:
    for row in rows:
        found = _found(row)
        if reader.may("specialist") or SPECIALISTS_REASONS.isdisjoint(found.reasons):
            yield found


def _found(row: _Row) -> Found:
    decision: dict[str, Any] = json.loads(row.decision) if row.decision else {}
    fired = [entry for entry in decision.get("trace", ()) if entry["truth"] == "true" and not entry.get("shadow")]
    words = row.prompt or ""
    return Found(
        clip_id=row.clip_id,
        created_at=row.created_at,
        status=row.status,
        words=words if len(words) <= SHOWN_WORDS else f"{words[:SHOWN_WORDS].rstrip()}…",
        creator=row.creator or "",
        outcome=decision.get("outcome", ""),
        reasons=tuple(dict.fromkeys(reason["code"] for reason in decision.get("reasons", ()))),
        rules=tuple(dict.fromkeys(f"{entry['policy']}.{entry['rule']}" for entry in fired)),
        policy=row.policy_version or "",
        decided_by=(row.code_name or "") if row.actor_kind == "person" else row.actor_kind or "",
        decided_at=row.decided_at,
        case_id=row.case_id or "",
        queue=row.queue or "",
        case_state=row.case_state or "",
    )


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
