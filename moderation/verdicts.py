"""The verdict on a clip as its platform reads it: one document for `GET /v1/clips/{id}` and for `check`. Reads only."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from detectors.base import State
from moderation.clips import Clip
from moderation.db import Transaction, queries, row
from moderation.db.clips import read_clip
from moderation.scoring import Analysis
from moderation.timelines import looks, segments

if TYPE_CHECKING:
    from moderation.services import Services

CLIPS = queries("clips")
RECORDS = queries("records")
CASES = queries("cases")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the database holds of one clip, read in one transaction."""

    clip: Clip
    analysis: Analysis | None
    #: decision id and stored body of the latest decision
    decision: tuple[str, dict[str, object]] | None
    proof: dict[str, object] | None
    payload: str
    stages: list[dict[str, object]]
    case_id: str | None
    released_at: datetime | None
    #: What the latest decision knew of people and works; None before one was taken.
    known: "Known | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Of a fact record: its people, and which comparisons with works were made."""

    people: dict[str, dict[str, object]]
    #: Whether some picture of a work stood against the clip's fingerprint.
    pictures: bool
    #: Whether there was a text in which names were looked for.
    names: bool
    #: Whether a network compared frames with some picture of a work.
    embeddings: bool


def read_verdict(services: "Services", org: str, clip_id: str) -> dict[str, object]:
    """The full document of one clip. Raises NotFound."""
    with services.database.transaction(org) as tx:
        return document(gather(tx, clip_id))


def gather(tx: Transaction, clip_id: str) -> Verdict:
    """Read everything the document needs."""
    clip = read_clip(tx, clip_id)
    where = {"clip": clip_id}
    analysis = tx.pg.execute(RECORDS.latest_analysis, where).fetchone()
    decision = tx.pg.execute(RECORDS.latest_decision, where).fetchone()
    payload = tx.pg.execute(CLIPS.payload_of_clip, where).fetchone()
    case = tx.pg.execute(CASES.open_case_of_clip, where).fetchone()
    release = tx.pg.execute(RECORDS.release, where).fetchone()
    return Verdict(
        clip=clip,
        analysis=Analysis.from_text(analysis[0]) if analysis else None,
        decision=(decision[0], json.loads(decision[2])) if decision else None,
        proof=_proof(tx, clip_id),
        payload=payload[0] if payload else "",
        stages=[_stage(row) for row in tx.pg.execute(CLIPS.stages, where).fetchall()],
        case_id=case[0] if case else None,
        released_at=release[3] if release and release[4] is None else None,
        known=_known(tx, clip_id, decision[5]) if decision else None,
    )


def _known(tx: Transaction, clip_id: str, facts_hash: str) -> Known | None:
    return row(tx, RECORDS.known, Known, {"clip": clip_id, "hash": facts_hash})


def _proof(tx: Transaction, clip_id: str) -> dict[str, object] | None:
    rendition = tx.pg.execute(RECORDS.rendition, {"clip": clip_id, "kind": "marked"}).fetchone()
    if rendition is None:
        return None
    row = tx.pg.execute(RECORDS.proof, {"clip": clip_id, "sha256": rendition[0]}).fetchone()
    return dict(row[1]) if row else None


def _stage(row: tuple[object, ...]) -> dict[str, object]:
    run, name, state, started_at, finished_at, cpu_ms, detail = row
    return {
        "stage": name,
        "run": run,
        "state": state,
        "started_at": moment(started_at),
        "finished_at": moment(finished_at),
        "cpu_ms": cpu_ms,
        "detail": detail,
    }


def moment(value: object) -> str | None:
    """Write a time as UTC in ISO 8601."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else None


def document(verdict: Verdict) -> dict[str, object]:
    """The contract's clip document."""
    clip, analysis = verdict.clip, verdict.analysis
    return {
        "id": clip.clip_id,
        "status": clip.status,
        "status_url": f"/v1/clips/{clip.clip_id}",
        "held": {"cause": clip.held_cause, "retry_at": moment(clip.retry_at)} if clip.held_cause else None,
        "problem": clip.problem,
        "case_id": verdict.case_id,
        "decision": _decision(clip.clip_id, verdict.decision),
        "audience": verdict.decision[1]["audience"] if verdict.decision else None,
        "markets_withheld": verdict.decision[1].get("markets_withheld", []) if verdict.decision else [],
        "notes": verdict.decision[1]["notes"] if verdict.decision else [],
        "signals": analysis.signals if analysis else {},
        "segments": segments(analysis) if analysis else [],
        "looks": looks(analysis) if analysis else None,
        "faces": [_face(face) for face in analysis.faces] if analysis else [],
        "voices": [_voice(voice) for voice in analysis.voices] if analysis else [],
        "people": people_of(verdict.known),
        "works": comparisons(verdict.known) | ({"nearest": analysis.works} if analysis and analysis.works else {}),
        "marks": _marks(verdict),
        "stages": verdict.stages,
        "duration_ms": (clip.probe or {}).get("duration_ms"),
        "sha256": clip.content_sha256,
        "creator": clip.creator,
        "visibility": clip.visibility,
        "created_at": moment(clip.created_at),
        "updated_at": moment(clip.updated_at),
        "released_at": moment(verdict.released_at),
    }


def _decision(clip_id: str, decision: tuple[str, dict[str, object]] | None) -> dict[str, object] | None:
    if decision is None:
        return None
    decision_id, body = decision
    return {
        "id": decision_id,
        "outcome": body["outcome"],
        "reasons": body["reasons"],
        "decided_by": body["decided_by"],
        "queue": body["queue"],
        "policy_version": body["policy_version"],
        "facts_hash": body["facts_hash"],
        "trace_url": f"/v1/clips/{clip_id}/decision",
    }


def _face(face: dict[str, object]) -> dict[str, object]:
    return {name: face[name] for name in ("track", "start_ms", "end_ms", "state")} | _who(face)


def _voice(voice: dict[str, object]) -> dict[str, object]:
    return {name: voice[name] for name in ("voice", "segments", "state")} | _who(voice)


def _who(found: dict[str, object]) -> dict[str, object]:
    """Who it is, or side by side who it may be: of several who only resemble it none is named alone."""
    candidates = found.get("candidates")
    several = candidates if isinstance(candidates, list) and len(candidates) > 1 else []
    beside: dict[str, object] = {"candidates": several} if several else {}
    if several and found["state"] != "matched":
        return beside
    return {name: found[name] for name in ("person", "distance") if found[name] is not None} | beside


def people_of(known: Known | None) -> list[dict[str, object]] | None:
    """Everybody registered whom the clip may show or who was declared, with what stands against a yes.

    None before a decision; `limits` are contexts, or `audience`, `purpose`, `remix`, `time`, `answer`.
    """
    if known is None:
        return None
    parts = ("kind", "consent", "voice", "declared")
    return [
        {"person": person, **{part: fact[part] for part in parts if part in fact}, "limits": fact.get("limits", [])}
        for person, fact in sorted(known.people.items())
    ]


def comparisons(known: Known | None) -> dict[str, str]:
    """How the clip was compared with works of rights holders; `not_measured` where nothing was there to compare."""
    made = {
        "fingerprint": known is not None and known.pictures,
        "names": known is not None and known.names,
        "embedding": known is not None and known.embeddings,
    }
    return {how: str(State.MEASURED if done else State.NOT_MEASURED) for how, done in made.items()}


def _marks(verdict: Verdict) -> dict[str, object]:
    """Each mark with what the gate proved of it; `not_checked` before the gate has looked."""
    layers = (verdict.proof or {}).get("layers")
    found: dict[str, object] = dict(layers) if isinstance(layers, dict) else {}
    added = (verdict.proof or {}).get("demanded")
    names = ("visible", "invisible", "c2pa", *(added if isinstance(added, list) else ()))
    marks: dict[str, object] = {name: found.get(name, {"state": "not_checked"}) for name in names}
    return marks | {"payload": verdict.payload}
