"""Follow each face from frame to frame. Deterministic, with constant memory per track besides the boxes it reports."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.base import Box
from detectors.embedding import Reading
from detectors.yunet import Detection, Floats, overlap

#: Sampled frames a face may be missing (turned away, behind a hand) and still be the same track.
MAX_MISSED: Final = 2
#: The centre moves at most so many face heights, and the height changes by at most this factor: else it is a cut.
_MAX_JUMP: Final = 1.0
_MAX_GROWTH: Final = 1.6
#: A face that cannot be compared by vector must overlap by so much to be taken for the same.
_MIN_OVERLAP: Final = 0.3
#: Two people, one after the other in the same place, are further apart than this; views of one person rarely are.
#: A track split in two costs little; two people in one track would hide each other's likeness.
_SAME_FACE: Final = 0.60
#: The best views of a track, whose weighted mean stands for it.
_BEST_VIEWS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """One face in one sampled frame: where it is, and its reading where it could be read."""

    found: Detection
    box: Box
    reading: Reading | None


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One face through the clip. `views` are its best readings; they never leave this process."""

    number: int
    start_ms: int
    end_ms: int
    last_frame: int
    last: Detection
    height_px: float = 0.0
    boxes: list[tuple[int, Box]] = field(default_factory=list)
    views: list[Reading] = field(default_factory=list)

    @property
    def read(self) -> bool:
        """Whether the face could be read at least once."""
        return bool(self.views)

    def mean(self) -> Floats:
        """Return the mean of the best views weighted by quality, float32 [128]. Raises ValueError when unread."""
        if not self.views:
            raise ValueError("an unread face has no mean")
        weights = np.array([view.quality for view in self.views], np.float64)
        vectors = np.stack([view.vector for view in self.views]).astype(np.float64)
        return np.asarray(weights @ vectors / weights.sum(), np.float32)

    def extend(self, sighting: Sighting, frame: int, time_ms: int) -> None:
        """Add this frame's sighting."""
        self.last, self.last_frame, self.end_ms = sighting.found, frame, time_ms
        self.height_px = max(self.height_px, sighting.found.height)
        self.boxes.append((time_ms, sighting.box))
        if sighting.reading is not None:
            self.views.append(sighting.reading)
            self.views.sort(key=lambda view: -view.quality)
            del self.views[_BEST_VIEWS:]


class Tracker:
    """Links the sightings of each frame to the tracks so far; call `link` in frame order."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._frame = -1

    def link(self, sightings: tuple[Sighting, ...], time_ms: int) -> tuple[Track, ...]:
        """Return the track of each sighting, new ones where none fits."""
        self._frame += 1
        taken = self._assign(sightings)
        linked = []
        for i, sighting in enumerate(sightings):
            track = taken.get(i) or self._begin(sighting, time_ms)
            track.extend(sighting, self._frame, time_ms)
            linked.append(track)
        return tuple(linked)

    def _assign(self, sightings: tuple[Sighting, ...]) -> dict[int, Track]:
        """Pair best fits first; ties go to the older track, then to the more certain face."""
        live = [track for track in self.tracks if self._frame - track.last_frame <= MAX_MISSED + 1]
        fits = [
            (cost, track.number, i, track)
            for track in live
            for i, sighting in enumerate(sightings)
            if (cost := _cost(track, sighting)) is not None
        ]
        taken: dict[int, Track] = {}
        used: set[int] = set()
        for _, number, i, track in sorted(fits, key=lambda fit: fit[:3]):
            if i not in taken and number not in used:
                taken[i] = track
                used.add(number)
        return taken

    def _begin(self, sighting: Sighting, time_ms: int) -> Track:
        track = Track(
            number=len(self.tracks), start_ms=time_ms, end_ms=time_ms, last_frame=self._frame, last=sighting.found
        )
        self.tracks.append(track)
        return track


def _cost(track: Track, sighting: Sighting) -> float | None:
    """Return how badly the sighting fits the track (0 is perfect), None when it cannot be the same face."""
    if _jumped(track.last, sighting.found):
        return None
    shared = overlap(track.last.edges, sighting.found.edges)
    if sighting.reading is None or not track.read:
        return 1 - shared + _SAME_FACE if shared >= _MIN_OVERLAP else None
    distance = float(np.linalg.norm(track.mean() - sighting.reading.vector))
    return 1 - shared + distance if distance < _SAME_FACE else None


def _jumped(before: Detection, now: Detection) -> bool:
    old, new = before.height, now.height
    if max(old, new) > _MAX_GROWTH * min(old, new):
        return True
    shift = (now.edges[:2] + now.edges[2:] - before.edges[:2] - before.edges[2:]) / 2
    return float(np.hypot(*shift)) > _MAX_JUMP * max(old, new)
