"""The facts of one clip laid out for questioning: series by signal, appearances of people. Made once per judging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Literal

from detectors.base import FaceState, State
from moderation.decisions import Cause, Leaf
from moderation.facts import FaceFact, FactRecord, PersonFact, Scalar, Segment
from moderation.policy.clearance import clearance_facts
from moderation.policy.model import ABSENT, Within
from moderation.policy.registry import SignalEntry, Vocabulary
from moderation.policy.timeline import Series, series_of
from moderation.policy.truth import FALSE, UNDETERMINED, Truth

#: The least and the greatest of some values.
Reach = tuple[float, float]
_READ = frozenset({FaceState.MATCHED, FaceState.POSSIBLE, FaceState.UNMATCHED})
_NEAR = frozenset({FaceState.MATCHED, FaceState.POSSIBLE})
#: Later than any date: what expires has expired.
_NO_DAY = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearance:
    """One face and one person it may be; or a face and nobody; or a person and no face (`absent`)."""

    face: FaceState | Literal["absent"]
    track: int | None = None
    start_ms: int = 0
    end_ms: int = 0
    person: str | None = None
    distance: float | None = None
    #: None although `person` is set: the record does not say who that is.
    known: PersonFact | None = None


class Exhibits:
    """One clip's facts, ready to be asked. Lives for one judging; reads nothing but the record."""

    def __init__(self, facts: FactRecord, vocabulary: Vocabulary) -> None:
        self.facts = facts
        self.vocabulary = vocabulary
        self.clip_ms = facts.duration_ms
        #: What leaves came to and what they saw, by their words: rules ask the same things, and evidence asks again.
        self.told: dict[str, Truth] = {}
        self.described: dict[str, tuple[Leaf, ...]] = {}
        #: The values that expressions read, by their names.
        self.bound: dict[frozenset[str], object] = {}
        #: The clip's shots, and its faces and people, as parts to be asked of; None where they cannot be told.
        self.parts: dict[Within, tuple[Exhibits, ...] | None] = {}
        #: Whether a signal has a gap in some shot, or on some face or person.
        self.gaps_in_parts: dict[tuple[Within, str], bool] = {}
        self._entries = vocabulary.signals
        self._ends = {face.track: face.end_ms for face in facts.faces}
        #: Tracks of faces that could be read, so that signals of faces speak of them.
        self.readable = frozenset(face.track for face in facts.faces if face.state in _READ)
        self._series: dict[str, tuple[Series, ...]] = {}
        self._gaps: dict[str, tuple[Cause, ...]] = {}
        self._reach: dict[str, Reach] = {}
        self._appearances: tuple[Appearance, ...] | None = None
        self._clearance: Mapping[str, Scalar] | None = None
        self._day: str | None = None

    def series(self, signal: str) -> tuple[Series, ...]:
        """Return the signal's series; none for a signal that nobody measured. A failed one shows what it saw."""
        found = self._series.get(signal)
        if found is None:
            fact = self.facts.signals.get(signal)
            silent = fact is None or fact.state is State.NOT_MEASURED
            found = self._series[signal] = () if silent or fact is None else series_of(fact.samples, self._end)
        return found

    def reach(self, signal: str) -> Reach:
        """Return the least and the greatest value of the signal's series; no threshold lies between those of none."""
        found = self._reach.get(signal)
        if found is None:
            series = self.series(signal)
            bottom, top = (
                min((one.bottom for one in series), default=inf),
                max((one.top for one in series), default=-inf),
            )
            found = self._reach[signal] = bottom, top
        return found

    def gaps(self, signal: str) -> tuple[Cause, ...]:
        """Return why the signal's silence is worth nothing; empty when it was measured throughout."""
        found = self._gaps.get(signal)
        if found is None:
            found = self._gaps[signal] = self._look_for_gaps(signal)
        return found

    def silence(self, *signals: str) -> Truth:
        """Return what seeing nothing on these signals means: false when all were measured, else undetermined."""
        for signal in signals:
            if self.gaps(signal):
                return UNDETERMINED
        return FALSE

    @property
    def appearances(self) -> tuple[Appearance, ...]:
        """Every face with everybody it may be, then the people of the record whom no face shows."""
        if self._appearances is None:
            shown = [appearance for face in self.facts.faces for appearance in self._of_face(face)]
            seen = {appearance.person for appearance in shown if appearance.face in _NEAR}
            absent = [
                Appearance(face=ABSENT, person=person, known=known)
                for person, known in sorted(self.facts.people.items())
                if person not in seen
            ]
            self._appearances = (*shown, *absent)
        return self._appearances

    def fact(self, name: str) -> Scalar:
        """Return a named fact; None when it is not known."""
        group, _, key = name.partition(".")
        match group:
            case "minors":
                if self._clearance is None:
                    self._clearance = clearance_facts(self.facts)
                return self._clearance.get(key)
            case "lineage" | "account" | "named" | "fingerprint":
                said: dict[str, Scalar] = getattr(self.facts, group)
                return said.get(key)
            case "submission":
                value = getattr(self.facts.submission, key)
                return len(value) if isinstance(value, tuple) else value
            case _:
                return getattr(self.facts, name)  # type: ignore[no-any-return]

    @property
    def day(self) -> str:
        """The day (UTC, ISO 8601) on which the clip was judged; after every other when the record does not tell."""
        if self._day is None:
            try:
                moment = datetime.fromisoformat(self.facts.judged_at)
                self._day = moment.astimezone(UTC).date().isoformat() if moment.tzinfo else _NO_DAY
            except (ValueError, OverflowError):
                self._day = _NO_DAY
        return self._day

    def tracks_of(self, signal: str) -> set[int | None]:
        """Return the faces that the signal says anything of; None among them where it speaks of the whole picture."""
        return {series.track for series in self.series(signal)}

    def hears(self, person: str | None, segments: Sequence[Segment]) -> bool:  # noqa: ARG002 - narrower views ask
        """Tell whether a voice that may be this person's, or nobody's, belongs to what is looked at: here every one."""
        return True

    def per(self, signal: str) -> str:
        """Return what the signal is measured on."""
        entry = self._entries.get(signal)
        return "some" if entry is None else entry.per

    def _end(self, track: int | None) -> int:
        return self.clip_ms if track is None else self._ends.get(track, self.clip_ms)

    def state_gaps(self, signal: str) -> tuple[Cause, ...]:
        """Return why the signal as a whole is worth nothing; empty when somebody measured it."""
        fact = self.facts.signals.get(signal)
        if fact is None:
            return (_gap(signal, "absent"),)
        return () if fact.state is State.MEASURED else (_gap(signal, fact.state),)

    def _look_for_gaps(self, signal: str) -> tuple[Cause, ...]:
        return self.state_gaps(signal) or self._unlooked(signal, self._entries.get(signal))

    def _unlooked(self, signal: str, entry: SignalEntry | None) -> tuple[Cause, ...]:
        # What a measured signal did not look at although its kind says it looks at all of it.
        if entry is None or entry.per in ("some", "text"):
            return ()
        tracks = self.tracks_of(signal)
        if entry.per == "frame":
            return () if tracks else (_gap(signal, "empty"),)
        if entry.unless:
            tracks |= self.tracks_of(entry.unless)
        missing = frozenset() if None in tracks else self.readable - tracks
        return tuple(_gap(signal, f"silent on track {track}") for track in sorted(missing))

    def _of_face(self, face: FaceFact) -> list[Appearance]:
        named: dict[str, tuple[FaceState, float | None]] = {c.person: (c.state, c.distance) for c in face.candidates}
        if face.person is not None:
            named.setdefault(face.person, (face.state, face.distance))
        alone = Appearance(face=face.state, track=face.track, start_ms=face.start_ms, end_ms=face.end_ms)
        if not named:
            return [alone]
        # An unread face stays unread, whomever it was compared with.
        first = [alone] if face.state is FaceState.UNREAD else []
        return first + [
            Appearance(
                face=state,
                track=face.track,
                start_ms=face.start_ms,
                end_ms=face.end_ms,
                person=person,
                distance=distance,
                known=self.facts.people.get(person),
            )
            for person, (state, distance) in sorted(named.items())
        ]


def _gap(signal: str, state: str) -> Cause:
    return Cause(kind="signal", name=signal, state=str(state))
