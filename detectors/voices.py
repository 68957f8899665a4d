"""Hear who speaks in a clip: speech, its speakers, and which of them may be registered. Templates never leave."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

import numpy as np

from detectors.base import (
    SOUND_RATE,
    DetectorError,
    DetectorUnavailable,
    Findings,
    Frame,
    Gallery,
    Sample,
    Signal,
    Sound,
    State,
    Subject,
    Voice,
    VoiceMatch,
    VoiceState,
    quantise,
)
from detectors.descriptions import DescribedSpeech, Description
from detectors.hearing import STEP, Floats, SpeechFinder, Stretch, drawn_vowel, stretches
from detectors.likeness import Likeness, Lines
from detectors.manifests import Manifest
from detectors.runtime import Device
from detectors.speakers import (
    DIMENSION,
    ENROLMENT_STRIDE,
    SHORTEST,
    WINDOW,
    SpeakerEncoder,
    Utterance,
    group,
    mean_vector,
)

SPEECH: Final = "voice.speech"
DISTANCE: Final = "voice.match_distance"

#: Network steps that one sample of `voice.speech` covers: 0.256 s.
_GRID: Final = 8
#: So many windows (1.6 s) of one voice are needed for a clear match; a single one is at most possible.
MATCH_WINDOWS: Final = 2
#: Pauses up to this long do not end a segment, in milliseconds.
_PAUSE_MS: Final = 400
#: Speech that a registration needs, in seconds.
ENROLMENT_SECONDS: Final = 5.0

#: What the networks say of the drawn vowel, and how far another processor may be from it.
_PROBE_SPEECH: Final = 0.1942
_PROBE_VECTOR: Final = (-0.1049, -0.0002, -0.0163, -0.0542, -0.0524, -0.0399, 0.0002, -0.0345)
_PROBE_TOLERANCE: Final = 0.03


class SpokenBy(NamedTuple):
    """A piece of speech of one recording, and which of its speakers it sounds like, numbered from 0."""

    start_ms: int
    end_ms: int
    speaker: int


class VoiceTemplate(NamedTuple):
    """A voice for registration. `vector` is float32 [256], of unit length: biometric, handle it as such."""

    vector: Floats
    #: Seconds of speech it was made from.
    seconds: float


class Voices:
    """The detector `voices`: Silero's speech network and a d-vector network over the sound track.

    It looks at no frame. Speech is compared only where voices are registered: nobody else's voice is described.
    """

    name = "voices"
    signals: tuple[str, ...] = (SPEECH, DISTANCE)

    def __init__(self, finder: SpeechFinder, encoder: SpeakerEncoder, lines: Lines) -> None:
        self.finder = finder
        self.encoder = encoder
        self.lines = lines

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load both networks with the manifest's lines. Raises DetectorUnavailable when one cannot be had."""
        encoder = SpeakerEncoder.load(manifest, device=device)
        lines = Lines.of(manifest.entry(encoder.model.id).thresholds)
        return cls(SpeechFinder.load(manifest, device=device), encoder, lines)

    def open(self, subject: Subject) -> "VoicesInspection":
        """Begin with one clip. Raises DetectorUnavailable when its gallery was made with other weights."""
        return VoicesInspection(self, subject, self.likeness(subject.voices))

    def likeness(self, gallery: Gallery | None) -> Likeness:
        """Make a gallery ready for questions. Raises DetectorUnavailable when it was made with other weights."""
        if gallery is not None and gallery.people and gallery.model != self.encoder.model.id:
            raise DetectorUnavailable(f"the gallery holds {gallery.model} vectors and voices are read by another model")
        if gallery is not None and gallery.people and gallery.vectors.shape[1:] != (DIMENSION,):
            raise DetectorUnavailable(f"the gallery's vectors are not {DIMENSION} numbers long")
        try:
            return Likeness(gallery, self.lines)
        except ValueError as problem:
            raise DetectorUnavailable(str(problem)) from problem

    def recall(self, kept: Description, subject: Subject) -> Findings | None:
        """See `descriptions.Recalling`."""
        return None if kept.speech is None else self.open(subject).take_up(kept.speech, kept.pieces)

    def voice_template(self, samples: Floats) -> VoiceTemplate | None:
        """Return the one voice of a recording (float32 [count], mono, 16 kHz); None when it holds too little speech.

        The caller vouches that one person speaks. Raises DetectorError when a model fails.
        """
        speech = stretches(self.finder.likelihoods(samples))
        seconds = sum(stretch.length for stretch in speech if stretch.length >= SHORTEST) / SOUND_RATE
        if seconds < ENROLMENT_SECONDS:
            return None
        utterances = self.encoder.utterances(samples, speech, ENROLMENT_STRIDE)
        return VoiceTemplate(mean_vector(np.concatenate([u.windows for u in utterances])), quantise(seconds))

    def speakers(self, samples: Floats) -> tuple[SpokenBy, ...]:
        """Return the pieces of speech of a recording (float32 [count], mono, 16 kHz) with their speakers.

        Pieces too short to tell a voice by are left out. Raises DetectorError when a model fails.
        """
        utterances = self.encoder.utterances(samples, stretches(self.finder.likelihoods(samples)))
        return tuple(
            SpokenBy(piece.stretch.start * 1000 // SOUND_RATE, piece.stretch.end * 1000 // SOUND_RATE, number)
            for number, piece in zip(group(utterances), utterances, strict=True)
        )

    def self_check(self) -> None:
        """Hear a drawn vowel with both networks. Raises DetectorUnavailable when an answer is off."""
        vowel = drawn_vowel(1.5)
        try:
            speech = float(self.finder.likelihoods(vowel).mean())
            (utterance,) = self.encoder.utterances(vowel, [Stretch(start=0, end=WINDOW)])
        except (DetectorError, ValueError) as problem:
            raise DetectorUnavailable(f"the voice networks cannot be used: {problem!r}") from problem
        if abs(speech - _PROBE_SPEECH) > _PROBE_TOLERANCE:
            raise DetectorUnavailable(f"{self.finder.model.id} hears its probe as {speech:.4f}, not {_PROBE_SPEECH}")
        if not np.allclose(utterance.vector[: len(_PROBE_VECTOR)], _PROBE_VECTOR, rtol=0, atol=_PROBE_TOLERANCE):
            raise DetectorUnavailable(f"{self.encoder.model.id} gives another vector than stored")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Heard:
    """What is kept of a sound track: no sound, and vectors that never leave this process."""

    shares: tuple[Sample, ...]
    speech: tuple[Stretch, ...]
    #: None where nobody was registered, so that nothing was read.
    utterances: tuple[Utterance, ...] | None


@dataclass(slots=True)
class VoicesInspection:
    """The sound of one clip. Nothing is concluded before all of it was heard."""

    detector: Voices
    subject: Subject
    likeness: Likeness
    _start_ms: int = 0
    _pieces: list[Floats] = field(default_factory=list)
    #: What was said, set by `finish`: None where there is no sound track.
    _heard: "_Heard | None" = None

    def see(self, frames: Sequence[Frame]) -> None:
        """Frames make no sound."""

    def hear(self, sound: Sound) -> None:
        """Keep the next piece. Raises DetectorError when it does not follow on the one before."""
        if not self._pieces:
            self._start_ms = sound.start_ms
        elif abs(self._ms(sum(map(len, self._pieces))) - sound.start_ms) > 1:
            raise DetectorError("a piece of the sound is missing")
        self._pieces.append(sound.samples.copy())

    def finish(self) -> Findings:
        """Conclude. A clip without sound was not measured: silence that nobody listened to is no silence."""
        detector = self.detector
        if not self._pieces:
            note = "the clip has no sound track"
            return Findings(
                signals=(
                    Signal(name=SPEECH, state=State.NOT_MEASURED, model=detector.finder.model, note=note),
                    Signal(name=DISTANCE, state=State.NOT_MEASURED, model=detector.encoder.model, note=note),
                )
            )
        samples = np.concatenate(self._pieces)
        self._pieces = []
        speech = stretches(detector.finder.likelihoods(samples))
        self._heard = _Heard(
            shares=self._shares(len(samples), speech),
            speech=tuple(speech),
            utterances=self._utterances(samples, speech),
        )
        return self._told(self._heard, self.likeness)

    def again(self, subject: Subject) -> Findings | None:
        """See `base.ComparesAgain`. None where there is speech that nobody compared, and somebody is registered now."""
        if self._heard is None:
            return self.finish()
        likeness = self.detector.likeness(subject.voices)
        unheard = self._heard.utterances is None and self._heard.speech
        return None if unheard and not likeness.empty else self._told(self._heard, likeness)

    def describe(self, into: Description) -> Description:
        """See `descriptions.Describing`. Where there is no sound track, nobody speaks."""
        if self._heard is None:
            return replace(into, speech=())
        if self._heard.utterances is None and self._heard.speech:
            return into
        none = np.empty((0, DIMENSION), np.float32)
        speech = [DescribedSpeech(start=each.start, end=each.end, windows=none) for each in self._heard.speech]
        pieces = [
            DescribedSpeech(start=each.stretch.start, end=each.stretch.end, windows=each.windows)
            for each in self._heard.utterances or ()
        ]
        return replace(into, speech=speech, pieces=pieces)

    def take_up(self, speech: Sequence[DescribedSpeech], pieces: Sequence[DescribedSpeech]) -> Findings:
        """Conclude from speech that was read before."""
        heard = _Heard(
            shares=(),
            speech=tuple(Stretch(start=each.start, end=each.end) for each in speech),
            utterances=tuple(
                Utterance(stretch=Stretch(start=each.start, end=each.end), windows=each.windows) for each in pieces
            ),
        )
        return self._told(heard, self.likeness)

    def _utterances(self, samples: Floats, speech: Sequence[Stretch]) -> tuple[Utterance, ...] | None:
        if self.likeness.empty and not self.subject.described:
            return None
        return self.detector.encoder.utterances(samples, speech) if speech else ()

    def _told(self, heard: "_Heard", likeness: Likeness) -> Findings:
        """Compare the speakers with a gallery, and tell what was found."""
        finder, encoder = self.detector.finder.model, self.detector.encoder.model
        distances, voices = self._compare(heard, likeness)
        return Findings(
            signals=(
                Signal(name=SPEECH, state=State.MEASURED, model=finder, samples=heard.shares),
                Signal(name=DISTANCE, state=State.MEASURED, model=encoder, samples=distances, note=likeness.note),
            ),
            voices=voices,
        )

    def _ms(self, sample: int) -> int:
        return self._start_ms + sample * 1000 // SOUND_RATE

    def _shares(self, count: int, speech: Sequence[Stretch]) -> tuple[Sample, ...]:
        """Return which share of each quarter of a second is speech; 0 before the sound begins and after it ends."""
        inside = np.zeros(-(-count // STEP), bool)
        for stretch in speech:
            inside[stretch.start // STEP : stretch.end // STEP] = True
        shares = [(self._ms(at * STEP), float(inside[at : at + _GRID].mean())) for at in range(0, len(inside), _GRID)]
        before = [(0, 0.0)] if self._start_ms > 0 else []
        after = [(self._ms(count), 0.0)] if self._ms(count) < self.subject.duration_ms else []
        return tuple(
            Sample(time_ms=max(0, time_ms), value=quantise(share)) for time_ms, share in (*before, *shares, *after)
        )

    def _compare(self, heard: "_Heard", likeness: Likeness) -> tuple[tuple[Sample, ...], tuple[Voice, ...]]:
        """Return the distance of each piece's speaker to the nearest registered voice, and the speakers."""
        speech, utterances = heard.speech, heard.utterances or ()
        if likeness.empty or not speech:
            return (), ()
        speakers: dict[int, list[Utterance]] = {}
        for number, utterance in zip(group(utterances), utterances, strict=True):
            speakers.setdefault(number, []).append(utterance)
        voices, found = [], []
        for number, said in speakers.items():
            nearest, voice = self._voice(number, said, likeness)
            voices.append(voice)
            if nearest is not None:
                found += [Sample(time_ms=self._start(piece.stretch), value=nearest) for piece in said]
        short = [stretch for stretch in speech if stretch.length < SHORTEST]
        if not voices and short:
            voices.append(Voice(number=0, state=VoiceState.UNREAD, segments=self._segments(short)))
        return tuple(sorted(found, key=lambda sample: sample.time_ms)), tuple(voices)

    def _voice(self, number: int, said: Sequence[Utterance], likeness: Likeness) -> tuple[float | None, Voice]:
        """Return a speaker's distance to the nearest person, and the speaker with all who are near."""
        windows = np.concatenate([utterance.windows for utterance in said])
        pieces = [utterance.vector for utterance in said if len(utterance.windows) >= MATCH_WINDOWS]
        whole, *parts = likeness.distances(np.stack([mean_vector(windows), *pieces]))
        matches = conclude(whole, parts, likeness.lines, clear=len(windows) >= MATCH_WINDOWS)
        state = matches[0].state if matches else VoiceState.UNMATCHED
        segments = self._segments([utterance.stretch for utterance in said])
        return min(whole.values(), default=None), Voice(number=number, state=state, segments=segments, matches=matches)

    def _start(self, stretch: Stretch) -> int:
        return max(0, self._ms(stretch.start))

    def _segments(self, found: Sequence[Stretch]) -> tuple[tuple[int, int], ...]:
        """Return stretches in milliseconds, joined over short pauses; none is before the first frame."""
        joined: list[tuple[int, int]] = []
        for stretch in found:
            start, end = self._start(stretch), self._ms(stretch.end)
            if joined and start - joined[-1][1] <= _PAUSE_MS:
                joined[-1] = (joined[-1][0], end)
            elif end > start:
                joined.append((start, end))
        return tuple(joined)


def conclude(
    whole: Mapping[str, float], pieces: Sequence[Mapping[str, float]], lines: Lines, *, clear: bool
) -> tuple[VoiceMatch, ...]:
    """Return who a speaker may be, the matched before the possible, nearest first.

    Matched: all of the speaker's speech together is below the match line, `clear` says that it is enough, and the
    gallery is not larger than the model is fit for. Possible: it is below the outer line, or a single piece is below
    the match line, as when two speakers were taken for one. `whole` and `pieces` hold distances by person.
    """
    nearest: dict[str, float] = {}
    for piece in pieces:
        for person, distance in piece.items():
            nearest[person] = min(distance, nearest.get(person, math.inf))
    close = {person: distance for person, distance in nearest.items() if distance < lines.match}
    found = []
    for person, distance in {**close, **{p: d for p, d in whole.items() if d < lines.possible}}.items():
        certain = clear and lines.fit and whole.get(person, math.inf) < lines.match
        state = VoiceState.MATCHED if certain else VoiceState.POSSIBLE
        found.append(VoiceMatch(person=person, distance=distance, state=state))
    return tuple(sorted(found, key=lambda m: (m.state is not VoiceState.MATCHED, m.distance, m.person)))
