"""Retention: every table and blob prefix has a class; the sweeper removes what outlived it and is not on hold."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from moderation import uploads
from moderation.db import Transaction, queries

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("retention")


def sweep(services: "Services") -> dict[str, int]:
    """Remove what is past its time; returns how many of each thing went. Legal holds beat every class."""
    now = services.clock.now()
    with services.database.system_transaction() as tx:
        keep = {thing: interval for thing, interval in tx.pg.execute(SQL.intervals).fetchall() if interval is not None}
        removed = _sweep_rows(tx, keep, now)
        old = now - keep["blob:upload"]
        contents = tx.pg.execute(SQL.old_uploads, {"before": old}).fetchall()
        shown = _sweep_shown(tx, keep, now)
    gone = sum(uploads.remove_old(services, org, sha256, old) for org, sha256 in contents)
    for key in {key for keys in shown.values() for key in keys}:
        services.store.delete(key)
    counted = {thing: len(keys) for thing, keys in shown.items()}
    return removed | counted | {"blob:upload": gone, "blob:sealed": _evidence(services, now)}


def _sweep_shown(tx: Transaction, keep: dict[str, timedelta], now: datetime) -> dict[str, list[str]]:
    """Forget what reviewers were shown of cases that are over; the files to remove, which nothing else names."""
    found = {
        "blob:veiled": tx.pg.execute(SQL.old_veils, {"before": now - keep["blob:veiled"]}).fetchall(),
        "blob:personal": tx.pg.execute(SQL.old_personal, {"before": now - keep["blob:personal"]}).fetchall(),
    }
    keys = [key for group in found.values() for (key,) in group]
    named = {key for (key,) in tx.pg.execute(SQL.still_named, {"keys": keys}).fetchall()}
    return {thing: [key for (key,) in group if key not in named] for thing, group in found.items()}


def _sweep_rows(tx: Transaction, keep: dict[str, timedelta], now: datetime) -> dict[str, int]:
    statements = {
        "idempotency_keys": SQL.delete_idempotency_keys,
        "stages": SQL.delete_stages,
        "deliveries": SQL.delete_deliveries,
        "policy_jobs": SQL.delete_policy_jobs,
        "sessions": SQL.delete_sessions,
        "owner_sessions": SQL.delete_owner_sessions,
        "exposures": SQL.delete_exposures,
        "breaks": SQL.delete_breaks,
    }
    return {
        table: tx.pg.execute(statement, {"before": now - keep[table]}).rowcount
        for table, statement in statements.items()
    }


def _evidence(services: "Services", now: datetime) -> int:
    """Sealed material is preserved for its year and not a day longer, unless a legal hold names its clip."""
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(SQL.interval, {"thing": "blob:sealed"}).fetchone()
        orgs = [org for (org,) in tx.pg.execute(SQL.organisations).fetchall()]
        held = {sha256 for (sha256,) in tx.pg.execute(SQL.held_contents).fetchall()}
    if row is None:
        return 0
    gone = 0
    for org in orgs:
        for key, stored_at in services.store.list(f"{org}/sealed"):
            if stored_at < now - row[0] and key.rpartition("/")[2] not in held:
                services.store.delete(key)
                gone += 1
    return gone
