"""The known-illegal check: hash lists before any detector. A hit seals the bytes and tells the caller nothing more."""

from typing import TYPE_CHECKING

import numpy as np

from moderation import audit, outbox, review
from moderation.clips import Clip, Status
from moderation.db import queries
from moderation.db.clips import move, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.holding import owns
from moderation.recording import insert_decision
from moderation.stages import stage
from watermark.fingerprint import distance

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
#: PDQ distance (of 256 bits) up to which two frames are the same picture (PDQ's own recommendation).
PDQ_MATCH = 31
PDQ_QUALITY = 50


def screen(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Compare file and frames with the hash lists. Answers "clear" or "known_illegal"; a hit ends the clip."""
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        known = tx.pg.execute(SQL.known_hash, {"hash": bytes.fromhex(clip.content_sha256 or "")}).fetchone()
        listed = tx.pg.execute(SQL.known_pdq).fetchall()
    if clip.state is Status.WITHHELD:
        # Sealed by an earlier try of this step, which may have died before it removed the upload.
        services.store.delete(services.upload_key(clip))
        return "known_illegal"
    source = known[0] if known else None
    if source is None and listed:
        with stage(services, org, clip_id, generation, "screen"):
            source = match_frames(services, clip, listed)
    if source is None:
        return "clear"
    seal(services, org, clip_id, generation, source)
    return "known_illegal"


def match_frames(services: "Services", clip: Clip, listed: list[tuple[bytes, str]]) -> str | None:
    """The list that knows a frame of this clip, None when none does."""
    with services.store.open(services.upload_key(clip)) as path:
        seen = services.sandbox.fingerprint(path)
    if len(seen) == 0:
        return None
    hashes = np.stack([np.frombuffer(hash_, np.uint8) for hash_, _ in listed])
    # Frames that PDQ itself finds too plain to tell apart would match other plain ones.
    telling = seen.hashes[seen.quality >= PDQ_QUALITY]
    near = distance(telling[:, None], hashes[None]) <= PDQ_MATCH
    hits = np.flatnonzero(near.any(axis=0))
    return listed[int(hits[0])][1] if hits.size else None


def seal(services: "Services", org: str, clip_id: str, generation: int, source: str) -> None:
    """Move the bytes to the sealed store, withhold the clip, and open a specialists' case without renditions."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
    upload = services.upload_key(clip)
    with services.store.open(upload) as path:
        services.store.put(org, "sealed", path)
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if not owns(clip, generation):
            return
        decision = Decision(
            outcome=Outcome.BLOCK,
            facts_hash="",
            reasons=(Reason(code="known_illegal"),),
            queue=review.HASH_QUEUE,
            decided_by="system",
        )
        decision_id = insert_decision(tx, clip, decision, actor_kind="system", actor="screening", now=now)
        move(tx, clip, Status.WITHHELD, now)
        review.insert_case(tx, clip, decision, decision_id, now)
        audit.record(tx, now, "system", "clip.sealed", clip_id, list=source)
        # The platform learns that the clip stays out, and nothing that would help to probe the lists.
        outbox.announce(tx, services.enqueuer, clip, "clip.withheld", now, {"status": "withheld", "reasons": []})
    # Only now: until the sealed copy and the decision stand, the upload is the evidence.
    services.store.delete(upload)
