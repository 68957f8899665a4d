"""Where speech is in a sound track, by Silero's network. Tells speech from the rest; knows nothing of whose it is."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import SOUND_RATE, DetectorError
from detectors.manifests import Manifest
from detectors.runtime import Device, Session

Floats = NDArray[np.float32]

MODEL: Final = "silero_vad"

#: The network's step and the sound it remembers from the step before, in samples of 16 kHz.
STEP: Final = 512
_CONTEXT: Final = 64
_MEMORY: Final = 128
#: Steps of one run, about 16 seconds: bounds memory whatever the clip's length.
_BLOCK: Final = 512

#: Speech begins at a step this likely to be speech and ends when `MIN_SILENCE` steps in a row are below `END`.
BEGIN: Final = 0.50
END: Final = 0.35
MIN_SILENCE: Final = 4
#: Speech shorter than this many steps (0.26 s) is a click or a breath.
MIN_SPEECH: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Samples `start` to `end`, exclusive."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class SpeechFinder:
    """Silero's voice activity network, in the form that takes many steps at once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.model = session.model

    @classmethod
    def load(cls, manifest: Manifest, *, device: Device = "cpu") -> Self:
        """Load the weights from a pack. Raises DetectorUnavailable when that is not possible."""
        return cls(Session.open(manifest, MODEL, device=device))

    def likelihoods(self, samples: Floats) -> Floats:
        """Return how likely each step of 512 samples is speech, float32 [ceil(n / 512)], for mono 16 kHz sound.

        Every step is seen with the last 64 samples before it, and the network's memory runs through the whole track.
        Raises DetectorError when the network fails.
        """
        steps = -(-len(samples) // STEP)
        padded = np.zeros(_CONTEXT + steps * STEP, np.float32)
        padded[_CONTEXT : _CONTEXT + len(samples)] = samples
        hidden = cell = np.zeros((1, 1, _MEMORY), np.float32)
        found = np.empty(steps, np.float32)
        for first in range(0, steps, _BLOCK):
            last = min(first + _BLOCK, steps)
            views = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + STEP)[first * STEP : last * STEP : STEP]
            answer = self._session.run_many({"input": np.ascontiguousarray(views), "h": hidden, "c": cell})
            found[first:last] = answer["speech_probs"].reshape(-1)
            hidden, cell = answer["hn"], answer["cn"]
        if not np.isfinite(found).all():
            raise DetectorError(f"{MODEL} gave something that is no likelihood")
        return found


def stretches(likelihoods: Floats) -> tuple[Stretch, ...]:
    """Return where speech is, in order, in samples: hysteresis between `BEGIN` and `END`, short pauses bridged."""
    found: list[Stretch] = []
    start: int | None = None
    quiet = 0
    for step, value in enumerate([*likelihoods.tolist(), *[0.0] * MIN_SILENCE]):
        if start is None:
            start, quiet = (step, 0) if value >= BEGIN else (None, 0)
            continue
        quiet = quiet + 1 if value < END else 0
        if quiet == MIN_SILENCE:
            end = step + 1 - quiet
            if end - start >= MIN_SPEECH:
                found.append(Stretch(start=start * STEP, end=end * STEP))
            start = None
    return tuple(found)


def drawn_vowel(
    seconds: float, pitch: float = 120.0, formants: tuple[float, float, float] = (700, 1200, 2500)
) -> Floats:
    """Return a vowel-like sound made by rule, float32 [n] at 16 kHz: a pulse train through three resonances.

    After Klatt (1980); nobody's voice, the same on every machine up to rounding.
    """
    count = round(seconds * SOUND_RATE)
    time = np.arange(count) / SOUND_RATE
    # A falling pitch and a syllable's rise and fall, without which no network takes it for speech.
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.08 * np.sin(2 * np.pi * 2.3 * time))) / SOUND_RATE
    sound = np.zeros(count)
    for harmonic in range(1, int(4000 / pitch)):
        frequency = harmonic * pitch
        gain = sum(1 / (1 + ((frequency - centre) / 90) ** 2) for centre in formants) + 0.02
        sound += gain / harmonic**0.5 * np.sin(harmonic * phase)
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 4.0 * time)
    sound *= syllables
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)
