"""How loud a sound track is, as one number for each tenth of a second. Tells nothing of what is heard."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from watermark.listening import RATE, Heard

STEP_MS: Final = 100
#: What silence is written as, in decibels below full scale.
SILENCE_DB: Final = -60


def loudness(heard: Heard | None, duration_ms: int) -> list[int]:
    """Root mean square of each step in whole decibels of full scale, -60 to 0, from the first displayed frame on.

    Nothing for a clip without sound; where the track begins late or ends early the steps are silent.
    """
    if heard is None:
        return []
    count, step = -(-duration_ms // STEP_MS), RATE * STEP_MS // 1000
    track = np.zeros(count * step, np.float32)
    offset = heard.start_ms * RATE // 1000
    samples = heard.samples[max(0, -offset) :][: max(0, len(track) - max(0, offset))]
    track[max(0, offset) : max(0, offset) + len(samples)] = samples
    power: NDArray[np.float64] = np.square(track.reshape(count, step), dtype=np.float64).mean(axis=1)
    return [int(each) for each in np.clip(np.round(10 * np.log10(power + 1e-12)), SILENCE_DB, 0)]
