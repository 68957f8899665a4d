"""Looking at one clip again for one person: faces and voices are read anew and compared with nobody else.

What is read of others is let go with the look. Says what was seen; writes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from detectors.base import FaceState, Gallery, Subject, VoiceState
from moderation import unmatched
from moderation.appearances import MATCHED, POSSIBLE
from moderation.clips import Clip
from moderation.db import Transaction
from moderation.errors import Outage
from moderation.scoring import Analysis, duration_of, look

if TYPE_CHECKING:
    from moderation.services import Services

#: Which detector reads what, by how somebody appears.
READERS: Final[Mapping[str, str]] = {"face": "faces", "voice": "voices"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What of one person is registered, as galleries of nobody else."""

    face: Gallery
    voice: Gallery

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compare with."""
        return not self.face.people and not self.voice.people

    @property
    def readers(self) -> frozenset[str]:
        """The detectors that are needed."""
        registered = {"face": self.face.people, "voice": self.voice.people}
        return frozenset(READERS[how] for how, people in registered.items() if people)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look says of the person: `ways` are face and voice with matched or possible."""

    ways: dict[str, str]
    #: Whether something could not be read: a face too small, a voice too short, frames that were not looked at.
    partly: bool
    #: CPU time of the detectors alone.
    cpu_ms: int
    #: Whether it was told by short-lived templates, and nothing was decoded.
    from_templates: bool = False

    @property
    def state(self) -> str | None:
        """matched, possible, or None where the person was not recognised."""
        return MATCHED if MATCHED in self.ways.values() else POSSIBLE if self.ways else None


def likeness_of(services: "Services", tx: Transaction, person: str) -> Likeness:
    """The person's registered faces and voices by the present networks; both empty unless they were verified."""
    galleries, vault = services.galleries, services.vault
    return Likeness(
        face=galleries.of_person(tx, vault, services.face_model, services.face_dimensions, person),
        voice=galleries.of_person(tx, vault, services.voice_model, services.voice_dimensions, person),
    )


def look_for(services: "Services", clip: Clip, person: str, likeness: Likeness) -> Seen:
    """Look for one person in a clip: in what is kept of it for a while, or else by decoding its upload.

    Raises Outage when a part of the system is down, NotFound when the bytes are gone, ClipFault for this clip alone.
    """
    missing = likeness.readers - {detector.name for detector in services.detectors}
    if missing:
        raise Outage(f"detector:{min(missing)}", "what reads faces or voices is not among the detectors")
    subject = Subject(duration_ms=duration_of(clip.probe), gallery=likeness.face, voices=likeness.voice)
    with services.database.transaction(clip.org_id) as tx:
        kept = unmatched.recall(services, tx, clip.clip_id)
    recalled = unmatched.compare(services, kept, subject, likeness.readers) if kept else None
    if recalled is not None:
        return Seen(ways=ways_of(recalled, person), partly=partly(recalled), cpu_ms=0, from_templates=True)
    spent: list[float] = []
    analysis = look(services, services.upload_key(clip), subject, spent=spent.append, only=likeness.readers)
    ways = ways_of(analysis, person)
    return Seen(ways=ways, partly=partly(analysis), cpu_ms=round(1000 * sum(spent)))


def ways_of(analysis: Analysis, person: str) -> dict[str, str]:
    """How an analysis shows one person: face and voice, each matched or possible; the surer of several."""
    ways: dict[str, str] = {}
    for how, found in (("face", analysis.faces), ("voice", analysis.voices)):
        states = {state for each in found for state in _states(each, person)}
        if states:
            ways[how] = MATCHED if MATCHED in states else POSSIBLE
    return ways


def _states(found: Mapping[str, object], person: str) -> Sequence[str]:
    candidates = found["candidates"]
    assert isinstance(candidates, list)
    return [str(each["state"]) for each in candidates if each["person"] == person]


def partly(analysis: Analysis) -> bool:
    """Whether something of the clip went unread, so that nobody can be told to be absent from it."""
    unread = {str(FaceState.UNREAD), str(VoiceState.UNREAD)}
    return bool(analysis.unseen_ms) or any(each["state"] in unread for each in (*analysis.faces, *analysis.voices))
