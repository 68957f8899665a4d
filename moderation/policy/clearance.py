"""Which faces of a clip are cleared as adults, and what is shown beside the others. Reads the fact record alone.

Says of nobody that they are a minor: a face is not cleared for many reasons, most of them dull.
"""

from collections.abc import Mapping, Sequence

from detectors.base import FaceState, State
from moderation.facts import FaceFact, FactRecord, Sample, Scalar

#: Apparent age below which the networks cannot be sure of an adult, and the share of their belief under 18 that counts.
CLEARED_FROM = 25
LIKELY_MINOR = 0.5
_NONE: tuple[Sample, ...] = ()


def clearance_facts(facts: FactRecord) -> Mapping[str, Scalar]:
    """Return the facts of the group `minors`; None for what cannot be known, as nobody looked for faces."""
    if not _measured(facts, "face.detection"):
        return {"uncleared_faces": None, "unchecked": None, "explicit_beside": None}
    checked = _measured(facts, "drawn.score")
    doubtful = [face for face in facts.faces if not _reads_adult(facts, face)]
    unchecked = [] if checked else [face for face in facts.faces if face not in doubtful]
    return {
        "uncleared_faces": len(doubtful) + len(unchecked),
        "unchecked": bool(unchecked),
        "explicit_beside": _explicit_beside(facts, [*doubtful, *unchecked]),
    }


def _measured(facts: FactRecord, signal: str) -> bool:
    fact = facts.signals.get(signal)
    return fact is not None and fact.state is State.MEASURED


def _samples(facts: FactRecord, signal: str) -> tuple[Sample, ...]:
    fact = facts.signals.get(signal)
    return fact.samples if fact is not None and fact.state is State.MEASURED else _NONE


def _reads_adult(facts: FactRecord, face: FaceFact) -> bool:
    """Tell whether a face was read, is not drawn, and was never young-looking."""
    ages = _values(facts, "face.age", face)
    return (
        face.state is not FaceState.UNREAD
        and not _values(facts, "face.drawn", face)
        and bool(ages)
        and min(ages) >= CLEARED_FROM
        and max(_values(facts, "minor.score", face), default=1.0) < LIKELY_MINOR
    )


def _values(facts: FactRecord, signal: str, face: FaceFact) -> list[float]:
    return [sample.value for sample in _samples(facts, signal) if sample.track == face.track]


def _explicit_beside(facts: FactRecord, faces: Sequence[FaceFact]) -> float | None:
    """Return the highest explicit score while one of the faces is in sight, 0 where none is."""
    if not faces:
        return 0.0
    if not _measured(facts, "explicit.score"):
        return None
    scores = [
        sample.value
        for sample in _samples(facts, "explicit.score")
        if any(face.start_ms <= sample.time_ms < face.end_ms for face in faces)
    ]
    return max(scores, default=0.0)
