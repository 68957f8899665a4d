"""Reads fact records that we stored ourselves, fast: what was checked when it was written is not checked again.

A record that does not look like ours goes the long way, through `FactRecord.from_json`, which checks everything.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, cast

from pydantic_core import from_json

from detectors.base import FaceState, State, VoiceState
from moderation.facts import (
    Candidate,
    Consent,
    FaceFact,
    FactRecord,
    Manifests,
    PersonFact,
    PersonKind,
    Sample,
    Segment,
    SignalFact,
    SubmissionFacts,
    VoiceCandidate,
    VoiceFact,
)

_STATES = {str(state): state for state in State}
_WHOLE = frozenset(
    {
        *("facts_version", "org", "clip", "judged_at", "duration_ms", "phase", "submission", "signals", "faces"),
        *("people", "manifests", "lineage", "account", "known_illegal"),
    }
)
_SOMETIMES = frozenset({"voices", "fingerprint"})
_SIGNAL = frozenset({"state", "model", "version", "calibration", "samples", "note"})
_SUBMISSION = frozenset(SubmissionFacts.__dataclass_fields__)
_set = object.__setattr__


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptRecord(FactRecord):
    """A stored record. Its digest is that of the stored bytes, which are the canonical ones or else show here.

    The samples of its signals are plain lists in the order in which they were stored.
    """

    kept_digest: str

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the bytes it was read from."""
        return self.kept_digest


def read_record(body: str) -> FactRecord:
    """Read one stored record. Raises FactsError for what is none of this version."""
    try:
        data = from_json(body)
        if _ours(data):
            return _read(data, hashlib.sha256(body.encode()).hexdigest())
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    return FactRecord.from_json(body)


def _ours(data: Any) -> bool:
    """Tell whether the record has the parts that we write, and no others."""
    names = data.keys()
    return (
        data["facts_version"] == 1
        and names >= _WHOLE
        and names <= _WHOLE | _SOMETIMES
        and data["submission"].keys() == _SUBMISSION
        and all(signal.keys() == _SIGNAL for signal in data["signals"].values())
    )


def _read(data: Any, digest: str) -> KeptRecord:
    said = data["submission"]
    return KeptRecord(
        org=data["org"],
        clip=data["clip"],
        judged_at=data["judged_at"],
        duration_ms=data["duration_ms"],
        phase=data["phase"],
        submission=SubmissionFacts(**{**said, "cameos": tuple(said["cameos"]), "parents": tuple(said["parents"])}),
        signals={name: _signal(signal) for name, signal in data["signals"].items()},
        faces=tuple(map(_face, data["faces"])),
        voices=tuple(map(_voice, data.get("voices", ()))),
        people={name: _person(person) for name, person in data["people"].items()},
        manifests=Manifests(**data["manifests"]),
        lineage=data["lineage"],
        account=data["account"],
        fingerprint=data.get("fingerprint", {}),
        known_illegal=data["known_illegal"],
        kept_digest=digest,
    )


def _signal(signal: Any) -> SignalFact:
    """Make the fact without putting in order and rounding again what was so when it was stored."""
    fact = SignalFact.__new__(SignalFact)
    _set(fact, "state", _STATES[signal["state"]])
    _set(fact, "model", signal["model"])
    _set(fact, "version", signal["version"])
    _set(fact, "calibration", signal["calibration"])
    _set(fact, "samples", cast("tuple[Sample, ...]", signal["samples"]))
    _set(fact, "note", signal["note"])
    return fact


def _face(face: Any) -> FaceFact:
    candidates = tuple(Candidate(**(c | {"state": FaceState(c["state"])})) for c in face["candidates"])
    return FaceFact(**(face | {"state": FaceState(face["state"]), "candidates": candidates}))


def _voice(voice: Any) -> VoiceFact:
    return VoiceFact(
        voice=voice["voice"],
        state=VoiceState(voice["state"]),
        segments=tuple(Segment(*segment) for segment in voice["segments"]),
        candidates=tuple(VoiceCandidate(**(c | {"state": VoiceState(c["state"])})) for c in voice["candidates"]),
    )


def _person(person: Any) -> PersonFact:
    known = person | {"kind": PersonKind(person["kind"]), "consent": Consent(person["consent"])}
    if "voice" in person:
        known["voice"] = Consent(person["voice"])
    return PersonFact(**known)
