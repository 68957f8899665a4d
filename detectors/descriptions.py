"""What was read off the faces and voices of one clip, as bytes: for who may keep it a while. Biometric, all of it.

Opened only by the detector that made it, to say what the same look would have found with another gallery.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from detectors.base import Box, Findings, Subject
from detectors.views import Reading

Floats = NDArray[np.float32]
#: How long the vectors of faces and voices are.
FACE: Final = 128
VOICE: Final = 256


_NOWHERE: Final = Box(x=0.0, y=0.0, width=0.0, height=0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EndedFace:
    """What is kept of a track that ended: no pixels, and vectors that never leave this process."""

    number: int
    start_ms: int
    end_ms: int
    height_px: int
    boxes: tuple[tuple[int, Box], ...]
    #: In the order of time; empty where nothing could be read.
    readings: tuple[Reading, ...]
    #: The track's mean, float32 [128].
    mean: Floats | None
    #: Whether it was read from afar only.
    distant: bool
    #: Whether every network could read it.
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DescribedFace:
    """One followed face: `views` float32 [n, 128] in the order of time, `mean` [128]; none where it was not read."""

    number: int
    views: Floats
    mean: Floats
    distant: bool
    whole: bool

    def ended(self) -> EndedFace:
        """The track as it ended, less when and where it was seen."""
        readings = tuple(Reading(time_ms=0, box=_NOWHERE, quality=1.0, vector=view) for view in self.views)
        return EndedFace(
            number=self.number,
            start_ms=0,
            end_ms=0,
            height_px=0,
            boxes=(),
            readings=readings,
            mean=self.mean if readings else None,
            distant=self.distant,
            whole=self.whole,
        )


def describe(face: EndedFace) -> DescribedFace:
    """Return what of a track that ended is enough to compare it."""
    return DescribedFace(
        number=face.number,
        views=_stack([reading.vector for reading in face.readings], FACE),
        mean=np.zeros(FACE, np.float32) if face.mean is None else face.mean,
        distant=face.distant,
        whole=face.whole,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DescribedSpeech:
    """A piece of speech, in samples; `windows` float32 [n, 256], empty where it only says that somebody spoke."""

    start: int
    end: int
    windows: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Description:
    """A clip's faces and voices. None: not described, so that only another look can tell."""

    faces: Sequence[DescribedFace] | None = None
    #: The stretches of speech, then the pieces that were read of them.
    speech: Sequence[DescribedSpeech] | None = None
    pieces: Sequence[DescribedSpeech] = field(default=())
    #: Whether something of the clip was not looked at.
    unseen: bool = False

    def to_bytes(self) -> bytes:
        """The whole of it, to be sealed."""
        faces, speech = self.faces or (), self.speech or ()
        written = io.BytesIO()
        np.savez(
            written,
            said=np.array([self.faces is not None, self.speech is not None, self.unseen], np.int64),
            faces=np.array([[f.number, len(f.views), f.distant, f.whole] for f in faces], np.int64),
            means=_stack([f.mean for f in faces], FACE),
            views=np.concatenate([np.empty((0, FACE), np.float32), *[f.views for f in faces]]),
            speech=np.array([[s.start, s.end] for s in speech], np.int64),
            pieces=np.array([[p.start, p.end, len(p.windows)] for p in self.pieces], np.int64),
            windows=np.concatenate([np.empty((0, VOICE), np.float32), *[p.windows for p in self.pieces]]),
        )
        return written.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Description":
        """Read what `to_bytes` wrote. Raises ValueError, KeyError for what it did not."""
        try:
            return cls._read(data)
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError("these are no templates") from error

    @classmethod
    def _read(cls, data: bytes) -> "Description":
        with np.load(io.BytesIO(data), allow_pickle=False) as parts:
            faces_known, speech_known, unseen = (bool(each) for each in parts["said"])
            means, views, windows = parts["means"], parts["views"], parts["windows"]
            faces, pieces, used = [], [], 0
            for (number, count, distant, whole), mean in zip(parts["faces"].tolist(), means, strict=True):
                own = views[used : used + count]
                faces.append(
                    DescribedFace(number=number, views=own, mean=mean, distant=bool(distant), whole=bool(whole))
                )
                used += count
            used = 0
            for start, end, count in parts["pieces"].tolist():
                pieces.append(DescribedSpeech(start=start, end=end, windows=windows[used : used + count]))
                used += count
            none = np.empty((0, VOICE), np.float32)
            speech = [DescribedSpeech(start=start, end=end, windows=none) for start, end in parts["speech"].tolist()]
        return cls(
            faces=faces if faces_known else None,
            speech=speech if speech_known else None,
            pieces=pieces,
            unseen=unseen,
        )


def _stack(vectors: Sequence[Floats], dimension: int) -> Floats:
    return np.stack(vectors) if vectors else np.empty((0, dimension), np.float32)


@runtime_checkable
class Describing(Protocol):
    """What an inspection has besides whose clip may be described; asked after `finish`."""

    def describe(self, into: Description) -> Description:
        """Add what it read; unchanged where it did not read all of it."""
        ...


@runtime_checkable
class Recalling(Protocol):
    """What a detector has besides that compares a description instead of looking."""

    def recall(self, kept: Description, subject: Subject) -> Findings | None:
        """Say who is in it, as the look itself would have with this subject's galleries. None: it takes a look."""
        ...
