"""Step 1: accept a clip once. The bytes are probed and stored, then clip, mark id and workflow commit together."""

import secrets
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation import appearances, audit, descent, outbox, uploads
from moderation.canonical import digest
from moderation.clips import Clip, Submission
from moderation.db import Transaction, queries
from moderation.db.clips import read_clip
from moderation.errors import Busy, Conflict, Outage, Unprocessable
from moderation.ids import new_id, new_mark_id
from moderation.labelling import demand_label
from moderation.media import Probe, describe, examine
from moderation.store import Blob

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("clips")

#: A receiver that gave no sign for so long is dead: its key may be taken over.
RECEIVER_GONE = timedelta(seconds=20)
#: Work beyond this is refused with 503 rather than promised.
MAX_WAITING = 10_000
#: Room that must be left on the disk beside an upload of the largest size.
MIN_FREE_BYTES = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """A request that holds an Idempotency-Key while its body arrives."""

    principal: str
    key: str
    receiver: str


def begin_receiving(services: "Services", org: str, principal: str, key: str) -> Receiving | None:
    """Hold a key for the request that is arriving; None when the key stands for a finished request already.

    Raises Conflict while another request with this key is still being received.
    """
    now = services.clock.now()
    mine = Receiving(principal=principal, key=key, receiver=secrets.token_hex(8))
    where = {"org": org, "principal": principal, "key": key, "receiver": mine.receiver, "now": now}
    with services.database.transaction(org) as tx:
        if tx.pg.execute(SQL.insert_idempotency, where).fetchone():
            return mine
        row = tx.pg.execute(SQL.idempotency_locked, where).fetchone()
        if row is None:
            raise Conflict("the request with this Idempotency-Key just ended; send it again")
        _, clip_id, _, touched_at = row
        if clip_id is not None:
            return None
        if now - touched_at < RECEIVER_GONE:
            raise Conflict("the first request with this Idempotency-Key is still being received")
        tx.pg.execute(SQL.take_over_idempotency, where)
    return mine


def keep_receiving(services: "Services", org: str, receiving: Receiving) -> None:
    """Show that the request holding a key is still arriving."""
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.take_over_idempotency, {"org": org, "now": services.clock.now(), **asdict(receiving)})


def stop_receiving(services: "Services", org: str, receiving: Receiving) -> None:
    """Let go of a key whose request came to nothing; it may be used again."""
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.drop_idempotency, {"org": org, **asdict(receiving)})


def same_request(services: "Services", org: str, principal: str, key: str, fingerprint: str) -> str:
    """The clip a finished request with this key made. Raises Unprocessable when its body was another."""
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.idempotency_locked, {"org": org, "principal": principal, "key": key}).fetchone()
    if row is None or row[1] is None:
        raise Conflict("the request with this Idempotency-Key just ended; send it again")
    if row[0] != fingerprint:
        raise Unprocessable("this Idempotency-Key was used for another request")
    return str(row[1])


def fingerprint(submission: Submission, sha256: str | None, source_url: str | None) -> str:
    """What makes two requests the same: the file's bytes and everything said of it."""
    return digest({"submission": asdict(submission), "sha256": sha256, "source_url": source_url})


def demand_room(services: "Services", org: str) -> None:
    """Refuse work the service could not do soon, before taking its bytes. Raises Busy."""
    if services.store.free_bytes() < MIN_FREE_BYTES + services.settings.limits.max_bytes:
        raise Busy("there is not enough room on the disk", retry_after=60)
    with services.database.transaction(org) as tx:
        row = tx.pg.execute(SQL.count_waiting).fetchone()
    if row and row[0] >= MAX_WAITING:
        raise Busy("too many clips are waiting", retry_after=30)


def accept_file(
    services: "Services",
    org: str,
    principal: str,
    path: Path,
    submission: Submission,
    *,
    receiving: Receiving | None = None,
    runner: str = "service",
) -> Clip:
    """Probe, store and enqueue one file.

    Raises a refusal (415, 413; 422 for what cannot be labelled) with nothing kept, Outage when storing fails.
    """
    demand_label(services.settings, submission)
    probe = examine(services.sandbox, path)
    blob = services.store.put(org, "upload", path)
    return _accept(
        services, org, principal, submission, content=(path, blob, probe), receiving=receiving, runner=runner
    )


def accept_url(
    services: "Services",
    org: str,
    principal: str,
    source_url: str,
    submission: Submission,
    *,
    receiving: Receiving | None = None,
) -> Clip:
    """Accept a clip whose bytes are still to be fetched; one that proves unusable ends `refused`."""
    demand_label(services.settings, submission)
    return _accept(services, org, principal, submission, source_url=source_url, receiving=receiving)


def _accept(
    services: "Services",
    org: str,
    principal: str,
    submission: Submission,
    *,
    content: tuple[Path, Blob, Probe] | None = None,
    source_url: str | None = None,
    receiving: Receiving | None = None,
    runner: str = "service",
) -> Clip:
    now = services.clock.now()
    clip_id = new_id("clip")
    path, blob, probe = content or (None, None, None)
    row = {
        **asdict(submission),
        "cameos": list(submission.cameos),
        "parents": list(submission.parents),
        "claims": Jsonb(submission.claims),
        "org": org,
        "clip": clip_id,
        "runner": runner,
        "source_url": source_url,
        "priority": 1,
        "now": now,
        "content_sha256": blob.sha256 if blob else None,
        "content_bytes": blob.size if blob else None,
        "probe": Jsonb(describe(probe)) if probe else None,
    }
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.insert_clip, row)
        _mint_mark(tx, services, clip_id)
        descent.join(tx, clip_id, submission.parents, "declared", now)
        appearances.declare(tx, clip_id, 1, submission.cameos, now)
        if receiving is not None:
            print_ = fingerprint(submission, blob.sha256 if blob else None, source_url)
            _settle(tx, receiving, print_, clip_id, services)
        audit.record(tx, now, principal, "clip.received", clip_id, sha256=blob.sha256 if blob else "")
        clip = read_clip(tx, clip_id)
        if runner == "service":
            outbox.enqueue_clip(tx, services.enqueuer, clip, clip.generation)
        if path and blob:
            uploads.make_sure(tx, services, blob, path)
    return clip


def _mint_mark(tx: Transaction, services: "Services", clip_id: str) -> None:
    """Draw mark ids until one is free; with 48 random bits the first nearly always is."""
    row = {"org": tx.org, "clip": clip_id, "key_version": max(services.mark_keys), "now": services.clock.now()}
    for _ in range(100):
        if tx.pg.execute(SQL.insert_payload, {**row, "payload": f"{new_mark_id():012x}"}).fetchone():
            return
    raise Outage("mark_ids", "no free mark id was found")


def _settle(tx: Transaction, receiving: Receiving, fingerprint_: str, clip_id: str, services: "Services") -> None:
    """Bind the key to its clip. Raises Conflict when a later request took the key over meanwhile."""
    done = tx.pg.execute(
        SQL.settle_idempotency,
        {
            "org": tx.org,
            "clip": clip_id,
            "fingerprint": fingerprint_,
            "now": services.clock.now(),
            **asdict(receiving),
        },
    ).fetchone()
    if done is None:
        raise Conflict("another request with this Idempotency-Key took over")
