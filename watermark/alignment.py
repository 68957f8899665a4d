"""Where a folded tile begins, and with which polarities: told by the keyed sync. Knows no frames and no payload."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

#: Shifts of the highest energy that are looked at more closely.
_CLOSER = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A shift of the tile, the chance of seeing it without a mark, and each window's share (with its sign)."""

    row: int
    column: int
    chance: float
    weights: NDArray[np.float32]


def places(sync: NDArray[np.float32], polarities: NDArray[np.int8], worth: float) -> Iterator[Place]:
    """Yield the shifts whose chance is at most `worth`.

    `sync` is [windows, n, n], each window's correlation with the sync at every shift; `polarities` is
    [sequences, windows], the first being that of an untrimmed copy. A shift is judged on one map that adds the
    windows up under a sequence, in units of that map's own deviation: what stands still in the picture (or another
    deployment's mark) is in all windows alike, so windows must not be counted as independent witnesses.
    """
    sequences = np.unique(polarities, axis=0)
    found = {(0, 0): _judge(sync, polarities[0], (0, 0), 1)}
    for at in _promising(sync, polarities[0]):
        follow = np.abs(_static_free(sequences) @ sync[:, *at])
        best = _judge(sync, sequences[int(follow.argmax())], at, len(sequences) * sync[0].size)
        if at not in found or best.chance < found[at].chance:
            found[at] = best
    yield from (place for place in found.values() if place.chance <= worth)


def _promising(sync: NDArray[np.float32], polarity: NDArray[np.int8]) -> set[tuple[int, int]]:
    """Shifts of high energy, with and without what stands still, and the best for an untrimmed copy."""
    coherent = np.tensordot(_static_free(polarity), sync, 1)
    maps = [np.abs(coherent), np.square(sync).sum(axis=0)]
    if len(sync) > 1:
        maps.append(np.square(sync - sync.mean(axis=0)).sum(axis=0))
    return {at for energy in maps for at in _highest(energy)}


def _highest(energy: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    for flat in np.argpartition(energy.reshape(-1), -_CLOSER)[-_CLOSER:]:
        row, column = divmod(int(flat), energy.shape[1])
        yield row, column


def _judge(sync: NDArray[np.float32], polarity: NDArray[np.int8], at: tuple[int, int], choices: int) -> Place:
    """Say how likely the map that follows a polarity sequence is to peak here by chance, one of `choices` looked at."""
    combined = np.tensordot(_static_free(polarity), sync, 1)
    score = abs(float(combined[at])) / (float(combined.std()) + 1e-9)
    sign = 1.0 if combined[at] >= 0 else -1.0
    weights = _weights(sync[:, *at], sign * polarity.astype(np.float32))
    return Place(row=at[0], column=at[1], chance=min(1.0, choices * erfc(score / sqrt(2))), weights=weights)


def _static_free(signs: NDArray[np.int8]) -> NDArray[np.float32]:
    """Weights [..., windows] that follow the signs and cancel what stands still, as far as the signs allow."""
    n = signs.shape[-1]
    return np.asarray(signs - n / (n + 1) * signs.mean(axis=-1, keepdims=True), np.float32)


def _weights(correlations: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far and with which sign each window counts: what is expected of it, corrected by what its sync says.

    Encoders sometimes skip a change of polarity in a still picture; then the sync is right and the clock wrong.
    """
    strength = sqrt(max(float(np.square(correlations).mean()) - 1, 0.05))
    likely = np.tanh(strength * correlations + expected)
    n = len(likely)
    return np.asarray(likely - n / (n + 1) * likely.mean(), np.float32)
