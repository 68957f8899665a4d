"""What an enrolment's recording shows and says, measured through the sandbox. Judges nothing; writes nothing down.

Vectors in here are biometric: they are sealed, or gone with the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Detector, DetectorError, Frame, Listening, Sound, State, Subject
from detectors.embedding import frontality, sharpness
from detectors.faces import Faces
from detectors.minors import TrackAge, conclude_age
from detectors.speech import SIGNAL as SPEECH_TEXT
from detectors.speech import SOURCE as SPOKEN
from detectors.speech import Unwritten
from detectors.views import Patch
from detectors.voices import SpokenBy, Voices
from detectors.yunet import Detection
from moderation.enrolment import face_reader, voice_reader
from moderation.errors import Outage
from moderation.scoring import finish, hear
from watermark.sampling import SamplingRules

if TYPE_CHECKING:
    from moderation.services import Services

Floats = NDArray[np.float32]

#: Frames looked at in a second: a turn of the head takes one.
FRAMES_PER_SECOND: Final = 8.0
#: Longer side of the frames, in pixels.
LONG_SIDE: Final = 960
#: Frames of each third of the recording that identity is read off, the best first.
_VIEWS: Final = 3
_THIRDS: Final = 3
#: Patches that age is read off.
_AGES: Final = 4
#: Where eyes and mouth lie in an upright chip of 150 pixels: rows of each, columns of both.
_UPPER: Final = slice(30, 62)
_LOWER: Final = slice(96, 128)
_MIDDLE: Final = slice(50, 100)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """One frame that was looked at. `points` float32 [5, 2] and the rest are of its face, where it shows exactly one.

    `height` is in pixels of the recording, `sharpness` as of `embedding`, `light` the face's mean level of 255.
    """

    time_ms: int
    shot: int
    faces: int
    points: Floats | None = None
    height: float = 0.0
    sharpness: float = 0.0
    light: float = 0.0
    #: How much mouth and eyes changed since the frame before, in levels of 255.
    mouth: float = 0.0
    eyes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Heard:
    """The sound track: who speaks when, and a vector for all of it (float32 [256]), None with too little speech.

    `words` is what was said as a detector of speech wrote it down, None where none is installed.
    """

    speech: tuple[SpokenBy, ...] = ()
    seconds: float = 0.0
    vector: Floats | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """All that was measured of one recording.

    `thirds` holds the mean vector (float32 [128]) of each third of the frames with one face, None where no face of it
    could be read; `views` [n, 128] all that were read.
    """

    duration_ms: int
    sights: tuple[Sight, ...]
    thirds: tuple[Floats | None, ...]
    views: Floats
    age: TrackAge
    heard: Heard
    models: dict[str, str] = field(default_factory=dict)

    def alone(self) -> tuple[Sight, ...]:
        """The frames that show exactly one face."""
        return tuple(sight for sight in self.sights if sight.points is not None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Face:
    """A frame's only face, kept until all were seen."""

    index: int
    quality: float
    chip: NDArray[np.uint8]
    patch: Patch


class _Looking:
    """Looks at frames as they come and keeps the few faces that are worth reading."""

    def __init__(self, reader: Faces) -> None:
        self._reader = reader
        self.sights: list[Sight] = []
        self.faces: list[_Face] = []
        self._before: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def see(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            found = self._reader.finder.find(frame.pixels)
            if len(found) == 1:
                self.sights.append(self._look(frame, found[0]))
            else:
                self._before = None
                self.sights.append(Sight(time_ms=frame.time_ms, shot=frame.shot, faces=len(found)))

    def _look(self, frame: Frame, face: Detection) -> Sight:
        chip, quality = self._reader.embedder.chip(frame.pixels, face)
        if quality > 0 and self._worth_keeping(quality):
            patch = Patch.cut(frame.pixels, face)
            self.faces.append(_Face(index=len(self.sights), quality=quality, chip=chip.copy(), patch=patch))
        mouth, eyes = self._changes(chip) if chip.size and frontality(face.points) > 0 else (0.0, 0.0)
        return Sight(
            time_ms=frame.time_ms,
            shot=frame.shot,
            faces=1,
            points=face.points.copy(),
            height=face.height,
            sharpness=sharpness(chip) if chip.size else 0.0,
            light=float(cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY).mean()) if chip.size else 0.0,
            mouth=mouth,
            eyes=eyes,
        )

    def _worth_keeping(self, quality: float) -> bool:
        """Whether a face is among the better of the last frames: patches are large, and few are read."""
        return quality >= 0.8 * max((face.quality for face in self.faces[-8:]), default=0.0)

    def _changes(self, chip: NDArray[np.uint8]) -> tuple[float, float]:
        """How much the mouth and the eyes of upright chips changed from one frame to the next."""
        grey = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY)
        parts = grey[_LOWER, _MIDDLE].astype(np.float32), grey[_UPPER, _MIDDLE].astype(np.float32)
        before, self._before = self._before, parts
        if before is None:
            return 0.0, 0.0
        mouth, eyes = (float(np.abs(now - then).mean()) for now, then in zip(parts, before, strict=True))
        return mouth, eyes


def measure(services: "Services", path: Path, duration_ms: int) -> Measured:
    """Look at and listen to a recording. Raises ClipFault for one that cannot be read, Outage where we cannot."""
    looking, faces, voices = _Looking(face_reader(services)), face_reader(services), voice_reader(services)
    rules = SamplingRules(floor_fps=FRAMES_PER_SECOND, extra_per_second=1, extra_in_all=8)
    for frames in services.sandbox.frames(path, rules, LONG_SIDE):
        looking.see(frames)
    try:
        thirds, views = _read_thirds(faces, looking)
        age = _read_age(faces, looking.faces)
        heard = _listen(services, voices, list(services.sandbox.sound(path)), duration_ms)
    except DetectorError as error:
        raise Outage("detector:faces", str(error)) from error
    return Measured(
        duration_ms=duration_ms,
        sights=tuple(looking.sights),
        thirds=thirds,
        views=views,
        age=age,
        heard=heard,
        models={"face": services.face_model, "voice": services.voice_model},
    )


def _read_thirds(reader: Faces, looking: _Looking) -> tuple[tuple[Floats | None, ...], Floats]:
    """The mean vector of each third of the frames, and every vector that was read."""
    count = max(1, len(looking.sights))
    thirds: list[Floats | None] = []
    views: list[Floats] = []
    for third in range(_THIRDS):
        own = [face for face in looking.faces if face.index * _THIRDS // count == third]
        best = sorted(own, key=lambda face: -face.quality)[:_VIEWS]
        read = [reader.embedder.vector(face.chip) for face in best]
        thirds.append(np.asarray(np.mean(read, axis=0), np.float32) if read else None)
        views += read
    return tuple(thirds), np.stack(views) if views else np.empty((0, 128), np.float32)


def _read_age(reader: Faces, faces: Sequence[_Face]) -> TrackAge:
    best = sorted(faces, key=lambda face: -face.quality)[:_AGES]
    patches = [face.patch.for_ages() for face in best]
    return conclude_age(
        [reading for patch in patches for reading in reader.ages.read(patch.pixels, [patch.edges], [patch.points])]
    )


def _listen(services: "Services", voices: Voices, sounds: Sequence[Sound], duration_ms: int) -> Heard:
    if not sounds:
        return Heard()
    samples = np.concatenate([sound.samples for sound in sounds])
    spoken, template = voices.speakers(samples), voices.voice_template(samples)
    return Heard(
        speech=spoken,
        seconds=round(sum(each.end_ms - each.start_ms for each in spoken) / 1000, 2),
        vector=None if template is None else template.vector,
        words=_written_down(services, sounds, duration_ms),
    )


def _written_down(services: "Services", sounds: Sequence[Sound], duration_ms: int) -> str | None:
    """What was said, by the detectors of speech that this deployment added; None without one or without its word."""
    writers: list[Detector] = [
        each for each in services.detectors if SPEECH_TEXT in each.signals and not isinstance(each, Unwritten)
    ]
    work = [(writer, writer.open(Subject(duration_ms=duration_ms))) for writer in writers]
    for sound in sounds:
        hear(work, sound)
    found = finish([each for each in work if isinstance(each[1], Listening)])
    measured = any(s.name == SPEECH_TEXT and s.state is State.MEASURED for each in found for s in each.signals)
    texts = [text.text for each in found for text in each.texts if text.source == SPOKEN]
    return " ".join(texts) if measured else None
