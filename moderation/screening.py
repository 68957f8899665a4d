"""The known-illegal check: hash lists before any detector. A hit seals the bytes and tells the caller nothing more."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from moderation import audit, outbox, review
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import move, read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.errors import NotFound
from moderation.hashlists.asking import ask_services
from moderation.hashlists.lists import Category
from moderation.hashlists.matching import compare_with_lists, known_files
from moderation.hashlists.prints import LONG_SIDE, ClipPrint, PrintTaker, keep_print, read_print
from moderation.holding import owns
from moderation.recording import insert_decision, said_withheld
from moderation.scoring import sampling_rules
from moderation.stages import stage
from watermark.fingerprint import SAME_PICTURE

if TYPE_CHECKING:
    from moderation.services import Services

RECORDS, CASES, HASHES = queries("records"), queries("cases"), queries("hashlists")
ILLEGAL = Category.KNOWN_ILLEGAL


def screen(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Compare file and frames with the hash lists. Answers "clear" or "known_illegal"; a hit ends the clip.

    Raises Outage when a hash service gives no answer: then nobody can say that the clip is clear.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        source = known_files(tx, clip.content_sha256).get(ILLEGAL)
        seen = read_print(tx, clip_id)
    if clip.state is Status.WITHHELD:
        # Sealed by an earlier try of this step, which may have died before it removed the upload.
        services.store.delete(services.upload_key(clip))
        return "known_illegal"
    services.hash_lists.refresh(services.database)
    if source is None and (services.hash_lists.lists(org, ILLEGAL) or services.hash_services):
        with stage(services, org, clip_id, generation, "screen"):
            source = match_frames(services, clip, take_print(services, clip) if seen is None else seen)
    if source is None:
        return "clear"
    seal(services, org, clip_id, generation, source)
    return "known_illegal"


def take_print(services: "Services", clip: Clip) -> ClipPrint:
    """Hash the frames that detectors would look at, in a pass of its own, and keep the print."""
    taker = PrintTaker()
    with services.store.open(services.upload_key(clip)) as path:
        for frames in services.sandbox.frames(path, sampling_rules(services), LONG_SIDE):
            taker.see(frames)
    seen = taker.finish()
    with services.database.transaction(clip.org_id) as tx:
        keep_print(tx, clip.clip_id, seen, services.clock.now())
    return seen


def match_frames(services: "Services", clip: Clip, seen: ClipPrint) -> str | None:
    """The list or service that knows a frame of this clip to be illegal, None when none does."""
    # Again: decoding took its time, and what was listed meanwhile counts.
    services.hash_lists.refresh(services.database)
    found = compare_with_lists(services.hash_lists, seen, clip.org_id, ILLEGAL, reach=SAME_PICTURE)
    if found.share:
        return found.name
    answers = ask_services(services, clip, seen)
    return next((match.list for match in answers if match.category is ILLEGAL), None)


def seal(services: "Services", org: str, clip_id: str, generation: int, source: str) -> None:
    """Move the bytes to the sealed store, withhold the clip, and open a specialists' case without renditions.

    Whatever was made of the clip meanwhile goes; a second try finds it done.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        marked = tx.pg.execute(RECORDS.rendition, {"clip": clip_id, "kind": "marked"}).fetchone()
    if not owns(clip, generation):
        return
    upload = services.upload_key(clip)
    _preserve(services, org, [upload, *([marked[1]] if marked else [])])
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
        made = _drop_renditions(tx, clip, now)
        decision_id = insert_decision(tx, clip, decision, actor_kind="system", actor="screening", now=now)
        move(tx, clip, Status.WITHHELD, now)
        review.insert_case(tx, clip, decision, decision_id, now)
        audit.record(tx, now, "system", "clip.sealed", clip_id, list=source)
        # The platform learns that the clip stays out, and nothing that would help to probe the lists.
        outbox.announce(tx, services.enqueuer, clip, "clip.withheld", now, said_withheld(tx, clip, []))
    # Only now: until the sealed copy and the decision stand, the upload is the evidence.
    for key in (upload, *made):
        services.store.delete(key)


def _preserve(services: "Services", org: str, keys: Sequence[str]) -> None:
    """Copy the first of some files that is still there to the sealed store. Raises NotFound when none is."""
    for key in keys:
        try:
            with services.store.open(key) as path:
                services.store.put(org, "sealed", path)
        except NotFound:
            # The upload of an older release is past its time; its marked file shows the same.
            continue
        return
    raise NotFound("no file of this clip is left to be sealed")


def _drop_renditions(tx: Transaction, clip: Clip, now: datetime) -> list[str]:
    """Take back what an earlier look let be made: nothing of such a clip may lie about. Returns the files' keys."""
    where = {"clip": clip.clip_id, "now": now}
    made = [key for (key,) in tx.pg.execute(RECORDS.blob_keys, where).fetchall()]
    tx.pg.execute(RECORDS.withdraw_release, where)
    tx.pg.execute(CASES.close_cases, where)
    tx.pg.execute(HASHES.delete_renditions, where)
    return made
