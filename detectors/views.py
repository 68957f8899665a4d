"""Views of a face: cut out of their frames, compared by their look, and the few of a track that are worth reading.

Reads no face itself and knows no names.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.base import Box
from detectors.yunet import Detection, Floats

#: Two aligned faces whose looks agree by so much need not both be read. Measured over all pairs of different people
#: in 1,400 official portraits, taken in much the same light and pose: 1 in 50,000 agrees so far; a face that moves by
#: 3 pixels and 3 degrees in its chip agrees with itself in 9 of 10 cases.
ALIKE: Final = 0.90
#: The views of a track that identity is read off: its first readable one, its last, the best of every stretch of time.
STRETCHES: Final = 4
#: The views of a track that age is read off: the first readable one and the best of the others.
AGE_VIEWS: Final = 3
#: The views that a track is read off of which no nearer one was seen: the best.
DISTANT_VIEWS: Final = 3
_LOOK_SIDE: Final = 20
#: Room kept around a face, as a share of its longer side: the age networks look beyond the box.
_ROOM: Final = 0.6
#: Taller faces are shrunk to this before ages are read: the networks see 64 and 112 pixels.
_AGE_HEIGHT: Final = 200

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Patch:
    """A face with some room around it: `pixels` uint8 [height, width, 3] in BGR; `edges` and `points` lie in it."""

    pixels: Pixels
    edges: Floats
    points: Floats

    @classmethod
    def cut(cls, pixels: Pixels, face: Detection) -> "Patch":
        """Copy a found face out of its frame; what lies beyond the frame's edge stays beyond the patch's."""
        height, width = pixels.shape[:2]
        room = _ROOM * float(max(face.edges[2:] - face.edges[:2]))
        low = np.floor(np.clip(face.edges[:2] - room, 0, [width - 1, height - 1])).astype(int)
        high = np.ceil(np.clip(face.edges[2:] + room, low + 1, [width, height])).astype(int)
        shift = low.astype(np.float32)
        return cls(
            pixels=pixels[low[1] : high[1], low[0] : high[0]].copy(),
            edges=face.edges - np.tile(shift, 2),
            points=face.points - shift,
        )

    def for_ages(self) -> "Patch":
        """Return the patch with the face no taller than the age networks can use."""
        scale = _AGE_HEIGHT / float(self.edges[3] - self.edges[1])
        if scale >= 1:
            return self
        height, width = self.pixels.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        stretch = np.array([size[0] / width, size[1] / height], np.float32)
        small = cast("Pixels", cv2.resize(self.pixels, size, interpolation=cv2.INTER_AREA))
        return Patch(pixels=small, edges=self.edges * np.tile(stretch, 2), points=self.points * stretch)


@dataclass(slots=True, kw_only=True, eq=False)
class View:
    """One readable face in one frame. `chip` is aligned, uint8 [150, 150, 3] in BGR; `look` its coarse picture.

    `vector`, float32 [128], is set once identity was read; it never leaves this process.
    """

    time_ms: int
    box: Box
    #: In (0, 1]: weighs the view in a track's mean.
    quality: float
    chip: Pixels
    look: Floats
    patch: Patch | None = None
    vector: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reading:
    """What identity was read off one view: `vector` is float32 [128], raw, and never leaves this process."""

    time_ms: int
    box: Box
    quality: float
    vector: Floats


def look_of(chip: Pixels) -> Floats:
    """Return the coarse look of an upright chip (uint8 [side, side, 3]): float32 [1200] of length 1, free of light."""
    small = cast("Pixels", cv2.resize(chip, (_LOOK_SIDE, _LOOK_SIDE), interpolation=cv2.INTER_AREA)).astype(np.float32)
    small -= small.mean(axis=(0, 1))
    return np.asarray(small.ravel() / max(float(np.linalg.norm(small)), 1e-6), np.float32)


@dataclass(slots=True)
class Album:
    """The views of one track that are worth reading: at most `STRETCHES` + 2, however long it lasts."""

    first: View | None = None
    last: View | None = None
    #: The best view of each stretch of the track, by the stretch's number; stretches double as the track grows.
    _best: dict[int, View] = field(default_factory=dict)
    _length: int = 1
    _seen: int = 0

    def add(self, view: View) -> bool:
        """Take the track's next readable view; tell whether it may be read for its age, so that its patch is needed."""
        self.first = self.first or view
        self.last = view
        number = self._seen // self._length
        self._seen += 1
        best = self._best.get(number)
        if best is None or view.quality > best.quality:
            self._best[number] = view
        self._merge()
        return view is self.first or view in self._best.values()

    def _merge(self) -> None:
        while len(self._best) > STRETCHES:
            merged: dict[int, View] = {}
            for number, view in self._best.items():
                rival = merged.get(number // 2)
                merged[number // 2] = view if rival is None or view.quality > rival.quality else rival
            self._best, self._length = merged, self._length * 2

    def for_identity(self) -> list[View]:
        """Return the views to read identity off, in order of time."""
        return sorted(self._distinct((self.first, *self._best.values(), self.last)), key=lambda view: view.time_ms)

    def for_age(self) -> list[View]:
        """Return the views to read age off, the first readable one and then the best first."""
        others = sorted(self._best.values(), key=lambda view: (-view.quality, view.time_ms))
        return list(self._distinct((self.first, *others)))[:AGE_VIEWS]

    def for_distant(self) -> list[View]:
        """Return the views to read off a face that was never near, in order of time."""
        best = sorted(self._best.values(), key=lambda view: (-view.quality, view.time_ms))[:DISTANT_VIEWS]
        return sorted(best, key=lambda view: view.time_ms)

    @staticmethod
    def _distinct(views: tuple[View | None, ...]) -> Iterator[View]:
        known: set[int] = set()
        for view in views:
            if view is not None and id(view) not in known:
                known.add(id(view))
                yield view
