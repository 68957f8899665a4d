"""The protocol every detector follows and the types that cross it. Imports numpy only, so that anyone may import it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

#: Scores are rounded to this step before anything reads them, so that the same bytes give the same numbers.
SCORE_STEP = 1e-4
#: Samples in a second of every sound that a detector hears.
SOUND_RATE: Final = 16_000


def quantise(value: float) -> float:
    """Round to `SCORE_STEP`; the result is the shortest decimal, so it survives JSON unchanged."""
    return round(float(value), 4)


class DetectorError(Exception):
    """A detector could not do its work on these frames."""


class DetectorUnavailable(DetectorError):
    """A detector cannot work for anybody: weights missing or damaged, a device gone, a self-check that failed."""

    #: Which one, where only some of several could not be loaded.
    detector: str = ""


class State(StrEnum):
    """What a signal's silence or number is worth. Silence is never a zero."""

    MEASURED = "measured"
    NOT_MEASURED = "not_measured"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One sampled frame: `pixels` is uint8 [height, width, 3] in BGR, in displayed orientation and aspect.

    `time_ms` counts from the first displayed frame. The array may be a view into shared memory that is
    reused after the call that received it: copy what must outlive that call. `shot` numbers the shots from 0: what is
    followed through one is not followed into another. After a short insert the number of the shot before it comes back.
    """

    index: int
    time_ms: int
    pixels: NDArray[np.uint8]
    shot: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A piece of the sound track: `samples` is float32 [count], mono, -1 to 1, 16 kHz.

    `start_ms` counts from the first displayed frame and is negative where sound comes first. Pieces of one clip follow
    one another without a gap. The array may be a view into shared memory that is reused after the call that received
    it: copy what must outlive that call.
    """

    start_ms: int
    samples: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A box in displayed orientation, each side as a share (0-1) of the frame's width or height."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which weights spoke, by the pack's manifest. `calibration` is "none" until an operator calibrated it."""

    id: str
    version: str
    calibration: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number at one instant, quantised; `track` names the face it belongs to, when it belongs to one."""

    time_ms: int
    value: float
    track: int | None = None
    box: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A named number over time from one detector (`explicit.score`, `minor.score`, ...)."""

    name: str
    state: State
    model: Model | None = None
    samples: tuple[Sample, ...] = ()
    #: Why it failed or was not measured, for people; never parsed.
    note: str = ""


class FaceState(StrEnum):
    """What was learnt of a tracked face. `UNREAD`: present, but too small or too poor to be read."""

    MATCHED = "matched"
    POSSIBLE = "possible"
    UNMATCHED = "unmatched"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMatch:
    """One registered person within the review line of a track; `distance` is L2 on the model's raw vectors."""

    person: str
    distance: float
    state: FaceState


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceTrack:
    """One face followed through the clip. Carries no template: those of unmatched people never leave the process."""

    track: int
    start_ms: int
    end_ms: int
    state: FaceState
    #: Tallest appearance in pixels of the frames the detectors saw.
    height_px: int
    #: Best box per sampled instant, for the reviewer's overlay.
    boxes: tuple[tuple[int, Box], ...] = ()
    #: Nearest first; empty when nobody registered is near.
    matches: tuple[PersonMatch, ...] = ()


class VoiceState(StrEnum):
    """What was learnt of one voice of a clip. `UNREAD`: it speaks too little to be told apart."""

    MATCHED = "matched"
    POSSIBLE = "possible"
    UNMATCHED = "unmatched"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class VoiceMatch:
    """One registered person within the review line of a voice; `distance` is L2 on the model's unit vectors."""

    person: str
    distance: float
    state: VoiceState


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Stretches of speech that sound like one speaker. Carries no template, like a face track."""

    number: int
    state: VoiceState
    #: Where it speaks, [start_ms, end_ms) each, in order; never before the first frame.
    segments: tuple[tuple[int, int], ...]
    #: Nearest first; empty when nobody registered is near.
    matches: tuple[VoiceMatch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words that a detector read off a clip: what they say is for the detectors of words, not for its reader."""

    #: "screen" for writing in the picture, "speech" for what is said.
    source: str
    time_ms: int
    text: str
    confidence: float
    box: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkMatch:
    """A rights holder's work and how near a picture of it comes to a frame: cosine of two embeddings, 0-1."""

    work: str
    similarity: float
    #: The frame that is nearest.
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What one detector says of one clip."""

    signals: tuple[Signal, ...]
    faces: tuple[FaceTrack, ...] = ()
    texts: tuple[Text, ...] = ()
    voices: tuple[Voice, ...] = ()
    #: Nearest first; a few, whatever the distance: lines are the rules'.
    works: tuple[WorkMatch, ...] = ()


class Index(Protocol):
    """A gallery's rows made ready for questions; safe for several threads. Its length is the number of rows in use."""

    def __len__(self) -> int: ...

    def near(self, queries: NDArray[np.float32], within: float) -> list[NDArray[np.int64]]:
        """Return for each query (float32 [q, dim]) the rows within a distance, and in any case the nearest row.

        A row just beyond the distance may be among them. None for an empty index.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Registered faces, or voices, as an index: `vectors` is float32 [n, dim], `people[i]` owns row i.

    Vectors are turned by a secret per-organisation rotation (`rotation`, float32 [dim, dim], orthogonal):
    a query is turned the same way, distances stay what they were. `version` changes with every edit. A row whose
    owner is empty belongs to nobody any more.
    """

    model: str
    version: str
    people: tuple[str, ...]
    vectors: NDArray[np.float32]
    rotation: NDArray[np.float32] | None = None
    #: Over `vectors`; without it every row is compared. It may know rows that came or went after this gallery was made.
    index: Index | None = None
    #: How far a person's lines lie from the others' (faces only): stricter below zero, wider above.
    shifts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Pictures of rights holders' works as one network saw them: `vectors` is float32 [n, m], of length 1.

    `works[i]` owns row i. `model` names the network with its weights (`NAME@VERSION`); `unread` works have pictures
    that this network never saw.
    """

    model: str
    works: tuple[str, ...]
    vectors: NDArray[np.float32]
    unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a detector may know of a clip besides its frames."""

    duration_ms: int
    #: Texts by source: "prompt", "title".
    texts: dict[str, str] = field(default_factory=dict)
    gallery: Gallery | None = None
    #: Registered voices; `gallery` holds faces.
    voices: Gallery | None = None
    #: Registered works' pictures, for a network that can compare them.
    references: References | None = None
    #: What the platform itself says of the clip, 0-1 by signal (`platform.nsfw`, ...); unchecked.
    claims: dict[str, float] = field(default_factory=dict)
    #: Whether faces and voices are read though nobody is registered, for who keeps them a while.
    described: bool = False


class Inspection(Protocol):
    """One detector at work on one clip; frames arrive in order, in batches, once."""

    def see(self, frames: Sequence[Frame]) -> None: ...

    def finish(self) -> Findings: ...


@runtime_checkable
class Listening(Protocol):
    """What an inspection has besides when it also listens: sound is decoded only for a clip that some inspection hears.

    A clip without a sound track is never heard: `finish` then says `not_measured`.
    """

    def hear(self, sound: Sound) -> None:
        """Take the next piece of the sound track, in order, once; frames and sound come in either order."""
        ...


@runtime_checkable
class TakesTexts(Protocol):
    """An inspection that also wants what other detectors read off the clip; asked once, before it finishes."""

    def take(self, texts: Sequence[Text]) -> None: ...


@runtime_checkable
class ComparesAgain(Protocol):
    """What an inspection has besides whose findings depend on who is registered: an answer for another gallery."""

    def again(self, subject: Subject) -> Findings | None:
        """Say what `finish` would have said had the clip been opened with this subject, without another look.

        Asked after `finish`. Only the galleries of the subject may differ. None where that takes a look, as for faces
        that nobody read because nobody was registered.
        """
        ...


class Detector(Protocol):
    """A detector holds its model sessions and may be used by several threads, one inspection each."""

    #: The name in the registry.
    name: str
    #: Every signal it may emit.
    signals: tuple[str, ...]

    def open(self, subject: Subject) -> Inspection: ...

    def self_check(self) -> None:
        """Run the model on a built-in probe and compare with the stored answer.

        Raises DetectorUnavailable: the pipeline then knows the system is at fault and not the clip.
        """
        ...
