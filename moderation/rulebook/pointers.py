"""Reads what the database says of an organisation's rules: the pointer, the emergency rules, a bundle's texts."""

import json
from dataclasses import dataclass
from datetime import datetime

from moderation.db import Transaction, queries
from moderation.rulebook.in_force import Emergency

SQL = queries("policies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """The row of an organisation, less its emergency rules; bundles by id."""

    serial: int = 0
    acting: str | None = None
    candidate: str | None = None
    percent: int = 0
    shadow: str | None = None


def read_pointer(tx: Transaction, org: str) -> tuple[Pointer, tuple[Emergency, ...]]:
    """The organisation's row and the emergency rules that were not ended, as of one instant."""
    row = tx.pg.execute(SQL.pointer, {"org": org}).fetchone()
    if row is None:
        return Pointer(), ()
    emergencies = tuple(
        Emergency(emergency_id=each[0], area=each[1], text=each[2], expires_at=datetime.fromisoformat(each[3]))
        for each in row[5]
    )
    return Pointer(serial=row[0], acting=row[1], candidate=row[2], percent=row[3], shadow=row[4]), emergencies


def stored_texts(tx: Transaction, bundle: str) -> dict[str, str]:
    """A bundle's texts by path; empty when there is no such bundle."""
    row = tx.pg.execute(SQL.texts, {"bundle": bundle}).fetchone()
    texts: dict[str, str] = json.loads(row[0]) if row else {}
    return texts
