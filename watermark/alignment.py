"""Where a field begins, and with which polarities: told by the keyed waves. Knows no frames and no payload."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import erfc, exp, sqrt
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from watermark.spreading import FIELD_TILES, PERIOD_MS, WAVES, ChipPlan

#: Amplitudes at the waves and, for the noise there, at frequencies beside them: complex64 [..., WAVES, 1 + BESIDE].
Heard: TypeAlias = NDArray[np.complex64]

BESIDE = 8
#: Frequencies beside a wave: not so near that it leaks into them, not so far that the picture has another power there.
_NEAR, _FAR = 3, 6
#: No wave counts more than so many times its noise: a picture's own texture may have just that frequency.
_LOUDEST = 3.0
#: Speeds at which a copy may be shown, and the steps in which its start within the polarities is looked for.
_SPEEDS = (1.0, 0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2, 1.25)
_START_STEP_MS = 125
#: Sequences and shifts that are looked at more closely.
_SEQUENCES, _SHIFTS = 3, 3
#: Where the field is about known: so many sequences, and shifts in pixels, are looked at.
_NEAR_SEQUENCES = 2
_AROUND = np.arange(-3, 4)
#: Waves as loud as this by chance at most tell enough for a closer look: it costs little, a miss costs the mark.
_WORTH_A_LOOK = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A shift of the field in pixels, the chance of it without a mark, and each window's share (with its sign)."""

    row: int
    column: int
    chance: float
    weights: NDArray[np.float32]


def listen(field: NDArray[np.float32], plan: ChipPlan, mirrored_width: int | None = None) -> Heard:
    """Return what is heard in a folded field [n, n]: complex64 [WAVES, 1 + BESIDE].

    Of the mirrored sheet when given the width that it had before it was folded.
    """
    return heard_in(np.fft.rfft2(field).astype(np.complex64), plan, mirrored_width)


def heard_in(spectrum: NDArray[np.complex64], plan: ChipPlan, mirrored_width: int | None = None) -> Heard:
    """Return what `listen` does, from the field's half spectrum [n, n / 2 + 1]."""
    down, across = np.moveaxis(_bins(plan), -1, 0)
    n = spectrum.shape[0]
    if mirrored_width is None:
        return _at(spectrum, down, across)
    turn = np.exp(-2j * np.pi * across * (mirrored_width - 1) / n).astype(np.complex64)
    return np.asarray(_at(spectrum, down, -across) * turn, np.complex64)


def _at(spectrum: NDArray[np.complex64], down: NDArray[np.intp], across: NDArray[np.intp]) -> Heard:
    """Read a half spectrum, which has no negative frequencies across, at frequencies of any sign."""
    sign = np.where(across < 0, -1, 1)
    read = spectrum[(sign * down) % spectrum.shape[0], np.abs(across)]
    return np.asarray(np.where(across < 0, read.conj(), read), np.complex64)


@lru_cache(maxsize=64)
def _bins(plan: ChipPlan) -> NDArray[np.intp]:
    """Frequencies that are listened to, [WAVES, 1 + BESIDE, 2]: the wave, and those beside it where nothing lies."""
    side = np.arange(-_FAR, _FAR + 1)
    steps = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    steps = steps[np.argsort(np.hypot(*steps.T), kind="stable")]
    both = np.concatenate([plan.waves, -plan.waves])
    chosen = []
    for wave in plan.waves:
        near = wave + steps
        clear = np.hypot(*np.moveaxis(near[:, None] - both[None], -1, 0)).min(axis=1) >= _NEAR
        silent = clear & (near % FIELD_TILES != 0).any(axis=1)
        chosen.append([wave, *np.resize(near[silent], (BESIDE, 2))])
    return np.array(chosen)


def sequences(times_ms: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the polarities that windows at these times may have, [choices, windows], each once but for its sign.

    The first is that of a copy that starts where the clip did and has its speed.
    """
    starts = np.arange(0, PERIOD_MS, _START_STEP_MS)
    clock = np.multiply.outer(np.array(_SPEEDS), times_ms)[:, None] + starts[None, :, None]
    signs = (1 - 2 * (clock.reshape(-1, len(times_ms)) // PERIOD_MS % 2)).astype(np.int8)
    _, first = np.unique(signs * signs[:, :1], axis=0, return_index=True)
    return np.asarray(signs[np.sort(first)], np.int8)


def places(heard: Heard, polarity: NDArray[np.int8], plan: ChipPlan, geometries: int = 1) -> Iterator[Place]:
    """Yield no shift at all, and the likeliest shifts; nothing where the waves are no louder than chance.

    `heard` is [windows, WAVES, 1 + BESIDE], `polarity` what `sequences` says of the windows, `geometries` how many
    others were looked at before this one. The noise is what lies beside the waves after the windows were added up:
    what stands still in the picture is in all windows alike, so windows must not be counted as independent witnesses.
    """
    loud = _loudness(_summed(without_mean(polarity), heard))
    energy = np.square(np.abs(loud)).sum(axis=-1)
    look = [at for at in np.argsort(-energy)[:_SEQUENCES] if _erlang(float(energy[at])) * len(polarity) < _WORTH_A_LOOK]
    if not look and _erlang(float(energy[0])) > _WORTH_A_LOOK:
        return
    map_ = agreement(loud[0], _expected(plan), plan)
    yield _judge(heard, polarity[0], plan, (0, 0), float(map_[0, 0]), geometries)
    for at in look:
        map_ = agreement(loud[at], _expected(plan), plan)
        choices = len(polarity) * map_.size * geometries
        for row, column in _peaks(map_):
            yield _judge(heard, polarity[at], plan, (row, column), float(map_[row, column]), choices)


def places_near(heard: Heard, polarity: NDArray[np.int8], plan: ChipPlan, choices: int) -> Iterator[Place]:
    """Yield how windows agree with a field that begins about where they do, under the likeliest polarities.

    `choices` is how many maps and shifts were looked at before this one.
    """
    loud = _loudness(_summed(without_mean(polarity), heard))
    scores = np.abs(np.real(loud * np.conj(_expected(plan))).sum(axis=-1))
    for at in np.argsort(-scores)[:_NEAR_SEQUENCES]:
        map_ = agreement(loud[at], _expected(plan), plan)
        near = np.abs(map_[np.ix_(_AROUND, _AROUND)])
        row, column = divmod(int(near.argmax()), len(_AROUND))
        shift = int(_AROUND[row]) % len(map_), int(_AROUND[column]) % len(map_)
        yield _judge(heard, polarity[at], plan, shift, float(map_[shift]), choices * len(polarity))


def _judge(
    heard: Heard, polarity: NDArray[np.int8], plan: ChipPlan, shift: tuple[int, int], score: float, choices: int
) -> Place:
    sign = 1.0 if score >= 0 else -1.0
    each = np.real(_loudness(heard) * np.conj(_expected(plan, shift))).sum(axis=-1) / sqrt(WAVES / 2)
    weights = _weights(each.astype(np.float32), (sign * polarity).astype(np.float32))
    chance = min(1.0, choices * erfc(abs(score) / sqrt(2)))
    return Place(row=shift[0], column=shift[1], chance=chance, weights=weights)


def _summed(weights: NDArray[np.float32], heard: Heard) -> Heard:
    return np.tensordot(weights, heard, 1).astype(np.complex64)


def _loudness(heard: Heard) -> NDArray[np.complex64]:
    """Return the waves in units of the noise beside them, [..., WAVES], none louder than a limit."""
    beside = np.square(np.abs(heard[..., 1:])).mean(axis=-1)
    # Noise changes slowly with length: the neighbours in length make the estimate firmer.
    padded = np.concatenate([beside[..., 2:0:-1], beside, beside[..., -2:-4:-1]], axis=-1)
    noise = sum(padded[..., i : i + WAVES] for i in range(5)) / 5
    loud = heard[..., 0] / np.sqrt(noise + 1e-12)
    return np.asarray(loud * np.minimum(1, _LOUDEST / (np.abs(loud) + 1e-9)), np.complex64)


def _expected(plan: ChipPlan, shift: tuple[int, int] = (0, 0)) -> NDArray[np.complex64]:
    """Return the phases that the waves have when the field begins at a shift; the first pixel's centre is half in."""
    turns = plan.waves @ (0.5 - np.array(shift)) / plan.grade.field_px
    return np.asarray(plan.phases * np.exp(2j * np.pi * turns), np.complex64)


def agreement(loud: NDArray[np.complex64], expected: NDArray[np.complex64], plan: ChipPlan) -> NDArray[np.float32]:
    """Return how well waves agree with what is expected at every shift of the field, [n, n].

    In deviations of what noise does, for waves in units of their noise.
    """
    n = plan.grade.field_px
    spectrum = np.zeros((n, n // 2 + 1), np.complex64)
    agreeing = loud * np.conj(expected)
    down, across = plan.waves.T
    sign = np.where(across < 0, -1, 1)
    spectrum[(sign * down) % n, np.abs(across)] = np.where(across < 0, agreeing.conj(), agreeing)
    return np.asarray(np.fft.irfft2(spectrum, (n, n)) * (n * n / 2 / sqrt(WAVES / 2)), np.float32)


def _peaks(map_: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield the highest places, of either sign, no two within two chips."""
    left = np.abs(map_)
    near = np.arange(-4, 5)
    for _ in range(_SHIFTS):
        row, column = divmod(int(left.argmax()), left.shape[1])
        yield row, column
        left[np.ix_((row + near) % left.shape[0], (column + near) % left.shape[1])] = 0


def _erlang(energy: float) -> float:
    """Return the probability that noise alone makes all waves together as loud as this."""
    term, total = 1.0, 1.0
    for i in range(1, WAVES):
        term *= energy / i
        total += term
    return min(1.0, total * exp(-energy))


def _weights(correlations: NDArray[np.float32], expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far and with which sign each window counts: its strength, shrunk to that of all (empirical Bayes).

    Strength differs because encoders keep a pattern best in key frames; a sign may even be wrong, because they skip
    a change of polarity in a still picture. The correlations' own noise has a deviation of one.
    """
    along = correlations * expected
    spread = max(float(along.var()) - 1, 0.0)
    strength = along.mean() + spread / (1 + spread) * (along - along.mean())
    return without_mean(np.asarray(expected * strength, np.float32))


def without_mean(weights: NDArray[np.float32] | NDArray[np.int8]) -> NDArray[np.float32]:
    """Cancel what stands still, as far as weights of one sign allow."""
    n = weights.shape[-1]
    return np.asarray(weights - n / (n + 1) * weights.mean(axis=-1, keepdims=True), np.float32)
