"""Find, follow, recognise and age the faces of a clip. Hands out names and numbers; templates never leave."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    Model,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.embedding import DIMENSION, Embedder, Reading
from detectors.likeness import Comparison, Likeness, Lines
from detectors.manifests import Manifest
from detectors.minors import AgeReader, AgeReading
from detectors.probes import drawn_head
from detectors.runtime import Device, Session
from detectors.tracking import Sighting, Track, Tracker
from detectors.yunet import Detection, FaceFinder, Floats, Network

FINDER_MODEL: Final = "face_detection_yunet"
EMBEDDER_MODEL: Final = "dlib_face_recognition"

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
    """The detector `faces`: YuNet, dlib's face network and two age networks over every sampled frame.

    A face below the pack's least height, too blurred or in full profile is present but not read; a track none of
    whose faces could be read is `unread` and says so in `face.unread`.
    """

    name = "faces"
    signals: tuple[str, ...] = ("face.detection", "face.match_distance", "face.age", "minor.score", "face.unread")

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
            Session.open(manifest, FINDER_MODEL, device=device),
            Session.open(manifest, EMBEDDER_MODEL, device=device),
            AgeReader.load(manifest, device=device),
            lines=Lines(match=embedder["match"], possible=embedder["possible"]),
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
        gallery = subject.gallery
        if gallery is not None and gallery.people and gallery.model != self.embedder_model.id:
            raise DetectorUnavailable(f"the gallery holds {gallery.model} vectors, and faces are read by another model")
        if gallery is not None and gallery.people and gallery.vectors.shape[1:] != (DIMENSION,):
            raise DetectorUnavailable(f"the gallery's vectors are not {DIMENSION} numbers long")
        try:
            likeness = Likeness(gallery, self.lines)
        except ValueError as problem:
            raise DetectorUnavailable(str(problem)) from problem
        return FacesInspection(self, subject, likeness)

    def face_templates(self, image_bgr: NDArray[np.uint8]) -> list[FaceTemplate]:
        """Return the readable faces of a still picture (uint8 [height, width, 3], BGR), largest first.

        To register a person exactly one is needed, which the caller checks. Raises DetectorError when a model fails.
        """
        height, width = image_bgr.shape[:2]
        found = sorted(self.finder.find(image_bgr), key=lambda face: -face.height)
        readings = zip(found, self.embedder.read(image_bgr, tuple(found)), strict=True)
        return [
            FaceTemplate(face.box(width, height), quantise(reading.quality), reading.vector)
            for face, reading in readings
            if reading is not None
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
        first = self.embedder.vectors(drawn_head()[None])[0, : len(_PROBE_VECTOR)]
        if not np.allclose(first, _PROBE_VECTOR, rtol=0, atol=_VECTOR_TOLERANCE):
            raise DetectorUnavailable(f"{EMBEDDER_MODEL} gives another vector than stored: it cannot be relied on")


@dataclass(slots=True)
class FacesInspection:
    """The faces of one clip, frame by frame."""

    detector: Faces
    subject: Subject
    likeness: Likeness
    _tracker: Tracker = field(default_factory=Tracker)
    _comparisons: dict[int, Comparison] = field(default_factory=dict)
    _times: list[int] = field(default_factory=list)
    _samples: dict[str, list[Sample]] = field(default_factory=lambda: {name: [] for name in Faces.signals})

    def see(self, frames: Sequence[Frame]) -> None:
        """Take the next frames, in order. Raises DetectorError when a model fails."""
        for frame in frames:
            self._see_one(frame)

    def _see_one(self, frame: Frame) -> None:
        detector, pixels = self.detector, frame.pixels
        found = detector.finder.find(pixels)
        readings = detector.embedder.read(pixels, found)
        ages = self._read_ages(pixels, found, readings)
        sightings = tuple(
            # What one network cannot read is not read: half a reading would pass for a whole one.
            Sighting(found=face, box=face.box(pixels.shape[1], pixels.shape[0]), reading=reading if age else None)
            for face, reading, age in zip(found, readings, ages, strict=True)
        )
        tracks = self._tracker.link(sightings, frame.time_ms)
        self._times.append(frame.time_ms)
        best = max((face.score for face in found), default=0.0)
        self._add("face.detection", Sample(time_ms=frame.time_ms, value=quantise(best)))
        for track, sighting, age in zip(tracks, sightings, ages, strict=True):
            self._note(frame.time_ms, track, sighting, age)

    def _read_ages(
        self, pixels: NDArray[np.uint8], found: tuple[Detection, ...], readings: tuple[Reading | None, ...]
    ) -> list[AgeReading | None]:
        """Read the ages of the faces that could be read; None for the others."""
        readable = [face for face, reading in zip(found, readings, strict=True) if reading is not None]
        ages = iter(
            self.detector.ages.read(pixels, [face.edges for face in readable], [face.points for face in readable])
        )
        taken = [None if reading is None else next(ages) for reading in readings]
        return [None if age is None or age.unread else age for age in taken]

    def _note(self, time_ms: int, track: Track, sighting: Sighting, age: AgeReading | None) -> None:
        """Keep the numbers of one read face; an unread one is told by its track, at the end."""
        if sighting.reading is None or age is None:
            return
        comparison = self._comparisons.setdefault(track.number, Comparison(self.likeness, self.detector.lines))
        values = {
            "face.match_distance": comparison.add(sighting.reading.vector),
            "face.age": age.youngest,
            "minor.score": age.p_under_18,
        }
        for name, value in values.items():
            if value is not None:
                self._add(name, Sample(time_ms=time_ms, value=quantise(value), track=track.number, box=sighting.box))

    def _add(self, name: str, sample: Sample) -> None:
        self._samples[name].append(sample)

    def finish(self) -> Findings:
        """Conclude: the tracks with their matches, and the signals. No vector is in either."""
        tracks = self._tracker.tracks
        unread = [
            Sample(time_ms=time_ms, value=1.0, track=track.number, box=box)
            for track in tracks
            if not track.read
            for time_ms, box in track.boxes
        ]
        self._samples["face.unread"] = sorted(unread, key=lambda sample: (sample.time_ms, sample.track))
        return Findings(
            signals=tuple(self._signal(name) for name in Faces.signals),
            faces=tuple(self._face(track) for track in tracks),
        )

    def _signal(self, name: str) -> Signal:
        detector = self.detector
        ages = detector.ages
        models = {
            "face.match_distance": detector.embedder_model,
            "face.age": _together(ages.models),
            "minor.score": ages.models[0],
        }
        return Signal(
            name=name,
            state=State.MEASURED,
            model=models.get(name, detector.finder_model),
            samples=tuple(self._samples[name]),
            note=ages.note if name == "face.age" else "",
        )

    def _face(self, track: Track) -> FaceTrack:
        comparison = self._comparisons.get(track.number)
        matches = comparison.conclude(track.mean()) if comparison else ()
        states = {match.state for match in matches} or {FaceState.UNMATCHED}
        state = FaceState.MATCHED if FaceState.MATCHED in states else states.pop()
        return FaceTrack(
            track=track.number,
            start_ms=track.start_ms,
            end_ms=self._end(track),
            state=state if track.read else FaceState.UNREAD,
            height_px=round(track.height_px),
            boxes=tuple(track.boxes),
            matches=matches,
        )

    def _end(self, track: Track) -> int:
        """Return where the track ends, exclusive: at the next frame that was looked at, or with the clip."""
        later = bisect.bisect_right(self._times, track.end_ms)
        end = self._times[later] if later < len(self._times) else self.subject.duration_ms
        return max(end, track.end_ms + 1)


def _together(models: tuple[Model, ...]) -> Model:
    """Name several models that answer as one."""
    return Model(id="+".join(model.id for model in models), version="+".join(model.version for model in models))
