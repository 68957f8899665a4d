"""Step 6, the release gate, and what follows it: publishing, withdrawing, deleting. Nothing else publishes a clip.

The gate re-opens the very bytes to be delivered and demands three proven marks, and every layer that was chosen
besides; the release checks consent and the gallery once more in its own transaction, so that a revocation committed
earlier always wins.
"""

import base64
import json
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg.types.json import Jsonb

from moderation import appearances, asking, audit, canary, consent, outbox, stops, uploads
from moderation.clips import Clip, Status
from moderation.db import Transaction, queries
from moderation.db.clips import mark_of, move, next_generation, read_clip
from moderation.decisions import Decision, Outcome
from moderation.errors import ClipFault, Conflict, NotFound
from moderation.facts import FactRecord
from moderation.holding import owns
from moderation.judging import people_in, texts_of
from moderation.labelling import visible_spec
from moderation.marks import prove_marks
from moderation.naming import facts_of, named_people, who
from moderation.notices import stops as clip_stops
from moderation.notices.settling import settle_gone
from moderation.notices.stops import Stopped
from moderation.scoring import analysis_of_now, read_analysis
from moderation.stages import stage
from moderation.store import hash_file
from watermark.payload import Payload
from watermark.reading import Expectation

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("records")
CLIPS = queries("clips")
CASES = queries("cases")
PEOPLE = queries("people")


def prove(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Re-open the marked rendition and prove all three marks on it.

    Raises ClipFault when its bytes are not those recorded, or this clip does not pass though a drawn one does; Outage
    when not even that passes.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        digits, key_version = mark_of(tx, clip_id)
        rendition = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": "marked"}).fetchone()
    if rendition is None:
        raise ClipFault("processing_failed", "the marked rendition is missing")
    sha256, key, _, report, _ = rendition
    payload = Payload(mark_id=int(digits, 16), key_version=key_version)
    with stage(services, org, clip_id, generation, "prove") as detail, services.store.open(key) as path:
        # C2PA leaves some bytes unbound; what is released are the bytes that were recorded, all of them.
        if hash_file(path)[0] != sha256:
            raise ClipFault("processing_failed", "the marked file is not what was stored")
        proof = prove_marks(services, path, expectation_for(services, clip, payload, report))
        detail["failures"] = list(proof.failures)
    row = {"org": org, "clip": clip_id, "sha256": sha256, "passed": proof.passed, "body": Jsonb(proof.to_json())}
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.insert_proof, {**row, "now": services.clock.now()})
    if not proof.passed:
        canary.demand_marks(services)
        raise ClipFault("processing_failed", f"the gate found: {'; '.join(proof.failures)}")
    return "proven"


def expectation_for(services: "Services", clip: Clip, payload: Payload, report: dict[str, object]) -> Expectation:
    """What the delivered bytes must show."""
    label = report.get("label")
    return Expectation(
        clip_id=clip.clip_id,
        mark_id=payload.mark_id,
        key_version=payload.key_version,
        visible=visible_spec(services, clip, payload, report),
        label=None if label is None else str(label),
        duration_ms=int(str(report["duration_ms"])),
        frames=int(str(report["frames"])),
        audio=report["audio"] != "none",
    )


def release(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Publish a proven clip. Answers "released", "facts_changed" (judge again) or "outdated"."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if clip.state is Status.RELEASED and clip.generation == generation:
            return "released"
        if not owns(clip, generation):
            return "outdated"
        decision_id, decision, facts = publishable(tx, clip_id)
        refused = stops.stopped(tx, clip_id, hold=True) or clip_stops.stands(tx, clip_id)
        if refused or appearances.copied_since(tx, clip_id) or not still_true(tx, services, facts):
            return "facts_changed"
        rendition = proven_rendition(tx, clip_id)
        _publish(tx, services, clip, decision_id, decision, rendition, now)
    services.readings.forget(org, clip_id)
    return "released"


def publishable(tx: Transaction, clip_id: str) -> tuple[str, Decision, FactRecord]:
    """The decision that lets a clip out, with the facts it was taken on. Raises Conflict when there is none."""
    row = tx.pg.execute(SQL.latest_decision, {"clip": clip_id}).fetchone()
    decision = Decision.from_json(json.loads(row[2])) if row else None
    if row is None or decision is None or decision.outcome not in {Outcome.ALLOW, Outcome.RESTRICT}:
        raise Conflict(f"no decision lets the clip {clip_id} out")
    facts = tx.pg.execute(SQL.facts, {"clip": clip_id, "hash": decision.facts_hash}).fetchone()
    if facts is None:
        raise Conflict(f"the facts behind the decision {row[0]} are missing")
    return row[0], decision, FactRecord.from_json(facts[0])


def still_true(tx: Transaction, services: "Services", facts: FactRecord) -> bool:
    """Tell whether gallery and consent say what the judgement saw; both stay so until this transaction ends.

    A grant that ended meanwhile changed no row: the clock tells.
    """
    # People before the gallery, as whoever edits both.
    if not _names_the_same(tx, services, facts):
        return False
    appearing = appearances.hold_people(tx, facts.clip)
    people = sorted(set(facts.people) | set(facts.submission.cameos))
    rows = tx.pg.execute(PEOPLE.people_shared, {"people": people}).fetchall()
    if {row[0]: row[2] for row in rows} != {person: fact.version for person, fact in facts.people.items()}:
        return False
    lived = {"people": sorted({*people, *appearing}), "judged": facts.judged_at, "now": services.clock.now()}
    if tx.pg.execute(PEOPLE.outlived_since, lived).fetchone() is not None:
        return False
    gallery = consent.gallery_version(tx, hold=True)
    return gallery == facts.manifests.gallery or _says_the_same(tx, services, facts, gallery)


def _says_the_same(tx: Transaction, services: "Services", facts: FactRecord, gallery: str) -> bool:
    """Whether a gallery that was edited since finds in the clip whom the judgement saw, at the same distances."""
    if facts.manifests.detectors != services.detectors_hash or facts.manifests.gallery is None:
        return False
    judged = read_analysis(tx, facts.clip, services.detectors_hash, facts.manifests.gallery)
    now = analysis_of_now(tx, services, facts.org, facts.clip, gallery)
    hits = services.names.find(tx, services.vault, texts_of(facts.submission))
    if who(hits) != facts.named.get("who", ""):
        return False
    return judged is not None and now is not None and judged.to_text() == now.to_text()


def _names_the_same(tx: Transaction, services: "Services", facts: FactRecord) -> bool:
    """Whether the texts name whom they named, and those consent as they did; nobody of them takes it back meanwhile."""
    hits = services.names.find(tx, services.vault, texts_of(facts.submission))
    if who(hits) != facts.named.get("who", ""):
        return False
    people = named_people(hits)
    if not people:
        return True
    answers = asking.words_about(tx, facts.clip).answers
    use = consent.use_of(tx, facts.clip, facts.submission, facts.signals, answers)
    declared = frozenset(facts.submission.cameos)
    standings = consent.stand(tx, services.clock.now(), seen=people, declared=declared, use=use)
    return facts_of(hits, standings, people_in(facts.faces, facts.voices)) == facts.named


def proven_rendition(tx: Transaction, clip_id: str) -> tuple[str, str, dict[str, object]]:
    """Hash, blob key and proof of the rendition that passed the gate. Raises Conflict when none did."""
    rendition = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": "marked"}).fetchone()
    if rendition is None:
        raise Conflict(f"the clip {clip_id} has no marked rendition")
    proof = tx.pg.execute(SQL.proof, {"clip": clip_id, "sha256": rendition[0]}).fetchone()
    if proof is None or not proof[0]:
        raise Conflict(f"the clip {clip_id} has not passed the release gate")
    return rendition[0], rendition[1], proof[1]


def _publish(
    tx: Transaction,
    services: "Services",
    clip: Clip,
    decision_id: str,
    decision: Decision,
    rendition: tuple[str, str, dict[str, object]],
    now: datetime,
) -> None:
    sha256, key, proof = rendition
    row = {"org": clip.org_id, "clip": clip.clip_id, "sha256": sha256, "blob_key": key, "decision": decision_id}
    if tx.pg.execute(SQL.insert_release, {**row, "now": now}).fetchone() is None:
        raise Conflict("another file of this clip was released before")
    prints = {"body": base64.b64decode(str(proof["fingerprint"])), "sketches": _decoded(proof.get("sketches"))}
    tx.pg.execute(SQL.insert_fingerprint, {**row, **prints, "now": now})
    move(tx, clip, Status.RELEASED, now)
    audit.record(tx, now, "system", "clip.released", clip.clip_id, sha256=sha256, decision=decision_id)
    outbox.announce(
        tx,
        services.enqueuer,
        clip,
        "clip.released",
        now,
        {
            "status": "released",
            "sha256": sha256,
            "audience": decision.audience.to_json(),
            "markets_withheld": list(decision.markets_withheld),
            "visibility": clip.visibility,
        },
    )


def _decoded(text: object) -> bytes | None:
    return base64.b64decode(text) if isinstance(text, str) else None


def publish_draft(services: "Services", org: str, clip_id: str, by: str) -> None:
    """Judge a draft again under public rules. Raises Conflict for a clip that is none, or is not settled."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        demand_unsealed(tx, clip_id)
        if clip.visibility != "draft":
            raise Conflict("this clip is public already")
        if stops.stopped(tx, clip_id, hold=True):
            raise Conflict("somebody shown in this clip took their consent back")
        tx.pg.execute(CLIPS.set_visibility, {"clip": clip_id, "visibility": "public"})
        tx.pg.execute(SQL.withdraw_release, {"clip": clip_id, "now": now})
        tx.pg.execute(CASES.close_cases, {"clip": clip_id, "now": now})
        audit.record(tx, now, by, "clip.publish_asked", clip_id)
        outbox.enqueue_clip(tx, services.enqueuer, clip, next_generation(tx, clip, now))


def demand_unsealed(tx: Transaction, clip_id: str) -> None:
    """Refuse to let a platform touch a clip whose bytes were sealed as evidence. Raises Conflict, and says no more."""
    if tx.pg.execute(CASES.sealed_case, {"clip": clip_id}).fetchone():
        raise Conflict("this clip was withheld for good and cannot be changed")


def withdraw(services: "Services", org: str, clip_id: str, by: str, reason: str) -> None:
    """Take a clip back; its media is gone for callers from here on. Withdrawing twice changes nothing."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        demand_unsealed(tx, clip_id)
        if clip.state is Status.WITHDRAWN:
            return
        withdraw_locked(tx, services, clip, now, by=by, reason=reason)


def withdraw_locked(
    tx: Transaction,
    services: "Services",
    clip: Clip,
    now: datetime,
    *,
    by: str,
    reason: str,
    purge: bool = False,
    revocation: str = "",
) -> str:
    """Withdraw a clip whose row the caller holds; `purge` asks its platform to remove what it fetched.

    Returns the event that tells it, which names the revocation where one asks. Raises Conflict for a clip that was
    refused.
    """
    tx.pg.execute(SQL.withdraw_release, {"clip": clip.clip_id, "now": now})
    tx.pg.execute(CASES.close_cases, {"clip": clip.clip_id, "now": now})
    move(tx, clip, Status.WITHDRAWN, now)
    audit.record(tx, now, by, "clip.withdrawn", clip.clip_id, reason=reason)
    said = {"status": "withdrawn", "reason": reason} | ({"purge": True} if purge else {})
    said |= {"revocation_id": revocation} if revocation else {}
    return outbox.announce(tx, services.enqueuer, clip, "clip.withdrawn", now, said)


def delete(services: "Services", org: str, clip_id: str, by: str) -> None:
    """Erase a clip's bytes and what tells of its content. Raises Conflict while a legal hold stands, Outage("blobs").

    Done again, it removes the files that it was kept from removing.
    """
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        demand_unsealed(tx, clip_id)
        if tx.pg.execute(SQL.legal_hold, {"clip": clip_id}).fetchone():
            raise Conflict("a legal hold stands on this clip; it cannot be deleted")
        keys = [row[0] for row in tx.pg.execute(SQL.blob_keys, {"clip": clip_id}).fetchall()]
        if clip.erased_at is None:
            _erase(tx, services, clip, now, by)
    for key in keys:
        services.store.delete(key)
    if clip.content_sha256:
        uploads.remove_unused(services, org, clip.content_sha256)
    with services.database.transaction(org) as tx:
        tx.pg.execute(SQL.forget_files, {"clip": clip_id})


def _erase(tx: Transaction, services: "Services", clip: Clip, now: datetime, by: str) -> None:
    if clip.state not in {Status.WITHDRAWN, Status.REFUSED}:
        withdraw_locked(tx, services, clip, now, by=by, reason="deleted")
    # Of one that was withdrawn before a notice may have opened another.
    tx.pg.execute(CASES.close_cases, {"clip": clip.clip_id, "now": now})
    settle_gone(tx, services.enqueuer, now, clip)
    tx.pg.execute(SQL.forget_clip, {"clip": clip.clip_id})
    tx.pg.execute(CLIPS.erase_clip, {"clip": clip.clip_id, "now": now})
    audit.record(tx, now, by, "clip.deleted", clip.clip_id)


def media(services: "Services", org: str, clip_id: str) -> tuple[str, str, int]:
    """Blob key, hash and size of the released file. Raises Conflict before release, Gone after withdrawal.

    Gone too from the commit of a revocation on, whatever is still to be withdrawn; Stopped while a notice stops it.
    """
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id)
        row = tx.pg.execute(SQL.release, {"clip": clip_id}).fetchone()
        rendition = tx.pg.execute(SQL.rendition, {"clip": clip_id, "kind": "marked"}).fetchone()
        stopped, stopped_by_notice = stops.stopped(tx, clip_id), clip_stops.stands(tx, clip_id)
    if clip.state is Status.WITHDRAWN or stopped:
        raise Gone
    if stopped_by_notice:
        raise Stopped
    if clip.state is not Status.RELEASED or row is None or row[4] is not None or rendition is None:
        raise Conflict(f"the clip is {clip.status}, not released")
    return row[1], row[0], rendition[2]


class Gone(NotFound):
    """The clip was withdrawn."""

    status = 410
    code = "gone"
