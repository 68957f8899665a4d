"""Where did this copy come from? Reads every mark of an unknown file and believes none that the content contradicts.

"ours" is said only for a valid manifest of ours, or for a mark whose content matches the clip it names. A fingerprint
alone proves nothing: it gives candidates, to staff.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import JsonValue

from moderation import asking, consent, stops
from moderation.db import Transaction, queries
from moderation.db.clips import mark_of, read_clip
from moderation.errors import NotFound
from moderation.facts import FactRecord
from moderation.ids import is_id
from moderation.labelling import visible_spec
from moderation.marks import read_named, unread
from moderation.store import hash_file
from watermark.credentials import CredentialsState
from watermark.fingerprint import Fingerprint, same_content
from watermark.looking import Frame
from watermark.patience import Patience
from watermark.payload import Payload
from watermark.reading import Layer, LayerState, MarksReading, check_visible
from watermark.settling import settle
from watermark.sketches import Sketches

if TYPE_CHECKING:
    from moderation.services import Services

CLIPS = queries("clips")
RECORDS = queries("records")
#: How many released clips a markless copy is compared with.
CANDIDATES = 2_000
#: What would tell somebody how near they came to wearing a mark down; for staff only (marking's security notes).
TELLING = frozenset({"agreeing", "chance", "geometry", "score", "share", "frames", "offset_ms", "mirrored", "nearest"})
_PAYLOAD = re.compile(r"[0-9a-f]{12}")
#: Our own validation code, beside those of C2PA.
ALTERED = "org.countersign.file.altered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A clip of ours that a mark or a manifest names."""

    org: str
    clip_id: str
    fingerprint: Fingerprint | None
    sketches: Sketches | None = None


def verify_file(services: "Services", path: Path, *, staff_of: str | None = None) -> dict[str, object]:
    """Say where a file came from, layer by layer (contract, section 4). Raises a refusal for what is no video.

    Staff of an organisation are told which of its clips an unmarked copy resembles; nobody else is.
    """
    kept: list[Frame] = []
    patience = Patience(services.settings.verifying.budget(), clock=time.monotonic)
    reading, named = look(services, path, kept.append)
    origin = judge_origin(reading, named)
    if named is not None and origin == "ours":
        reading = with_visible(services, reading, named, kept)
        added = read_named(services, path, payload_of(services, named), patience)
        reading = replace(reading, layers=reading.layers | added)
    else:
        reading = replace(reading, layers=reading.layers | unread(services))
    answer: dict[str, object] = {
        "origin": origin,
        "clip_id": named.clip_id if named is not None and origin == "ours" else None,
        "confidence": confidence(reading, origin),
        "layers": {
            name: layer_document(layer, hidden=frozenset() if staff_of else TELLING)
            for name, layer in reading.layers.items()
        },
    }
    if named is not None and origin == "ours":
        answer["consent_state"] = consent_state(services, named)
        answer["manifest"] = manifest_document(services, reading, named)
    if staff_of is not None and origin == "unknown":
        answer["candidates"] = candidates(services, staff_of, reading)
    return answer


def look(
    services: "Services", path: Path, keep: Callable[[Frame], None] = lambda _: None
) -> tuple[MarksReading, Named | None]:
    """Every mark of a file, with the clip they name; none of them believed against the content or the bytes.

    `keep` gets the frames in which the visible mark can be looked for. Raises a refusal for what is no video.
    """
    budget = services.settings.verifying.budget()
    reading = services.sandbox.read_marks(path, services.mark_keys, services.trust, budget, keep)
    named = name_clip(services, reading)
    if named is not None and is_altered(services, path, reading, named):
        reading = with_altered_manifest(reading)
    if named is not None and named.fingerprint is not None:
        reading = settle(reading, named.fingerprint, named.sketches)
    return reading, named


def name_clip(services: "Services", reading: MarksReading) -> Named | None:
    """The clip that the manifest, or else the invisible mark, names; None when neither names one of ours."""
    digits = None
    credentials = reading.credentials
    if credentials is not None and credentials.ours and credentials.mark_id is not None:
        digits = f"{credentials.mark_id:012x}"
    elif reading.mark is not None:
        digits = f"{reading.mark.mark_id:012x}"
    if digits is None:
        return None
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(CLIPS.clip_of_payload, {"payload": digits}).fetchone()
        if row is None:
            return None
        stored = tx.pg.execute(RECORDS.fingerprint, {"clip": row[1]}).fetchone()
    return Named(
        org=row[0],
        clip_id=row[1],
        fingerprint=Fingerprint.from_bytes(bytes(stored[0])) if stored else None,
        sketches=Sketches.from_bytes(bytes(stored[1])) if stored and stored[1] is not None else None,
    )


def is_altered(services: "Services", path: Path, reading: MarksReading, named: Named) -> bool:
    """Tell whether a file with a valid manifest of ours is another than the one that was signed.

    C2PA leaves some bytes unbound: the file type, box headers, room for longer signatures. Ours bind them by the hash
    of the whole file, so that not one byte of a signed file changes unnoticed.
    """
    credentials = reading.credentials
    if credentials is None or not credentials.ours:
        return False
    with services.database.transaction(named.org) as tx:
        rendition = tx.pg.execute(RECORDS.rendition, {"clip": named.clip_id, "kind": "marked"}).fetchone()
    return rendition is not None and bool(rendition[0] != hash_file(path)[0])


def with_altered_manifest(reading: MarksReading) -> MarksReading:
    """The same reading, its manifest worth nothing."""
    assert reading.credentials is not None
    c2pa = reading.layers["c2pa"]
    invalid = CredentialsState.INVALID
    told: dict[str, JsonValue] = {"validation": invalid.value, "ours": False, "failures": [ALTERED]}
    return replace(
        reading,
        layers=reading.layers | {"c2pa": replace(c2pa, state=LayerState.DAMAGED, details=c2pa.details | told)},
        credentials=replace(reading.credentials, state=invalid, ours=False, intact=False, failures=(ALTERED,)),
    )


def judge_origin(reading: MarksReading, named: Named | None) -> str:
    """`ours`, `other` (somebody else's valid manifest) or `unknown`."""
    credentials = reading.credentials
    if credentials is not None and credentials.state is CredentialsState.TRUSTED and credentials.ours:
        return "ours" if named is not None and named.clip_id == credentials.clip_id else "unknown"
    marked = reading.layers["invisible"].state is LayerState.FOUND
    if marked and named is not None and reading.layers["fingerprint"].state is LayerState.FOUND:
        return "ours"
    if credentials is not None and credentials.state in {CredentialsState.TRUSTED, CredentialsState.VALID}:
        return "unknown" if credentials.ours else "other"
    return "unknown"


def confidence(reading: MarksReading, origin: str) -> float:
    """How sure the answer is: 1 for a valid manifest of ours, the mark's own figure otherwise, 0 for unknown."""
    credentials = reading.credentials
    if origin == "unknown":
        return 0.0
    if credentials is not None and credentials.state is CredentialsState.TRUSTED:
        return 1.0
    # To the hundredth: finer steps would make the answer an oracle.
    return round(reading.mark.confidence, 2) if origin == "ours" and reading.mark is not None else 0.5


def with_visible(services: "Services", reading: MarksReading, named: Named, kept: Sequence[Frame]) -> MarksReading:
    """Look for the visible mark in the frames that were kept, where it must be now that clip and place are known."""
    if reading.layers["visible"].details:
        return reading
    with services.database.transaction(named.org) as tx:
        clip = read_clip(tx, named.clip_id)
        rendition = tx.pg.execute(RECORDS.rendition, {"clip": named.clip_id, "kind": "marked"}).fetchone()
    payload = payload_of(services, named)
    report = rendition[3] if rendition else None
    offset_ms = reading.layers["fingerprint"].details.get("offset_ms")
    spec = visible_spec(services, clip, payload, report)
    layer = check_visible(kept, spec, reading.geometry, offset_ms if isinstance(offset_ms, int) else 0)
    return replace(reading, layers=reading.layers | {"visible": layer})


def payload_of(services: "Services", named: Named) -> Payload:
    """What the clip's marks carry."""
    with services.database.transaction(named.org) as tx:
        digits, key_version = mark_of(tx, named.clip_id)
    return Payload(mark_id=int(digits, 16), key_version=key_version)


def layer_document(layer: Layer, *, hidden: frozenset[str]) -> dict[str, object]:
    """One layer as the answer writes it, less the details that its reader may not have."""
    shown = {name: value for name, value in layer.details.items() if name not in hidden}
    document: dict[str, object] = {"state": str(layer.state), **shown}
    return document | {"error": layer.error} if layer.error else document


def manifest_document(services: "Services", reading: MarksReading, named: Named) -> dict[str, object] | None:
    """The manifest of a clip that is out, and whether this file lost it: then it signs nothing of the file."""
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(RECORDS.manifests_of_clips, {"clips": [named.clip_id]}).fetchone()
    if row is None:
        return None
    credentials = reading.credentials
    carried = credentials is not None and credentials.ours and credentials.manifest_id == row[0]
    return {"id": row[0], "url": f"/v1/c2pa/manifests/{row[0]}", "recovered": not carried}


def consent_state(services: "Services", named: Named) -> str | None:
    """`revoked` when somebody shown took consent back, `in_force` when all stand, None when nobody known is shown."""
    now = services.clock.now()
    with services.database.transaction(named.org) as tx:
        if stops.revoked(tx, named.clip_id):
            return "revoked"
        stopped = stops.stopped(tx, named.clip_id)
        facts = latest_facts(tx, named.clip_id)
        if facts is None or not facts.people:
            return None
        seen = frozenset(facts.people)
        answers = asking.words_about(tx, named.clip_id).answers
        use = consent.use_of(tx, named.clip_id, facts.submission, facts.signals, answers)
        standings = consent.stand(tx, now, seen=seen, declared=frozenset(), use=use)
    given = words_of(facts, standings)
    if "revoked" in given:
        return "revoked"
    return "in_force" if given == {"consented"} and not stopped else "not_given"


def words_of(facts: FactRecord, standings: Mapping[str, consent.Standing]) -> set[str]:
    """What consent says of each person in the senses by which the clip has them; who is only declared, of the face.

    A record that only rules for another of the same human says nothing by itself.
    """
    rulers = {standing.ruled_by for standing in standings.values()}
    heard = {candidate.person for voice in facts.voices for candidate in voice.candidates}
    seen = {candidate.person for face in facts.faces for candidate in face.candidates}
    voices = {standing.voice for person, standing in standings.items() if person in heard}
    return voices | {
        standing.consent
        for person, standing in standings.items()
        if person in seen or (person not in heard and person not in rulers)
    }


def latest_facts(tx: Transaction, clip_id: str) -> FactRecord | None:
    """The facts of the latest judgement, None when the clip was never judged or is erased."""
    row = tx.pg.execute(RECORDS.latest_facts, {"clip": clip_id}).fetchone()
    return FactRecord.from_json(row[0]) if row else None


def candidates(services: "Services", org: str, reading: MarksReading) -> list[dict[str, object]]:
    """Released clips of one organisation whose content looks the same; no proof of anything."""
    if reading.fingerprint is None:
        return []
    query = Fingerprint.from_bytes(reading.fingerprint)
    with services.database.transaction(org) as tx:
        stored = tx.pg.execute(RECORDS.all_fingerprints, {"limit": CANDIDATES}).fetchall()
    matches = ((clip_id, same_content(query, Fingerprint.from_bytes(bytes(body)))) for clip_id, body in stored)
    return [{"clip_id": clip_id, "share": match.share} for clip_id, match in matches if match.agreed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a number stands for. Which clip it is, and what it was made from, is for staff of its organisation."""

    made: str
    status: str
    #: Whether a file of it was ever published.
    was_out: bool = False
    clip_id: str = ""
    payload: str = ""
    parents: tuple[str, ...] = ()


def describe_number(services: "Services", number: str, *, staff_of: str | None, proven: bool = False) -> Known:
    """Say what a mark's payload stands for; for staff, or where a file proved it, a clip's id too. Raises NotFound."""
    by_clip = is_id("clip", number)
    if not (_PAYLOAD.fullmatch(number) or (by_clip and (proven or staff_of))):
        raise NotFound("no clip of ours has this number")
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(CLIPS.clip_of_marked if by_clip else CLIPS.clip_of_payload, {"payload": number}).fetchone()
        if row is None or (by_clip and not proven and row[0] != staff_of):
            raise NotFound("no clip of ours has this number")
        clip = read_clip(tx, row[1])
        payload, _ = mark_of(tx, row[1])
        was_out = tx.pg.execute(RECORDS.release, {"clip": row[1]}).fetchone() is not None
    known = Known(made=clip.created_at.date().isoformat(), status=str(clip.status), was_out=was_out)
    if staff_of != row[0]:
        return known
    return replace(known, clip_id=clip.clip_id, payload=payload, parents=tuple(clip.parents))


def resolve_mark(services: "Services", payload: str) -> dict[str, object]:
    """What a payload of 12 hex digits stands for, without personal data. Raises NotFound."""
    with services.database.system_transaction() as tx:
        row = tx.pg.execute(CLIPS.clip_of_payload, {"payload": payload}).fetchone()
        if row is None:
            raise NotFound(f"no clip of ours carries the mark {payload}")
        clip = read_clip(tx, row[1])
        rendition = tx.pg.execute(RECORDS.rendition, {"clip": row[1], "kind": "marked"}).fetchone()
    marking = services.settings.marking
    report = rendition[3] if rendition else {}
    return {
        "payload": payload,
        "clip_id": clip.clip_id,
        "provider": marking.provider,
        "system": marking.system,
        "version": services.version,
        "created_at": clip.created_at.isoformat(),
        "status": clip.status,
        "soft_binding": marking.soft_binding,
        "manifest_id": report.get("manifest_id"),
        "manifest_sha256": report.get("manifest_sha256"),
    }
