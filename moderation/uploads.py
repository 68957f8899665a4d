"""Clip files as they came in: one for all clips of equal bytes. Who brings one and who removes it take turns.

Removing begins after the commit that calls for it: cut short anywhere, it leaves a file too many, never one too few.
"""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from moderation.db import Transaction, queries
from moderation.store import Blob

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("uploads")


def make_sure(tx: Transaction, services: "Services", blob: Blob, path: Path) -> None:
    """Store a clip's bytes again if they were removed since they were stored. Raises Outage("blobs").

    To be done last in the transaction that writes the clip: whoever removes these bytes waits for its end and sees the
    clip, or was before it. Nothing but the audit chains is waited for after it, so nobody waits crosswise.
    """
    tx.pg.execute(SQL.take_turn, {"org": tx.org, "sha256": blob.sha256})
    if not services.store.has(blob.key):
        services.store.put(str(tx.org), "upload", path)


def remove_unused(services: "Services", org: str, sha256: str) -> None:
    """Remove bytes that no clip has any more but erased ones. Raises Outage("blobs")."""
    _remove(services, org, sha256, SQL.of_some_clip)


def remove_old(services: "Services", org: str, sha256: str, before: datetime) -> bool:
    """Remove bytes that no clip needs which is young, on its way or held; tells whether they were there to be removed.

    Raises Outage("blobs").
    """
    # Clips outlive their bytes: most that come up here are gone for long.
    if not services.store.has(_key(org, sha256)):
        return False
    return _remove(services, org, sha256, SQL.of_some_young_clip, before)


def _remove(services: "Services", org: str, sha256: str, needed: bytes, before: datetime | None = None) -> bool:
    where = {"org": org, "sha256": sha256, "before": before}
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.take_turn, where)
        if tx.pg.execute(needed, where).fetchone():
            return False
        # Before the turn ends: a copy that comes in after it finds them gone and stores its own.
        services.store.delete(_key(org, sha256))
    return True


def _key(org: str, sha256: str) -> str:
    return f"{org}/upload/{sha256[:2]}/{sha256}"
