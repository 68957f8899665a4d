"""Which faces of a clip are cleared as adults, and what is shown beside the others. Reads the fact record alone.

Says of nobody that they are a minor: a face is not cleared for many reasons, most of them dull.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import chain

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
    doubtful = _doubtful(facts)
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


def _doubtful(facts: FactRecord) -> list[FaceFact]:
    """Return the faces that were not read, are drawn, or were ever young-looking."""
    ages, minor, drawn = (_by_track(facts, signal) for signal in ("face.age", "minor.score", "face.drawn"))

    def reads_adult(face: FaceFact) -> bool:
        track = face.track
        return (
            face.state is not FaceState.UNREAD
            and track not in drawn
            and track in ages
            and min(ages[track]) >= CLEARED_FROM
            and max(minor.get(track, (1.0,))) < LIKELY_MINOR
        )

    return [face for face in facts.faces if not reads_adult(face)]


def _by_track(facts: FactRecord, signal: str) -> dict[int | None, list[float]]:
    values: dict[int | None, list[float]] = {}
    for _, value, track in _samples(facts, signal):
        values.setdefault(track, []).append(value)
    return values


def _explicit_beside(facts: FactRecord, faces: Sequence[FaceFact]) -> float | None:
    """Return the highest explicit score while one of the faces is in sight, 0 where none is."""
    if not faces:
        return 0.0
    if not _measured(facts, "explicit.score"):
        return None
    samples = _samples(facts, "explicit.score")
    times = [time_ms for time_ms, _, _ in samples]
    seen = [samples[bisect_left(times, face.start_ms) : bisect_left(times, face.end_ms)] for face in faces]
    return max((value for _, value, _ in chain.from_iterable(seen)), default=0.0)
