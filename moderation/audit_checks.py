"""Whether an organisation's audit chains are whole: walked on demand and daily, the answer kept. Repairs nothing."""

import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg.types.json import Jsonb

from moderation import audit
from moderation.db import Transaction, queries, row

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("auditing")
#: For so long a process remembers what the newest check said, so that pages do not ask for each reader.
REMEMBERED_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What came of one walk: how many entries there are, and the first bad one of each broken chain."""

    checked_by: str
    entries: int
    breaks: list[dict[str, Any]]
    checked_at: datetime

    @property
    def whole(self) -> bool:
        """Whether nothing is broken."""
        return not self.breaks


def check(services: "Services", org: str, *, by: str) -> Check:
    """Walk all chains of an organisation and keep what came of it; a break stays in the log of checks for ever."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        (entries,) = tx.pg.execute(SQL.length).fetchone() or (0,)
        breaks = [asdict(found) for found in audit.verify(tx, services.vault.audit_key().public_key())]
        made = Check(checked_by=by, entries=int(entries), breaks=breaks, checked_at=now)
        where = {"org": org, "by": by, "entries": made.entries, "breaks": Jsonb(breaks), "now": now}
        tx.pg.execute(SQL.insert_check, where)
        audit.record(tx, now, by, "audit.checked", by, entries=made.entries, breaks=len(breaks))
    services.chain_checks[org] = (time.monotonic(), made)
    return made


def check_all(services: "Services") -> int:
    """Walk the chains of every organisation; returns how many are broken."""
    with services.database.system_transaction() as tx:
        orgs = [org for (org,) in tx.pg.execute(SQL.organisations).fetchall()]
    return sum(not check(services, org, by="system").whole for org in orgs)


def newest(tx: Transaction) -> Check | None:
    """What the newest check of this organisation said; None before the first."""
    return row(tx, SQL.newest_check, Check)


def is_broken(services: "Services", org: str) -> bool:
    """Whether the newest check found a break; asks the database at most every `REMEMBERED_SECONDS`."""
    at, known = services.chain_checks.get(org, (float("-inf"), None))
    if time.monotonic() - at > REMEMBERED_SECONDS:
        with services.database.transaction(org) as tx:
            known = newest(tx)
        services.chain_checks[org] = (time.monotonic(), known)
    return known is not None and not known.whole
