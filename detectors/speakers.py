"""Tell speakers apart: a vector for each window of speech, and which stretches sound like one voice.

Vectors are biometric: they never leave the detect process, but for those of enrolled people, which are sealed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import SOUND_RATE, DetectorError
from detectors.centre import CENTRE
from detectors.hearing import Floats, Stretch
from detectors.manifests import Manifest
from detectors.runtime import Device, Session

MODEL: Final = "dvector_lite"
DIMENSION: Final = 256

_FFT: Final = 512
_TAPER: Final = 400
_HOP: Final = 160
_MELS: Final = 40
_FRAMES: Final = 80
_FLOOR: Final = 1e-10
#: Samples that one window of the network covers: 0.82 s.
WINDOW: Final = _FFT + (_FRAMES - 1) * _HOP
#: Windows lie at most this far apart: side by side when comparing, half over one another when enrolling.
STRIDE: Final = 12_800
ENROLMENT_STRIDE: Final = 6_400
#: A shorter stretch of speech holds too little of a voice.
SHORTEST: Final = SOUND_RATE // 2
#: Speech is brought to this level first: the network's vectors move far with loudness: cosine 0.49 at -34 dB.
LEVEL: Final = 0.1
_FAINTEST: Final = 1e-4
#: Windows a run takes at once.
_BATCH: Final = 16
#: Windows that make one piece: what is assigned to a speaker as a whole, 2.5 s.
_PIECE: Final = 3
#: Pieces nearer than this (L2 of unit vectors) are one speaker. A clip has at most so many speakers told apart.
SAME_SPEAKER: Final = 1.0
_MAX_SPEAKERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A piece of speech: where it is, in samples, and the vectors [n, 256] of its windows."""

    stretch: Stretch
    windows: Floats

    @property
    def vector(self) -> Floats:
        """The unit vector of the whole piece."""
        return mean_vector(self.windows)


def mean_vector(vectors: Floats) -> Floats:
    """Return the mean of windows' vectors [n, 256] as a unit vector, float32 [256]."""
    mean = vectors.astype(np.float64).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def log_mels(samples: Floats) -> Floats:
    """Return the network's features of mono 16 kHz sound: float32 [frames, 40], log10 of mel power.

    512-point power spectra every 10 ms under a centred 400-point Hamming taper, no padding; 40 triangular filters of
    equal area on Slaney's mel scale (Auditory Toolbox, 1998), floor 1e-10: what the network was trained on.
    """
    framed = np.lib.stride_tricks.sliding_window_view(samples, _FFT)[::_HOP] * _TAPERED
    power = np.abs(np.fft.rfft(framed, axis=1)) ** 2
    return np.log10(power @ _FILTERS + _FLOOR).astype(np.float32)


class SpeakerEncoder:
    """The d-vector network: 0.82 s of speech to a vector; equal voices lie near."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.model = session.model

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load the weights from a pack. Raises DetectorUnavailable when that is not possible."""
        return cls(Session.open(manifest, MODEL, device=device))

    def utterances(self, samples: Floats, speech: Sequence[Stretch], stride: int = STRIDE) -> tuple[Utterance, ...]:
        """Return the pieces of speech with their vectors, in order; stretches under `SHORTEST` are left out.

        `samples` is the whole track, mono 16 kHz. Windows go through the network in the track's own order and in
        batches of their own: its 8-bit arithmetic scales by the whole batch, so clips must never share one.
        Raises DetectorError when the network fails.
        """
        plan = [piece for stretch in speech if stretch.length >= SHORTEST for piece in _pieces(stretch, stride)]
        places = [(stretch, start) for _, stretch, starts in plan for start in starts]
        vectors = self.encode([_window(samples, stretch, start) for stretch, start in places])
        found, used = [], 0
        for piece, _, starts in plan:
            found.append(Utterance(stretch=piece, windows=vectors[used : used + len(starts)]))
            used += len(starts)
        return tuple(found)

    def encode(self, windows: Sequence[Floats]) -> Floats:
        """Return vectors, float32 [n, 256], of windows of features, float32 [80, 40] each.

        Of unit length first, as the network was trained, then seen from the centre of all voices: measured on 13,640
        pairs that takes rejections at 0.1 % false acceptance from 5 % to 2 %.
        """
        vectors = np.empty((len(windows), DIMENSION), np.float32)
        for start in range(0, len(windows), _BATCH):
            batch = np.stack(windows[start : start + _BATCH])
            (answer,) = self._session.run(batch).values()
            lengths = np.linalg.norm(answer, axis=1, keepdims=True)
            if answer.shape != (len(batch), DIMENSION) or not np.isfinite(answer).all() or not lengths.all():
                raise DetectorError(f"{MODEL} gave no vector")
            vectors[start : start + len(batch)] = answer / lengths - CENTRE
        return vectors


def _pieces(stretch: Stretch, stride: int) -> list[tuple[Stretch, Stretch, list[int]]]:
    """Cut a stretch into pieces of a few windows: the piece, the stretch, and where its windows start."""
    room = max(0, stretch.length - WINDOW)
    count = 1 + -(-room // stride)
    starts = [stretch.start + (room * index) // max(1, count - 1) for index in range(count)]
    if stretch.length < WINDOW:
        starts = [stretch.start - (WINDOW - stretch.length) // 2]
    parts = -(-count // _PIECE)
    groups = [starts[count * part // parts : count * (part + 1) // parts] for part in range(parts)]
    edges = [stretch.start, *[group[0] for group in groups[1:]], stretch.end]
    return [(Stretch(start=a, end=b), stretch, group) for (a, b), group in zip(pairwise(edges), groups, strict=True)]


def _window(samples: Floats, stretch: Stretch, start: int) -> Floats:
    """Features of one window at the common level; a window that leaves the track is filled with silence."""
    speech = samples[stretch.start : stretch.end].astype(np.float64)
    loudness = max(float(np.sqrt(np.mean(speech**2))), _FAINTEST)
    taken = np.zeros(WINDOW)
    first, last = max(start, 0), min(start + WINDOW, len(samples))
    taken[first - start : last - start] = samples[first:last]
    return log_mels(np.asarray(taken * (LEVEL / loudness), np.float32))


def group(utterances: Sequence[Utterance]) -> tuple[int, ...]:
    """Return a speaker's number for each piece, in order of first appearance.

    Leader clustering (Hartigan 1975), then one pass of reassignment to the centroids: linear in pieces, at most 16
    speakers; beyond that a piece joins the nearest.
    """
    vectors = [utterance.vector for utterance in utterances]
    weights = [len(utterance.windows) for utterance in utterances]
    sums: list[NDArray[np.float64]] = []
    # The longest pieces first: they make the best leaders.
    for index in sorted(range(len(vectors)), key=lambda i: (-weights[i], i)):
        distances = [_distance(vectors[index], total) for total in sums]
        if not sums or (min(distances) > SAME_SPEAKER and len(sums) < _MAX_SPEAKERS):
            sums.append(np.zeros(DIMENSION))
            distances.append(0.0)
        sums[int(np.argmin(distances))] += weights[index] * vectors[index].astype(np.float64)
    nearest = [int(np.argmin([_distance(vector, total) for total in sums])) for vector in vectors]
    order = {speaker: number for number, speaker in enumerate(dict.fromkeys(nearest))}
    return tuple(order[speaker] for speaker in nearest)


def _distance(vector: Floats, total: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(vector - total / max(float(np.linalg.norm(total)), 1e-12)))


def _mel(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear below 1 kHz, logarithmic above."""
    upper = 15.0 + 27.0 * np.log(np.maximum(frequency, 1.0) / 1000.0) / np.log(6.4)
    return np.where(frequency >= 1000.0, upper, frequency * 3.0 / 200.0)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel >= 15.0, 1000.0 * np.exp(np.log(6.4) / 27.0 * (mel - 15.0)), mel * 200.0 / 3.0)


def _make_filters() -> NDArray[np.float64]:
    """Return the filters, float64 [257, 40]."""
    lowest, highest = _mel(np.array([0.0, SOUND_RATE / 2]))
    edges = _hertz(np.linspace(float(lowest), float(highest), _MELS + 2))
    bins = np.linspace(0.0, SOUND_RATE / 2, _FFT // 2 + 1)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])


def _make_taper() -> NDArray[np.float64]:
    taper = np.zeros(_FFT)
    edge = (_FFT - _TAPER) // 2
    taper[edge : edge + _TAPER] = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(_TAPER) / _TAPER)
    return taper


_FILTERS: Final = _make_filters()
_TAPERED: Final = _make_taper()
