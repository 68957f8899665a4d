"""What reviewers are shown: renditions made from the marked file, veiled. Nothing unmarked leaves the vault."""

from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation import review
from moderation.db import Transaction, queries
from moderation.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")


def veiled(services: "Services", org: str, case_id: str, reviewer: review.Reviewer) -> tuple[str, int]:
    """Blob key and size of the veiled rendition of a case's clip, made on first use.

    Raises Forbidden to whoever may not work on the case or while a colleague holds it, NotFound when there is nothing
    marked to veil: a clip that failed before it was marked, and known-illegal material always.
    """
    with services.database.transaction(org) as tx:
        case = review.read_case(tx, case_id)
        demand_sight(tx, services.clock.now(), case, reviewer)
        made = find(tx, case.clip_id, "veiled")
        marked = find(tx, case.clip_id, "marked")
    if made is not None:
        return made
    if marked is None:
        raise NotFound("there is no marked rendition of this clip, so nothing can be shown of it")
    return make_veil(services, org, case.clip_id, marked[0])


def demand_sight(tx: Transaction, now: datetime, case: review.Case, reviewer: review.Reviewer) -> None:
    """Refuse whoever may not look at a case. Raises Forbidden, NotFound for a queue that never shows anything."""
    review.demand_access(tx, case.queue, reviewer)
    if case.queue == review.HASH_QUEUE:
        raise NotFound("cases of this queue have no renditions")
    if case.held(now) and case.lease_holder != reviewer.principal:
        raise Forbidden("another reviewer has this case")


def find(tx: Transaction, clip_id: str, kind: str) -> tuple[str, int] | None:
    """Blob key and size of a clip's rendition of a kind, None when it has none."""
    row = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": kind}).fetchone()
    return (row[1], row[2]) if row else None


def make_veil(services: "Services", org: str, clip_id: str, marked_key: str) -> tuple[str, int]:
    """Veil a marked file and keep it; of two makers at once the first one's stands."""
    with services.store.scratch() as folder, services.store.open(marked_key) as marked:
        target = folder / "veiled.mp4"
        services.sandbox.veil(marked, target)
        blob = services.store.put(org, "veiled", target)
    row = {
        "org": org,
        "clip": clip_id,
        "kind": "veiled",
        "sha256": blob.sha256,
        "blob_key": blob.key,
        "bytes": blob.size,
        "report": Jsonb({}),
        "now": services.clock.now(),
    }
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.insert_rendition, row)
        stored = find(tx, clip_id, "veiled")
    return stored or (blob.key, blob.size)
