"""The fact record: all a policy may read of a clip and all that replay uses. Types and canonical form; no database."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from detectors.base import FaceState, State, VoiceState, quantise
from moderation.canonical import canonical, joined, written, written_rows

FACTS_VERSION = 1

Scalar = str | int | float | bool | None
Phase = Literal["public", "draft"]
#: Beyond it whole numbers are none to JSON.
_WHOLE = 2**53
_CLOSED = ConfigDict(extra="forbid", allow_inf_nan=False)


class FactsError(ValueError):
    """A fact record that does not have the form of this version."""


class PersonKind(StrEnum):
    """Why somebody is in the registry."""

    CAMEO = "cameo"
    PUBLIC_FIGURE = "public_figure"
    RIGHTS_HOLDER = "rights_holder"
    PROTECTED_PERSON = "protected_person"


class Consent(StrEnum):
    """What the ledger said of one person and this creator at `judged_at`."""

    CONSENTED = "consented"
    NOT_CONSENTED = "not_consented"
    #: A grant exists, but not for this use (context, purpose, audience, remix, time).
    LIMIT_VIOLATED = "limit_violated"
    REVOKED = "revoked"
    #: The ledger could not answer. Never read as a yes or a no.
    UNDETERMINED = "undetermined"


class Sample(NamedTuple):
    """One number at one instant (ms from the first displayed frame), quantised; `track` is the face it is of."""

    time_ms: Annotated[int, Field(ge=0)]
    value: float
    track: int | None = None


def _short(value: Scalar) -> Scalar:
    """Write a whole number without its fraction, as the canonical form does."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE else value


def _order(sample: Sample) -> tuple[int, int, float]:
    return (sample.time_ms, -1 if sample.track is None else sample.track, sample.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFact:
    """A signal as it was when the clip was judged. Samples are quantised and put in order on construction."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    state: State
    model: str | None = None
    version: str | None = None
    calibration: str = "none"
    samples: tuple[Sample, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        tidy = sorted((Sample(s[0], quantise(s[1]), s[2]) for s in self.samples), key=_order)
        object.__setattr__(self, "samples", tuple(tidy))

    def to_json(self) -> dict[str, object]:
        # Whole numbers without their fraction, as the canonical form has them.
        return self._beside() | {
            "samples": [
                [time_ms, int(value) if not value % 1 and abs(value) < _WHOLE else value, track]
                for time_ms, value, track in self.samples
            ]
        }

    def _beside(self) -> dict[str, object]:
        return {
            "state": str(self.state),
            "model": self.model,
            "version": self.version,
            "calibration": self.calibration,
            "samples": None,
            "note": self.note,
        }

    def written(self) -> str | None:
        """Return the canonical text, with the samples, most of it, written apart. None where it might differ."""
        beside = written(self._beside())
        rows = written_rows([(time_ms, value, track) for time_ms, value, track in self.samples])
        if beside is None or rows is None:
            return None
        # Within a text a quote follows a backslash: this stands there once.
        return beside.replace('"samples":null', f'"samples":{rows}', 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One registered person near a face; `distance` is L2 on raw vectors, `state` is matched or possible."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    person: str
    distance: float
    state: FaceState

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", quantise(self.distance))

    def to_json(self) -> dict[str, object]:
        return {"person": self.person, "distance": self.distance, "state": str(self.state)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFact:
    """One tracked face; `end_ms` is exclusive. Candidates are put nearest first on construction."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    track: int
    start_ms: int
    end_ms: int
    state: FaceState
    person: str | None = None
    distance: float | None = None
    candidates: tuple[Candidate, ...] = ()

    def __post_init__(self) -> None:
        nearest_first = sorted(self.candidates, key=lambda candidate: (candidate.distance, candidate.person))
        object.__setattr__(self, "candidates", tuple(nearest_first))
        object.__setattr__(self, "distance", None if self.distance is None else quantise(self.distance))

    def to_json(self) -> dict[str, object]:
        return {
            "track": self.track,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "state": str(self.state),
            "person": self.person,
            "distance": self.distance,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceCandidate:
    """One registered person near a voice; `distance` is L2 on unit vectors, `state` is matched or possible."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    person: str
    distance: float
    state: VoiceState

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", quantise(self.distance))

    def to_json(self) -> dict[str, object]:
        return {"person": self.person, "distance": self.distance, "state": str(self.state)}


class Segment(NamedTuple):
    """From `start_ms` to `end_ms`, exclusive."""

    start_ms: Annotated[int, Field(ge=0)]
    end_ms: Annotated[int, Field(ge=0)]


class ShotStart(NamedTuple):
    """Where a shot begins, or goes on after an insert (ms from the first displayed frame), and its number."""

    start_ms: Annotated[int, Field(ge=0)]
    shot: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceFact:
    """One voice and where it speaks, in order. Candidates are put nearest first on construction."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    voice: int
    state: VoiceState
    segments: tuple[Segment, ...] = ()
    candidates: tuple[VoiceCandidate, ...] = ()

    def __post_init__(self) -> None:
        nearest_first = sorted(self.candidates, key=lambda candidate: (candidate.distance, candidate.person))
        object.__setattr__(self, "candidates", tuple(nearest_first))
        object.__setattr__(self, "segments", tuple(sorted(Segment(*segment) for segment in self.segments)))

    def to_json(self) -> dict[str, object]:
        return {
            "voice": self.voice,
            "state": str(self.state),
            "segments": [list(segment) for segment in self.segments],
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFact:
    """A registered person this clip shows or declares, with the consent snapshot."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    kind: PersonKind
    consent: Consent
    #: Whether the submission named this person as a cameo.
    declared: bool = False
    #: The registry's version of this person at `judged_at`; the release gate demands that it still stands.
    version: int = 0
    #: What the ledger said of this person's voice; None where nobody heard it. `consent` is of the face.
    voice: Consent | None = None
    #: What stands against a yes that was given: contexts, `audience`, `purpose`, `remix`, `time`, `answer`.
    limits: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        said: dict[str, object] = {
            "kind": str(self.kind),
            "consent": str(self.consent),
            "declared": self.declared,
            "version": self.version,
        }
        # A record without voices keeps the bytes, and so the digest, that it had before there were any.
        heard = {} if self.voice is None else {"voice": str(self.voice)}
        return said | heard | ({"limits": list(self.limits)} if self.limits else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFacts:
    """What the platform said of the clip. Empty text means none was given; null means not said."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    creator: str
    creator_age_band: str | None = None
    prompt: str = ""
    title: str = ""
    generator: str | None = None
    locale: str | None = None
    market: str | None = None
    visibility: Phase = "public"
    cameos: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    #: What the clip is for, in the platform's word.
    purpose: str | None = None

    def to_json(self) -> dict[str, object]:
        return {
            "creator": self.creator,
            "creator_age_band": self.creator_age_band,
            "prompt": self.prompt,
            "title": self.title,
            "generator": self.generator,
            "locale": self.locale,
            "market": self.market,
            "visibility": self.visibility,
            "cameos": list(self.cameos),
            "parents": list(self.parents),
            # Left out when it was not said, as by records that knew no purposes.
            **({} if self.purpose is None else {"purpose": self.purpose}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """Which weights, gallery and word list the signals came from."""

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    detectors: str | None = None
    gallery: str | None = None
    lexicon: str | None = None

    def to_json(self) -> dict[str, object]:
        return {"detectors": self.detectors, "gallery": self.gallery, "lexicon": self.lexicon}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRecord:
    """One clip as the judge sees it. Immutable; its digest (SHA-256 of RFC 8785 bytes) names it for ever.

    `judged_at` is UTC, ISO 8601; it is content, the judge never reads a clock. `lineage` and `account` are
    flat maps whose names the policy vocabulary lists.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _CLOSED

    org: str
    clip: str
    judged_at: str
    duration_ms: Annotated[int, Field(ge=0)]
    phase: Phase
    submission: SubmissionFacts
    signals: dict[str, SignalFact] = field(default_factory=dict)
    faces: tuple[FaceFact, ...] = ()
    voices: tuple[VoiceFact, ...] = ()
    people: dict[str, PersonFact] = field(default_factory=dict)
    manifests: Manifests = field(default_factory=Manifests)
    lineage: dict[str, Scalar] = field(default_factory=dict)
    account: dict[str, Scalar] = field(default_factory=dict)
    #: Whom and what the texts name, of those registered; flat like `lineage`. Empty in records older than names.
    named: dict[str, Scalar] = field(default_factory=dict)
    #: What the clip's fingerprint was found to resemble; flat like `lineage`. Empty in records older than fingerprints.
    fingerprint: dict[str, Scalar] = field(default_factory=dict)
    #: Each shot lasts until the next begins. Empty means that nobody looked for cuts.
    shots: tuple[ShotStart, ...] = ()
    known_illegal: bool = False
    facts_version: Literal[1] = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", tuple(sorted(self.faces, key=lambda face: face.track)))
        object.__setattr__(self, "voices", tuple(sorted(self.voices, key=lambda voice: voice.voice)))
        object.__setattr__(self, "shots", tuple(sorted(ShotStart(*start) for start in self.shots)))

    def to_json(self) -> dict[str, object]:
        """Return plain data; `canonical()` of it is the stored form."""
        return self._beside() | {"signals": {name: signal.to_json() for name, signal in self.signals.items()}}

    def _beside(self) -> dict[str, object]:
        return {
            "facts_version": self.facts_version,
            "org": self.org,
            "clip": self.clip,
            "judged_at": self.judged_at,
            "duration_ms": self.duration_ms,
            "phase": self.phase,
            "submission": self.submission.to_json(),
            "faces": [face.to_json() for face in self.faces],
            **({"voices": [voice.to_json() for voice in self.voices]} if self.voices else {}),
            "people": {person: fact.to_json() for person, fact in self.people.items()},
            "manifests": self.manifests.to_json(),
            "lineage": dict(self.lineage),
            "account": dict(self.account),
            "known_illegal": self.known_illegal,
            **({"named": dict(self.named)} if self.named else {}),
            # Left out when empty: older records keep their digest.
            **({"fingerprint": {k: _short(v) for k, v in self.fingerprint.items()}} if self.fingerprint else {}),
            **({"shots": [list(start) for start in self.shots]} if self.shots else {}),
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: what is stored, hashed and replayed."""
        text = self._written()
        return canonical(self.to_json()) if text is None else text.encode()

    def _written(self) -> str | None:
        """Return the canonical text piece by piece; None where a piece might differ."""
        beside = {name: written(value) for name, value in self._beside().items()}
        signals = {name: signal.written() for name, signal in self.signals.items()}
        return joined(beside | {"signals": joined(signals)})

    def digest(self) -> str:
        """Return the SHA-256 (hex) of the canonical bytes."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_json(cls, value: Mapping[str, object] | bytes | str) -> "FactRecord":
        """Read a stored record. Raises FactsError for an unknown version, unknown or missing keys, wrong types."""
        text = value if isinstance(value, bytes | str) else json.dumps(dict(value))
        try:
            return _reader().validate_json(text, strict=True)
        except ValidationError as error:
            # Places and kinds only: the record holds personal data that must not reach a log.
            faults = [f"{'.'.join(map(str, e['loc']))}: {e['type']}" for e in error.errors(include_input=False)]
            raise FactsError(f"not a fact record of version {FACTS_VERSION}: {'; '.join(faults[:5])}") from None


@cache
def _reader() -> TypeAdapter[FactRecord]:
    return TypeAdapter(FactRecord)
