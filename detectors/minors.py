"""Apparent age of found faces, by two networks. An estimate with years of error: no one decides anything on it alone.

Reads neither gender nor origin; the heads that could are not in the pack.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.alignment import align_face
from detectors.base import (
    Box,
    DetectorError,
    DetectorUnavailable,
    FaceState,
    FaceTrack,
    Findings,
    Model,
    Sample,
    Signal,
    State,
    quantise,
)
from detectors.drawn import MODEL as DRAWN_MODEL
from detectors.drawn import SIGNAL as DRAWN_SIGNAL
from detectors.drawn import cut_square, share_of_shades
from detectors.manifests import Manifest, Presence
from detectors.probes import HEAD_BOX, HEAD_POINTS, drawn_head
from detectors.runtime import Device, Session

FIRST_MODEL: Final = "age_v1"
SECOND_MODEL: Final = "age_faceapi"
#: Below this height the estimate shifts by more years than it is worth.
MIN_FACE_PX: Final = 64
ADULT_FROM: Final = 18
#: The buffer: below this the networks cannot tell an adult, and the face is not cleared.
CLEARED_FROM: Final = 25
#: From this share of belief below 18 on, a face is not cleared whatever its mean age.
LIKELY_MINOR: Final = 0.5
#: A face with fewer shades is drawn, and what the age networks say of it counts as nothing.
MIN_SHADES: Final = 0.36
#: So is a face in frames that look drawn from this score on. Lower than the line a picture without faces would need:
#: photographs of faces stay below 0.1. Both lines: docs/model-cards/drawn.md.
DRAWN_FROM: Final = 0.15
#: The second network gives one number. Its belief is taken as normal around it, as wide as its published mean error
#: (4.82 years for ages 9-18, 4.99 for 19-28) makes it: a mean absolute error of e is a deviation of e * sqrt(pi / 2).
SECOND_DEVIATION_YEARS: Final = 6.2

#: Who says that a face is drawn when no network looked at its frames.
SHADES: Final = Model(id="face_shades", version="1")
#: The signals that say what is known of ages, a sample for each track they speak of.
SIGNALS: Final = ("face.age", "minor.score", "face.drawn")

_CHIP_SIDE: Final = 64
_CHIP_PADDING: Final = 0.2
_MEAN_RGB: Final = np.array([122.782, 117.001, 104.298], dtype=np.float32)
#: The years the first network's 81 classes stand for; its first class is the first year of life.
_YEARS: Final = np.array([0.25, *range(1, 81)])

_CROP_SIDE: Final = 112
#: The second network's answer is the mean over one crop with this margin around the box, and its mirror image. Against
#: four margins, on 300 official portraits: 0.5 years younger, 1.4 years apart on average, 3.6 in 95 of 100, and not one
#: face changed its side of 25. No other margin came nearer or erred to the younger side.
SECOND_MARGIN: Final = 0.2

#: Faces a run takes at once, to bound memory.
_BATCH: Final = 32

#: What the networks say of the drawn head, and how far another processor may be from it.
_PROBE_AGES: Final = {FIRST_MODEL: 23.0134, SECOND_MODEL: 12.6479}
_PROBE_TOLERANCE_YEARS: Final = 0.25

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeReading:
    """What was read of one face, in years; None where it was not read."""

    #: The first network: mean age, and the share of its belief below 18.
    age_first: float | None = None
    p_under_18: float | None = None
    #: The second network: mean age.
    age_second: float | None = None
    #: The first network: its belief in each year of age from 0 to 80.
    beliefs: tuple[float, ...] = ()
    #: The share of the face that is shaded, as photographs are (0-1); None where it was not looked at.
    shades: float | None = None

    @property
    def unread(self) -> bool:
        """Whether no network read this face."""
        return self.youngest is None

    @property
    def youngest(self) -> float | None:
        """The lower of the two ages: disagreement counts for the younger."""
        return min((age for age in (self.age_first, self.age_second) if age is not None), default=None)


class AgeState(StrEnum):
    """What is known of a track's age. Only `ADULT` clears a face; none says that somebody is a minor."""

    ADULT = "adult"
    #: Under the buffer by either network, or likely under 18.
    UNCERTAIN = "uncertain"
    #: A drawn face: the networks know photographs, so its age is not measured.
    DRAWN = "drawn"
    #: Present, and no view of it could be read.
    UNREAD = "unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackAge:
    """What the views of one track say together. Unless ages were measured, numbers are None and `beliefs` is empty."""

    state: AgeState
    #: Mean age in years by the network that reads younger.
    age: float | None = None
    #: Share of the belief below 18 and below 25.
    p_under_18: float | None = None
    p_under_25: float | None = None
    #: Years between the two networks' means; None with one network.
    spread: float | None = None
    #: Belief in each year of age from 0 to 80.
    beliefs: tuple[float, ...] = ()
    #: The share of the face that is shaded, mean over the views; None where no view was looked at.
    shades: float | None = None

    @property
    def cleared(self) -> bool:
        """Whether this is a photographed face that both networks read as an adult's beyond the buffer."""
        return self.state is AgeState.ADULT

    def samples(self, *, time_ms: int, track: int, box: Box | None = None) -> dict[str, Sample]:
        """Return one sample for each signal of `SIGNALS` that speaks of this track, for its first instant.

        An unread track has none: it is told by `face.unread`. A drawn one has `face.drawn` only.
        """
        drawn = 1.0 if self.state is AgeState.DRAWN else None
        values = dict(zip(SIGNALS, (self.age, self.p_under_18, drawn), strict=True))
        return {
            name: Sample(time_ms=time_ms, value=value, track=track, box=box)
            for name, value in values.items()
            if value is not None
        }


def conclude_age(readings: Sequence[AgeReading]) -> TrackAge:
    """Conclude from the readings of one track's views, in any order.

    Each network's answer is the mean over the views. At every age the larger of the two shares of belief below it
    counts, so disagreement counts for the younger. A face without shades is drawn
    and has no age.
    """
    read = [reading for reading in readings if not reading.unread]
    if not read:
        return TrackAge(state=AgeState.UNREAD)
    looks = [reading.shades for reading in read if reading.shades is not None]
    shades = quantise(float(np.mean(looks))) if looks else None
    if shades is not None and shades < MIN_SHADES:
        return TrackAge(state=AgeState.DRAWN, shades=shades)
    ages = [quantise(float(np.mean(answers))) for answers in _answers(read)]
    below = np.maximum.reduce(_shares_below(read))
    under_18, under_25 = quantise(below[ADULT_FROM]), quantise(below[CLEARED_FROM])
    uncertain = min(ages) < CLEARED_FROM or under_18 >= LIKELY_MINOR
    return TrackAge(
        state=AgeState.UNCERTAIN if uncertain else AgeState.ADULT,
        age=min(ages),
        p_under_18=under_18,
        p_under_25=under_25,
        spread=quantise(max(ages) - min(ages)) if len(ages) > 1 else None,
        beliefs=tuple(quantise(share) for share in np.diff(below)),
        shades=shades,
    )


def _answers(readings: Sequence[AgeReading]) -> list[list[float]]:
    """Return the ages of each network that answered."""
    firsts = [reading.age_first for reading in readings if reading.age_first is not None]
    seconds = [reading.age_second for reading in readings if reading.age_second is not None]
    return [ages for ages in (firsts, seconds) if ages]


def _shares_below(readings: Sequence[AgeReading]) -> list[NDArray[np.float64]]:
    """Return, for each network that answered, the share of its belief below each age from 0 to 81: float64 [82]."""
    shares = []
    beliefs = [reading.beliefs for reading in readings if reading.beliefs]
    if beliefs:
        mean = np.mean(beliefs, axis=0)
        shares.append(np.concatenate([[0.0], np.cumsum(mean / mean.sum())]))
    seconds = [reading.age_second for reading in readings if reading.age_second is not None]
    if seconds:
        shares.append(np.array([_normal_below(year, float(np.mean(seconds))) for year in range(len(_YEARS) + 1)]))
    return shares


def _normal_below(year: int, mean: float) -> float:
    """Return the share of the second network's belief below `year`; nobody is younger than 0 or older than 80."""
    if year in (0, len(_YEARS)):
        return float(year > 0)
    return 0.5 * (1 + math.erf((year - mean) / (SECOND_DEVIATION_YEARS * math.sqrt(2))))


def withhold_ages_of_drawn(findings: Sequence[Findings]) -> list[Findings]:
    """Take back the ages of tracks whose frames look drawn, whatever their faces look like, and name them drawn.

    A track's score is the mean of `drawn.score` over the frames of its time that were looked at; where it falls between
    two, of the one before, which is of its shot. Without that signal the findings stay as they are.
    """
    looks = sorted(
        (sample.time_ms, sample.value)
        for found in findings
        for signal in found.signals
        if signal.name == DRAWN_SIGNAL and signal.state is State.MEASURED
        for sample in signal.samples
    )
    if not looks:
        return list(findings)
    drawn = {face.track: face for found in findings for face in found.faces if _looks_drawn(face, looks)}
    return [_with_drawn(found, drawn) for found in findings]


def _looks_drawn(face: FaceTrack, looks: Sequence[tuple[int, float]]) -> bool:
    within = [value for time_ms, value in looks if face.start_ms <= time_ms < face.end_ms]
    before = [value for time_ms, value in looks if time_ms < face.start_ms]
    seen = within or before[-1:]
    return bool(seen) and sum(seen) / len(seen) >= DRAWN_FROM


def _with_drawn(found: Findings, drawn: Mapping[int, FaceTrack]) -> Findings:
    signals = tuple(_signal_with_drawn(signal, drawn) if signal.name in SIGNALS else signal for signal in found.signals)
    return replace(found, signals=signals)


def _signal_with_drawn(signal: Signal, drawn: Mapping[int, FaceTrack]) -> Signal:
    others = [sample for sample in signal.samples if sample.track not in drawn]
    if signal.name != "face.drawn":
        return replace(signal, samples=tuple(others))
    readable = [face for face in drawn.values() if face.state is not FaceState.UNREAD]
    named = [Sample(time_ms=face.start_ms, value=1.0, track=face.track, box=_first_box(face)) for face in readable]
    both = Model(id=f"{SHADES.id}+{DRAWN_MODEL}", version=SHADES.version)
    ordered = sorted([*others, *named], key=lambda sample: (sample.time_ms, sample.track or 0))
    return replace(signal, model=both, samples=tuple(ordered))


def _first_box(face: FaceTrack) -> Box | None:
    return face.boxes[0][1] if face.boxes else None


class AgeReader:
    """Reads ages off faces that were already found; may be used by several threads."""

    def __init__(self, first: Session, second: Session | None, *, note: str = "") -> None:
        self._first = first
        self._second = second
        #: Why there is no second opinion; empty when there is one. Belongs on the signal.
        self.note = note

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load both networks, or the first alone where the pack has no second.

        Raises DetectorUnavailable when the first is not there or a file is damaged.
        """
        first = Session.open(manifest, FIRST_MODEL, device=device)
        entry = manifest.entry(SECOND_MODEL)
        if entry.state is Presence.ABSENT:
            return cls(first, None, note=f"one age network only: {entry.note}")
        return cls(first, Session.open(manifest, SECOND_MODEL, device=device))

    @property
    def models(self) -> tuple[Model, ...]:
        """Which weights speak."""
        return tuple(session.model for session in (self._first, self._second) if session is not None)

    def read(
        self, pixels_bgr: Pixels, boxes_px: Sequence[NDArray[np.float32]], points_px: Sequence[NDArray[np.float32]]
    ) -> list[AgeReading]:
        """Return one reading per face of a frame, unread for faces below `MIN_FACE_PX` or with points that coincide.

        `pixels_bgr` is uint8 [height, width, 3]; each box is left, top, right, bottom and each points array [5, 2],
        in pixels, as the face detector gives them. Raises DetectorError when a model fails.
        """
        readings = [AgeReading()] * len(boxes_px)
        chips = {
            index: chip
            for index, (box, points) in enumerate(zip(boxes_px, points_px, strict=True))
            if (chip := _chip(pixels_bgr, box, points)) is not None
        }
        read = list(chips)
        for start in range(0, len(read), _BATCH):
            indices = read[start : start + _BATCH]
            firsts = self._read_first([chips[index] for index in indices])
            seconds = self._read_second(pixels_bgr, [boxes_px[index] for index in indices])
            for index, beliefs, second in zip(indices, firsts, seconds, strict=True):
                readings[index] = AgeReading(
                    age_first=quantise(beliefs @ _YEARS),
                    p_under_18=quantise(beliefs[:ADULT_FROM].sum()),
                    age_second=second,
                    beliefs=tuple(quantise(belief) for belief in beliefs),
                    shades=share_of_shades(pixels_bgr, boxes_px[index]),
                )
        return readings

    def signals(self, samples: Mapping[str, Sequence[Sample]]) -> tuple[Signal, ...]:
        """Return the `SIGNALS` of one clip; `samples` holds those of all tracks by name (`TrackAge.samples`)."""
        return tuple(self._signal(name, samples.get(name, ())) for name in SIGNALS)

    def _signal(self, name: str, samples: Sequence[Sample]) -> Signal:
        if name == "face.drawn":
            return Signal(name=name, state=State.MEASURED, model=SHADES, samples=tuple(samples))
        model = Model(
            id="+".join(model.id for model in self.models), version="+".join(model.version for model in self.models)
        )
        return Signal(name=name, state=State.MEASURED, model=model, samples=tuple(samples), note=self.note)

    def _read_first(self, chips: Sequence[Pixels]) -> NDArray[np.float64]:
        """Return the beliefs in each year, float64 [n, 81], for aligned chips (uint8 [64, 64, 3] BGR)."""
        rgb = np.stack(chips)[..., ::-1].astype(np.float32)
        batch = np.ascontiguousarray(((rgb - _MEAN_RGB) / np.float32(256)).transpose(0, 3, 1, 2))
        (beliefs,) = self._first.run(batch).values()
        if beliefs.shape != (len(chips), len(_YEARS)) or not np.isfinite(beliefs).all():
            raise DetectorError(f"{FIRST_MODEL} gave no age")
        return beliefs.astype(np.float64)

    def _read_second(self, pixels: Pixels, boxes: Sequence[NDArray[np.float32]]) -> list[float | None]:
        """Return the second network's mean age per face, None where there is no second network."""
        if self._second is None:
            return [None] * len(boxes)
        ages: list[float | None] = []
        for box in boxes:
            (answer,) = self._second.run(_crops(pixels, box)).values()
            if not np.isfinite(answer).all():
                raise DetectorError(f"{SECOND_MODEL} gave no age")
            ages.append(quantise(answer.astype(np.float64).mean()))
        return ages

    def self_check(self) -> None:
        """Read a drawn head and compare with the stored ages; raise DetectorUnavailable when they are off."""
        (reading,) = self.read(drawn_head(), [HEAD_BOX], [HEAD_POINTS])
        self._compare(FIRST_MODEL, reading.age_first)
        if self._second is not None:
            self._compare(SECOND_MODEL, reading.age_second)

    @staticmethod
    def _compare(model: str, age: float | None) -> None:
        expected = _PROBE_AGES[model]
        if age is None or abs(age - expected) > _PROBE_TOLERANCE_YEARS:
            raise DetectorUnavailable(f"{model} reads its probe as {age}, not {expected}: it cannot be relied on")


def _chip(pixels: Pixels, box: NDArray[np.float32], points: NDArray[np.float32]) -> Pixels | None:
    """Return the aligned chip of a face, None when the face cannot be read."""
    if not np.isfinite(box).all() or box[3] - box[1] < MIN_FACE_PX:
        return None
    try:
        return align_face(pixels, points, _CHIP_SIDE, _CHIP_PADDING)
    except ValueError:
        return None


def _crops(pixels: Pixels, box: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the square crop around a box, plain and mirrored: float32 [2, 3, 112, 112] RGB."""
    square = cut_square(pixels, box, SECOND_MARGIN)
    crop = cast("Pixels", cv2.resize(square, (_CROP_SIDE, _CROP_SIDE), interpolation=cv2.INTER_AREA))
    rgb = np.stack([crop, crop[:, ::-1]])[..., ::-1].astype(np.float32)
    return np.ascontiguousarray(rgb.transpose(0, 3, 1, 2))
