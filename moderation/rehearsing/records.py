"""Reads stored fact records fast: bytes with the digest they were judged under were checked when they were written.

Any other bytes go the long way, through `FactRecord.from_json`, which checks everything.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import partial
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
    ShotStart,
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
_SOMETIMES = frozenset({"voices", "named", "fingerprint", "shots"})
_SIGNAL = frozenset({"state", "model", "version", "calibration", "samples", "note"})
_SUBMISSION = frozenset(field.name for field in fields(SubmissionFacts))
_set = object.__setattr__
#: Before the samples of a signal in canonical JSON. No text can hold this: inside a text a quote follows a backslash.
_SAMPLES = '"samples":'
#: As `Sample._make`, without looking at the length: half the time.
_SAMPLE = partial(tuple.__new__, Sample)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptRecord(FactRecord):
    """A stored record with the digest of its bytes."""

    kept_digest: str

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the bytes it was read from."""
        return self.kept_digest


def read_record(body: str, facts_hash: str) -> FactRecord:
    """Read one stored record, which was judged under `facts_hash`. Raises FactsError for what is none of this version.

    Whether it still is what was judged, its `digest()` tells.
    """
    digest = hashlib.sha256(body.encode()).hexdigest()
    if digest == facts_hash:
        # Samples are most of a record, and rules ask few of them: the text of the others is never read.
        put_off: list[str] = []
        data = from_json(_without_samples(body, put_off))
        if _known(data):
            return _read(data, digest, put_off)
    return FactRecord.from_json(body)


def _without_samples(body: str, put_off: list[str]) -> str:
    """Keep the text of every signal's samples for later and leave its number in its place."""
    first, *others = body.split(_SAMPLES)
    parts = [first]
    for other in others:
        end = other.find("]]") + 2
        # In rows of numbers there is no text, so a quote belongs to something else.
        if other.startswith("[[") and end > 1 and '"' not in other[:end]:
            parts.append(f"{len(put_off)}{other[end:]}")
            put_off.append(other[:end])
        else:
            parts.append(other)
    return _SAMPLES.join(parts)


def _known(data: Any) -> bool:
    """Tell whether the record has the parts that this release writes, and no others."""
    names = data.keys()
    return (
        data["facts_version"] == 1
        and names >= _WHOLE
        and names <= _WHOLE | _SOMETIMES
        and data["submission"].keys() | {"purpose"} == _SUBMISSION
        and all(signal.keys() == _SIGNAL for signal in data["signals"].values())
    )


def _read(data: Any, digest: str, samples: list[str]) -> KeptRecord:
    said = data["submission"]
    return KeptRecord(
        org=data["org"],
        clip=data["clip"],
        judged_at=data["judged_at"],
        duration_ms=data["duration_ms"],
        phase=data["phase"],
        submission=SubmissionFacts(**{**said, "cameos": tuple(said["cameos"]), "parents": tuple(said["parents"])}),
        signals={name: _signal(signal, samples) for name, signal in data["signals"].items()},
        faces=tuple(map(_face, data["faces"])),
        voices=tuple(map(_voice, data.get("voices", ()))),
        people={name: _person(person) for name, person in data["people"].items()},
        manifests=Manifests(**data["manifests"]),
        lineage=data["lineage"],
        account=data["account"],
        named=data.get("named", {}),
        fingerprint=data.get("fingerprint", {}),
        shots=tuple(ShotStart(*start) for start in data.get("shots", ())),
        known_illegal=data["known_illegal"],
        kept_digest=digest,
    )


class KeptSignal(SignalFact):
    """A stored signal whose samples, in order and rounded since they were stored, are read when a rule first asks."""

    __slots__ = ("_made", "_stored")

    _stored: str
    _made: tuple[Sample, ...] | None

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The samples, as in any other signal."""
        if self._made is None:
            _set(self, "_made", tuple(map(_SAMPLE, from_json(self._stored))))
        return cast("tuple[Sample, ...]", self._made)


def _signal(signal: Any, samples: list[str]) -> SignalFact:
    fact = KeptSignal.__new__(KeptSignal)
    _set(fact, "state", _STATES[signal["state"]])
    _set(fact, "model", signal["model"])
    _set(fact, "version", signal["version"])
    _set(fact, "calibration", signal["calibration"])
    _set(fact, "note", signal["note"])
    stored = signal["samples"]
    _set(fact, "_stored", samples[stored] if isinstance(stored, int) else "[]")
    _set(fact, "_made", None)
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
    if "limits" in person:
        known["limits"] = tuple(person["limits"])
    return PersonFact(**known)
