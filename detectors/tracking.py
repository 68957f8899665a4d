"""Follow each face from frame to frame within a shot. Deterministic; reads a face only where its look leaves doubt."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.base import Box
from detectors.views import ALIKE, Album, Reading, View
from detectors.yunet import Detection, Floats, overlap

#: Sampled frames a face may be missing (turned away, behind a hand) and still be the same track.
MAX_MISSED: Final = 2
#: The centre moves at most so many face heights, and the height changes by at most this factor: else it is a cut.
_MAX_JUMP: Final = 1.0
_MAX_GROWTH: Final = 1.6
#: A face that cannot be compared by its look must overlap by so much to be taken for the same.
_MIN_OVERLAP: Final = 0.3
#: Two people, one after the other in the same place, are further apart than this; views of one person rarely are.
#: A track split in two costs little; two people in one track would hide each other's likeness.
SAME_FACE: Final = 0.60
#: The best views of a track, whose weighted mean stands for it.
BEST_VIEWS: Final = 8
#: The looks of so many read views are remembered; a face that returns to an older one is read again.
_LOOKS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """One face in one sampled frame: where it is, and its view where it can be read.

    `distant` is the view of a face too small to be followed by its look or to be matched.
    """

    found: Detection
    box: Box
    view: View | None
    distant: View | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One face through one shot. Each of its views was read, or looks like one that was."""

    number: int
    start_ms: int
    end_ms: int
    last_frame: int
    last: Detection
    height_px: float = 0.0
    boxes: list[tuple[int, Box]] = field(default_factory=list)
    album: Album = field(default_factory=Album)
    #: Views of it while it was too small for the album; kept as long as no nearer one was read.
    distant: Album = field(default_factory=Album)
    #: What was read of its views so far; it never leaves this process.
    read: list[Reading] = field(default_factory=list)
    _looks: deque[Floats] = field(default_factory=lambda: deque(maxlen=_LOOKS))

    def mean(self) -> Floats:
        """Return the mean of the best views weighted by quality, float32 [128]. Raises ValueError when unread."""
        if not self.read:
            raise ValueError("an unread face has no mean")
        best = sorted(self.read, key=lambda reading: (-reading.quality, reading.time_ms))[:BEST_VIEWS]
        weights = np.array([reading.quality for reading in best], np.float64)
        vectors = np.stack([reading.vector for reading in best]).astype(np.float64)
        return np.asarray(weights @ vectors / weights.sum(), np.float32)

    def likeness(self, view: View) -> float:
        """Return how much a view looks like the read view it looks like most: 1 the same, 0 nothing in common."""
        return max((float(look @ view.look) for look in self._looks), default=0.0)

    def learn(self, view: View, vector: Floats) -> None:
        """Remember what was read of a view, not its pixels."""
        self.read.append(Reading(time_ms=view.time_ms, box=view.box, quality=view.quality, vector=vector))
        self._looks.append(view.look)

    def extend(self, sighting: Sighting, frame: int, time_ms: int) -> None:
        """Add this frame's sighting, less its view."""
        self.last, self.last_frame, self.end_ms = sighting.found, frame, time_ms
        self.height_px = max(self.height_px, sighting.found.height)
        self.boxes.append((time_ms, sighting.box))


class Tracker:
    """Links the sightings of each frame to the tracks of the shot; call `link` in frame order.

    `read` returns the vector of a view (float32 [128]); it is asked for the first readable view of every track and
    for a view that looks like none read so far, never twice for one view.
    """

    def __init__(self, read: Callable[[View], Floats]) -> None:
        self._read = read
        self._live: list[Track] = []
        self._ended: list[Track] = []
        self._begun = 0
        self._frame = -1

    def cut(self) -> None:
        """End every track: the next frame belongs to another shot, or there is none."""
        self._ended += self._live
        self._live = []

    def take_ended(self) -> list[Track]:
        """Return the tracks that ended since the last call, oldest first."""
        ended, self._ended = self._ended, []
        return ended

    def link(self, sightings: tuple[Sighting, ...], time_ms: int) -> tuple[Track, ...]:
        """Return the track of each sighting, new ones where none fits."""
        self._frame += 1
        self._end_lost()
        near = self._near(sightings)
        taken = self._assign([(fit, i, track) for i, track in near if (fit := _fit(track, sightings[i])) is not None])
        doubtful = self._compare(sightings, near, taken)
        taken |= self._assign(doubtful)
        return tuple(
            self._extend(taken.get(i) or self._begin(sighting, time_ms), sighting, time_ms)
            for i, sighting in enumerate(sightings)
        )

    def _end_lost(self) -> None:
        lost = [self._frame - track.last_frame > MAX_MISSED + 1 for track in self._live]
        self._ended += [track for track, gone in zip(self._live, lost, strict=True) if gone]
        self._live = [track for track, gone in zip(self._live, lost, strict=True) if not gone]

    def _near(self, sightings: tuple[Sighting, ...]) -> list[tuple[int, Track]]:
        """Return the pairs of sighting and live track that one face can join, by place and size alone."""
        if not sightings or not self._live:
            return []
        before = np.stack([track.last.edges for track in self._live])
        now = np.stack([sighting.found.edges for sighting in sightings])
        old, new = before[:, 3] - before[:, 1], now[:, 3] - now[:, 1]
        larger = np.maximum(old[:, None], new[None])
        shift = ((now[:, :2] + now[:, 2:])[None] - (before[:, :2] + before[:, 2:])[:, None]) / 2
        possible = (larger <= _MAX_GROWTH * np.minimum(old[:, None], new[None])) & (
            np.hypot(shift[..., 0], shift[..., 1]) <= _MAX_JUMP * larger
        )
        return [(int(i), self._live[int(row)]) for row, i in zip(*np.nonzero(possible), strict=True)]

    def _compare(
        self, sightings: tuple[Sighting, ...], near: list[tuple[int, Track]], taken: dict[int, Track]
    ) -> list[tuple[float, int, Track]]:
        """Read the faces that no look explains and return the tracks they may belong to."""
        used = {track.number for track in taken.values()}
        fits = []
        for i, track in near:
            view = sightings[i].view
            if i in taken or track.number in used or view is None or not track.read:
                continue
            distance = float(np.linalg.norm(track.mean() - self._vector(view)))
            if distance < SAME_FACE:
                shared = overlap(track.last.edges, sightings[i].found.edges)
                fits.append((1 - shared + distance, i, track))
        return fits

    @staticmethod
    def _assign(fits: list[tuple[float, int, Track]]) -> dict[int, Track]:
        """Pair best fits first; ties go to the older track, then to the more certain face."""
        taken: dict[int, Track] = {}
        used: set[int] = set()
        for _, i, track in sorted(fits, key=lambda fit: (fit[0], fit[2].number, fit[1])):
            if i not in taken and track.number not in used:
                taken[i] = track
                used.add(track.number)
        return taken

    def _vector(self, view: View) -> Floats:
        if view.vector is None:
            view.vector = self._read(view)
        return view.vector

    def _begin(self, sighting: Sighting, time_ms: int) -> Track:
        track = Track(number=self._begun, start_ms=time_ms, end_ms=time_ms, last_frame=self._frame, last=sighting.found)
        self._begun += 1
        self._live.append(track)
        return track

    def _extend(self, track: Track, sighting: Sighting, time_ms: int) -> Track:
        track.extend(sighting, self._frame, time_ms)
        view = sighting.view
        if view is not None:
            if not track.read:
                self._vector(view)
            if view.vector is not None:
                track.learn(view, view.vector)
        return track


def _fit(track: Track, sighting: Sighting) -> float | None:
    """Return how badly the sighting fits the track by look, or by place where a look is missing; None: doubtful."""
    shared = overlap(track.last.edges, sighting.found.edges)
    if sighting.view is None or not track.read:
        return 1 - shared + SAME_FACE if shared >= _MIN_OVERLAP else None
    alike = track.likeness(sighting.view)
    return 1 - shared + 1 - alike if alike >= ALIKE else None
