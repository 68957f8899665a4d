"""Find, follow, recognise and age the faces of a clip. Hands out names and numbers; templates never leave."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    Box,
    DetectorError,
    DetectorUnavailable,
    FaceState,
    FaceTrack,
    Findings,
    Frame,
    Gallery,
    Model,
    PersonMatch,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.descriptions import DescribedFace, Description, EndedFace, describe
from detectors.embedding import DIMENSION, Embedder
from detectors.likeness import Likeness, Lines
from detectors.manifests import Manifest
from detectors.minors import SIGNALS as AGE_SIGNALS
from detectors.minors import AgeReader, AgeReading, AgeState, TrackAge, conclude_age
from detectors.probes import drawn_head
from detectors.runtime import Device, Session
from detectors.tracking import Sighting, Track, Tracker
from detectors.views import Patch, Pixels, View, look_of
from detectors.yunet import Detection, FaceFinder, Floats, Network, free_size

FINDER_MODEL: Final = "face_detection_yunet"
EMBEDDER_MODEL: Final = "dlib_face_recognition"

OWN_SIGNALS: Final = ("face.detection", "face.match_distance", "face.unread")

#: What the finder says of the drawn head in its probe picture, and what the embedder says of the head itself.
_PROBE_EDGES: Final = (169.6, 140.5, 381.2, 425.4)
_PROBE_SCORE: Final = 0.7534
_PROBE_MIN_SCORE: Final = 0.5
_PROBE_BORDER: Final = 60
_PROBE_VECTOR: Final = (-0.1112, 0.0652, -0.0205, -0.0167, -0.0922, -0.0236, -0.0161, -0.0954)
#: How far another processor or card may be from the stored answers.
_EDGE_TOLERANCE: Final = 4.0
_SCORE_TOLERANCE: Final = 0.02
_VECTOR_TOLERANCE: Final = 0.005


class FaceTemplate(NamedTuple):
    """A face of a still picture, for registration. `vector` is float32 [128], raw: biometric, handle it as such."""

    box: Box
    quality: float
    vector: Floats


class Faces:
    """The detector `faces`: YuNet over every sampled frame, dlib's face network and two age networks over chosen views.

    A face below the pack's least height, too blurred or in full profile is present but not read; a track none of
    whose faces could be read is `unread` and says so in `face.unread`. A face somewhat below that height is unread, yet
    compared: whom a nearer one would match is among its matches as possible.
    """

    name = "faces"
    signals: tuple[str, ...] = (*OWN_SIGNALS, *AGE_SIGNALS)

    def __init__(
        self, finder: Network, embedder: Network, ages: AgeReader, *, lines: Lines, min_score: float, min_height: float
    ) -> None:
        self._finder_network = finder
        self._embedder_network = embedder
        self.finder = FaceFinder(finder, min_score=min_score)
        self.embedder = Embedder(embedder, min_height=min_height)
        self.ages = ages
        self.lines = lines

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load the four networks with the manifest's lines. Raises DetectorUnavailable when one cannot be had."""
        finder, embedder = manifest.entry(FINDER_MODEL).thresholds, manifest.entry(EMBEDDER_MODEL).thresholds
        return cls(
            Session.open(manifest, FINDER_MODEL, device=device, adapt=free_size),
            Session.open(manifest, EMBEDDER_MODEL, device=device),
            AgeReader.load(manifest, device=device),
            lines=Lines.of(embedder),
            min_score=finder["score"],
            min_height=embedder["min_face_px"],
        )

    @property
    def finder_model(self) -> Model:
        """The weights that find faces."""
        return self._finder_network.model

    @property
    def embedder_model(self) -> Model:
        """The weights that tell faces apart; a gallery names them."""
        return self._embedder_network.model

    def open(self, subject: Subject) -> "FacesInspection":
        """Begin with one clip. Raises DetectorUnavailable when its gallery was made with other weights."""
        return FacesInspection(self, subject, self.likeness(subject.gallery))

    def likeness(self, gallery: Gallery | None) -> Likeness:
        """Make a gallery ready for questions. Raises DetectorUnavailable when it was made with other weights."""
        if gallery is not None and gallery.people and gallery.model != self.embedder_model.id:
            raise DetectorUnavailable(f"the gallery holds {gallery.model} vectors, and faces are read by another model")
        if gallery is not None and gallery.people and gallery.vectors.shape[1:] != (DIMENSION,):
            raise DetectorUnavailable(f"the gallery's vectors are not {DIMENSION} numbers long")
        try:
            return Likeness(gallery, self.lines)
        except ValueError as problem:
            raise DetectorUnavailable(str(problem)) from problem

    def recall(self, kept: Description, subject: Subject) -> Findings | None:
        """See `descriptions.Recalling`."""
        if kept.faces is None:
            return None
        inspection = self.open(subject)
        inspection.take_up(kept.faces)
        return inspection.finish()

    def face_templates(self, image_bgr: NDArray[np.uint8]) -> list[FaceTemplate]:
        """Return the readable faces of a still picture (uint8 [height, width, 3], BGR), largest first.

        To register a person exactly one is needed, which the caller checks. Raises DetectorError when a model fails.
        """
        height, width = image_bgr.shape[:2]
        found = sorted(self.finder.find(image_bgr), key=lambda face: -face.height)
        chips = [(face, *self.embedder.chip(image_bgr, face)) for face in found]
        return [
            FaceTemplate(face.box(width, height), quantise(quality), self.embedder.vector(chip))
            for face, chip, quality in chips
            if quality > 0
        ]

    def self_check(self) -> None:
        """Look at a drawn head with every network. Raises DetectorUnavailable when an answer is off."""
        try:
            self._check_finder()
            self._check_embedder()
            self.ages.self_check()
        except DetectorUnavailable:
            raise
        except (DetectorError, KeyError, ValueError, IndexError) as problem:
            raise DetectorUnavailable(f"the face networks cannot be used: {problem!r}") from problem

    def _check_finder(self) -> None:
        head = np.pad(drawn_head(), ((_PROBE_BORDER, _PROBE_BORDER), (_PROBE_BORDER, _PROBE_BORDER), (0, 0)))
        found = FaceFinder(self._finder_network, min_score=_PROBE_MIN_SCORE).find(
            head.repeat(2, axis=0).repeat(2, axis=1)
        )
        if (
            len(found) != 1
            or not np.allclose(found[0].edges, _PROBE_EDGES, rtol=0, atol=_EDGE_TOLERANCE)
            or abs(found[0].score - _PROBE_SCORE) > _SCORE_TOLERANCE
        ):
            raise DetectorUnavailable(
                f"{FINDER_MODEL} does not find the drawn head where it is: it cannot be relied on"
            )

    def _check_embedder(self) -> None:
        first = self.embedder.vector(drawn_head())[: len(_PROBE_VECTOR)]
        if not np.allclose(first, _PROBE_VECTOR, rtol=0, atol=_VECTOR_TOLERANCE):
            raise DetectorUnavailable(f"{EMBEDDER_MODEL} gives another vector than stored: it cannot be relied on")


@dataclass(slots=True)
class FacesInspection:
    """The faces of one clip, frame by frame. A track is read and let go when it ends; compared when all have ended."""

    detector: Faces
    subject: Subject
    likeness: Likeness
    _tracker: Tracker = field(init=False)
    _shot: int | None = None
    _times: list[int] = field(default_factory=list)
    _ended: list[EndedFace] = field(default_factory=list)
    #: Whether a face was passed over because nobody was registered.
    _passed_over: bool = False
    _samples: dict[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in Faces.signals})

    def __post_init__(self) -> None:
        self._tracker = Tracker(self._read)

    def _read(self, view: View) -> Floats:
        return self.detector.embedder.vector(view.chip)

    def see(self, frames: Sequence[Frame]) -> None:
        """Take the next frames, in order. Raises DetectorError when a model fails."""
        for frame in frames:
            if frame.shot != self._shot:
                self._tracker.cut()
                self._shot = frame.shot
            self._see_one(frame)
            self._conclude_ended()

    def _see_one(self, frame: Frame) -> None:
        found = self.detector.finder.find(frame.pixels)
        sightings = tuple(self._sighting(frame, face) for face in found)
        self._times.append(frame.time_ms)
        best = max((face.score for face in found), default=0.0)
        self._add("face.detection", Sample(time_ms=frame.time_ms, value=quantise(best)))
        for track, sighting in zip(self._tracker.link(sightings, frame.time_ms), sightings, strict=True):
            if sighting.view is not None and track.album.add(sighting.view):
                sighting.view.patch = Patch.cut(frame.pixels, sighting.found)
            if sighting.distant is not None and not track.read:
                if self.likeness.empty and not self.subject.described:
                    self._passed_over = True
                else:
                    track.distant.add(sighting.distant)

    def _sighting(self, frame: Frame, face: Detection) -> Sighting:
        box = face.box(frame.pixels.shape[1], frame.pixels.shape[0])
        embedder = self.detector.embedder
        chip, quality = embedder.chip(frame.pixels, face)
        distant, distant_quality = embedder.distant_chip(frame.pixels, face)
        return Sighting(
            found=face,
            box=box,
            view=_view(frame.time_ms, box, chip, quality),
            distant=_view(frame.time_ms, box, distant, distant_quality),
        )

    def finish(self) -> Findings:
        """Conclude: the tracks with their matches, and the signals. No vector is in either."""
        self._tracker.cut()
        self._conclude_ended()
        return self._told(self.likeness)

    def again(self, subject: Subject) -> Findings | None:
        """See `base.ComparesAgain`. None where faces were passed over that somebody is registered for now."""
        likeness = self.detector.likeness(subject.gallery)
        return None if self._passed_over and not likeness.empty else self._told(likeness)

    def describe(self, into: Description) -> Description:
        """See `descriptions.Describing`."""
        return into if self._passed_over else replace(into, faces=[describe(ended) for ended in self._ended])

    def take_up(self, faces: Sequence[DescribedFace]) -> None:
        """Go on from faces that were read before."""
        self._ended += [face.ended() for face in faces]

    def _told(self, likeness: Likeness) -> Findings:
        """Compare every track with a gallery, and tell what was found."""
        compared = [self._compared(ended, likeness) for ended in self._ended]
        samples = self._samples | {
            "face.match_distance": [sample for _, distances in compared for sample in distances],
        }
        for found in samples.values():
            found.sort(key=lambda sample: (sample.time_ms, -1 if sample.track is None else sample.track))
        return Findings(
            signals=tuple(self._signal(name, samples[name], likeness) for name in OWN_SIGNALS)
            + self.detector.ages.signals(samples),
            faces=tuple(sorted((face for face, _ in compared), key=lambda face: face.track)),
        )

    def _conclude_ended(self) -> None:
        for track in self._tracker.take_ended():
            self._conclude(track)

    def _conclude(self, track: Track) -> None:
        """Read the track's chosen views, compare them with the gallery, and keep what may be told of it."""
        for view in track.album.for_identity():
            if view.vector is None:
                track.learn(view, self._read(view))
        age = conclude_age([self._age(view) for view in track.album.for_age()])
        distant = not track.read
        if distant:
            for view in track.distant.for_distant():
                track.learn(view, self._read(view))
        else:
            self._tell_age(track, age)
        # What one network cannot read is not read: half a reading would pass for a whole one.
        whole = age.state is not AgeState.UNREAD
        if not whole:
            for time_ms, box in track.boxes:
                self._add("face.unread", Sample(time_ms=time_ms, value=1.0, track=track.number, box=box))
        self._ended.append(
            EndedFace(
                number=track.number,
                start_ms=track.start_ms,
                end_ms=track.end_ms,
                height_px=round(track.height_px),
                boxes=tuple(track.boxes),
                readings=tuple(sorted(track.read, key=lambda reading: reading.time_ms)),
                mean=track.mean() if track.read else None,
                distant=distant,
                whole=whole,
            )
        )

    def _age(self, view: View) -> AgeReading:
        if view.patch is None:
            raise DetectorError("a view was chosen to read its age off, and its pixels were not kept")
        patch = view.patch.for_ages()
        (reading,) = self.detector.ages.read(patch.pixels, [patch.edges], [patch.points])
        return reading

    def _tell_age(self, track: Track, age: TrackAge) -> None:
        first = track.read[0]
        for name, sample in age.samples(time_ms=first.time_ms, track=track.number, box=first.box).items():
            self._add(name, sample)

    def _compared(self, ended: EndedFace, likeness: Likeness) -> tuple[FaceTrack, list[Sample]]:
        """Compare a track with a gallery: the track as it is told, and a sample for every view that was read."""
        matches: tuple[PersonMatch, ...] = ()
        samples: list[Sample] = []
        if ended.mean is not None:
            vectors = np.stack([reading.vector for reading in ended.readings])
            comparison = likeness.compare(ended.mean, vectors, distant=ended.distant)
            matches = comparison.matches
            samples = [
                Sample(time_ms=reading.time_ms, value=distance, track=ended.number, box=reading.box)
                for reading, distance in zip(ended.readings, comparison.nearest, strict=True)
                if distance is not None
            ]
        track = FaceTrack(
            track=ended.number,
            start_ms=ended.start_ms,
            end_ms=self._end(ended.end_ms),
            state=FaceState.UNREAD if ended.distant else _state(matches, read=ended.whole),
            height_px=ended.height_px,
            boxes=ended.boxes,
            matches=matches,
        )
        return track, samples

    def _add(self, name: str, sample: Sample) -> None:
        self._samples[name].append(sample)

    def _signal(self, name: str, samples: Sequence[Sample], likeness: Likeness) -> Signal:
        detector = self.detector
        matching = name == "face.match_distance"
        return Signal(
            name=name,
            state=State.MEASURED,
            model=detector.embedder_model if matching else detector.finder_model,
            samples=tuple(samples),
            note=likeness.note if matching else "",
        )

    def _end(self, last_ms: int) -> int:
        """Return where a track ends, exclusive: at the next frame that was looked at, or with the clip."""
        later = bisect.bisect_right(self._times, last_ms)
        end = self._times[later] if later < len(self._times) else self.subject.duration_ms
        return max(end, last_ms + 1)


def _view(time_ms: int, box: Box, chip: Pixels, quality: float) -> View | None:
    """Return the view that a chip is, None where it must not be read."""
    if quality <= 0:
        return None
    return View(time_ms=time_ms, box=box, quality=quality, chip=chip, look=look_of(chip))


def _state(matches: tuple[PersonMatch, ...], *, read: bool) -> FaceState:
    """Return a track's state: somebody near counts even where not everything could be read."""
    if matches:
        return matches[0].state
    return FaceState.UNMATCHED if read else FaceState.UNREAD
