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


def places(sync: NDArray[np.float32], untrimmed: NDArray[np.int8], sequences: NDArray[np.int8]) -> Iterator[Place]:
    """Yield no shift at all, and the likeliest shifts.

    `sync` is [windows, n, n], each window's correlation with the sync at every shift; `untrimmed` are the windows'
    polarities in a copy that starts where the clip did, `sequences` [starts, windows] those in others. A shift is
    judged on one map that adds the windows up under a sequence, in units of that map's own deviation: what stands
    still in the picture (or another deployment's mark) is in all windows alike, so windows must not be counted as
    independent witnesses.
    """
    found = {(0, 0): _judge(sync, untrimmed, (0, 0), 1)}
    for at in _promising(sync, untrimmed):
        follow = np.abs(_without_mean(sequences) @ sync[:, *at])
        best = _judge(sync, sequences[int(follow.argmax())], at, len(sequences) * sync[0].size)
        if at not in found or best.chance < found[at].chance:
            found[at] = best
    yield from found.values()


def _promising(sync: NDArray[np.float32], untrimmed: NDArray[np.int8]) -> set[tuple[int, int]]:
    """Shifts of high energy, with and without what stands still, and the best for an untrimmed copy."""
    coherent = np.tensordot(_without_mean(untrimmed), sync, 1)
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
    combined = np.tensordot(_without_mean(polarity), sync, 1)
    score = abs(float(combined[at])) / (float(combined.std()) + 1e-9)
    sign = 1.0 if combined[at] >= 0 else -1.0
    weights = _weights(sync[:, *at], sign * polarity.astype(np.float32))
    return Place(row=at[0], column=at[1], chance=min(1.0, choices * erfc(score / sqrt(2))), weights=weights)


def _weights(correlations: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far and with which sign each window counts: its strength, shrunk to that of all (empirical Bayes).

    Strength differs because encoders keep a pattern best in key frames; a sign may even be wrong, because they skip
    a change of polarity in a still picture. The correlations' own noise has a deviation of one.
    """
    along = correlations * expected
    spread = max(float(along.var()) - 1, 0.0)
    strength = along.mean() + spread / (1 + spread) * (along - along.mean())
    return _without_mean(np.asarray(expected * strength, np.float32))


def _without_mean(weights: NDArray[np.float32] | NDArray[np.int8]) -> NDArray[np.float32]:
    """Cancel what stands still, as far as weights of one sign allow."""
    n = weights.shape[-1]
    return np.asarray(weights - n / (n + 1) * weights.mean(axis=-1, keepdims=True), np.float32)
