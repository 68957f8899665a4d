"""From a guessed map to an exact one: the waves' phases in parts of a sheet. Knows no frames, no time, no payload."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from watermark.alignment import agreement
from watermark.constellation import Guess, Spectrum, per_short_side
from watermark.spreading import WAVES, ChipPlan
from watermark.whitening import Sheet

#: Parts of a sheet whose phases are taken one by one, down and across.
_PARTS = (3, 4)
#: No wave counts more than so many times its noise.
_LOUDEST = 3.0
#: Noise agrees as much as 4.2 somewhere on the field; what agrees less than this is not looked at more closely.
_WORTH_CLIMBING = 4.3
#: After a first climb noise reaches 6; what stays below this is no mark.
_WORTH_GOING_ON = 5.5
#: Steps of the climb in short sides of the original, and how often each is gone at most.
_STEPS = (0.008, 0.004, 0.002, 0.001)
_MOVES = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """An exact map from a sheet to the original, and how sure it is.

    `affine` [2, 3] takes (down, across, 1) in pixels of the sheet, (0, 0) its corner, to short sides of the original
    from where a field begins; `bend` [2] makes it projective: shares by which a half sheet grows down and across.
    `score` is the agreement of all waves in deviations of noise; `turn` the phase of a sheet that was summed with
    complex weights.
    """

    affine: NDArray[np.float64]
    bend: NDArray[np.float64]
    score: float
    turn: float = 0.0

    def homography(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """Return the map as a projective matrix [3, 3] over (down, across, 1), for a sheet of this size."""
        half = np.array(size) / 2
        from_middle = np.array([[half[0], 0, half[0]], [0, half[1], half[1]], [0, 0, 1]])
        bend = np.eye(3)
        bend[2, :2] = -self.bend
        return np.asarray(np.vstack([self.affine, [0, 0, 1]]) @ from_middle @ bend @ np.linalg.inv(from_middle))


def register(sheet: Sheet, spectrum: Spectrum, plan: ChipPlan, guess: Guess) -> Registration:
    """Find the exact map near a guess or near that map upside down, for a levelled sheet [h, w] and its spectrum."""
    affine = np.column_stack([guess.matrix.T, [0.0, 0.0]])
    parts, turn = _heard(sheet, spectrum, plan, affine)
    found, parts = _shifted(parts, plan, affine)
    if found.score < _WORTH_CLIMBING:
        return found
    found = replace(_climb(parts, plan, found, sheet.shape), turn=turn)
    if found.score < _WORTH_GOING_ON:
        return found
    parts, turn = _heard(sheet, spectrum, plan, found.affine)
    return replace(_climb(parts, plan, found, sheet.shape), turn=turn)


def _heard(
    sheet: Sheet,
    spectrum: Spectrum,
    plan: ChipPlan,
    affine: NDArray[np.float64],
) -> tuple[NDArray[np.complex64], float]:
    """Return the waves in each part of a sheet [parts, WAVES], in units of the whole sheet's noise, and their turn."""
    frequencies = per_short_side(plan) @ affine[:, :2]
    noise = np.sqrt(spectrum.usual_at(frequencies))
    real = np.asarray(_by_parts(sheet.real, frequencies) / noise, np.complex64)
    if not np.iscomplexobj(sheet):
        return real, 0.0
    imaginary = _by_parts(sheet.imag, frequencies) / noise
    whole, other = real.sum(axis=0), imaginary.sum(axis=0)
    turn = 0.5 * float(np.angle(((whole + 1j * other) * np.conj(whole - 1j * other)).sum()))
    # A real sheet has twice the power of each of its parts' noise.
    return np.asarray(sqrt(2) * (np.cos(turn) * real + np.sin(turn) * imaginary), np.complex64), turn


def _by_parts(sheet: NDArray[np.float32], frequencies: NDArray[np.float64]) -> NDArray[np.complex64]:
    """Return each part's Fourier sums at the frequencies, phases counted from the sheet's corner."""
    rows = np.array_split(np.arange(sheet.shape[0]), _PARTS[0])
    columns = np.array_split(np.arange(sheet.shape[1]), _PARTS[1])
    down = np.exp(-2j * np.pi * np.outer(np.arange(sheet.shape[0]) + 0.5, frequencies[:, 0])).astype(np.complex64)
    across = np.exp(-2j * np.pi * np.outer(np.arange(sheet.shape[1]) + 0.5, frequencies[:, 1])).astype(np.complex64)
    both = np.ascontiguousarray(np.concatenate([across.real, across.imag], axis=1))
    parts = []
    for some in columns:
        sums = np.ascontiguousarray(sheet[:, some[0] : some[-1] + 1]) @ both[some[0] : some[-1] + 1]
        turned = (sums[:, :WAVES] + 1j * sums[:, WAVES:]) * down
        parts.append([turned[some_rows[0] : some_rows[-1] + 1].sum(axis=0) for some_rows in rows])
    return np.asarray(parts, np.complex64).swapaxes(0, 1).reshape(-1, WAVES)


def _shifted(
    parts: NDArray[np.complex64], plan: ChipPlan, affine: NDArray[np.float64]
) -> tuple[Registration, NDArray[np.complex64]]:
    """Find the shift under which the waves of the whole sheet agree, upright or upside down: they are as loud in both.

    Returns the parts' waves as they are heard under the map found.
    """
    heard = {1.0: parts, -1.0: parts.conj()}
    maps = {sign: np.abs(agreement(_bounded(each.sum(axis=0)), plan.phases, plan)) for sign, each in heard.items()}
    sign = max(maps, key=lambda one: float(maps[one].max()))
    at = np.array(divmod(int(maps[sign].argmax()), maps[sign].shape[1]))
    moved = np.column_stack([sign * affine[:, :2], -plan.grade.field * at / len(maps[sign])])
    return Registration(affine=moved, bend=np.zeros(2), score=float(maps[sign].max())), heard[sign]


def _bounded(waves: NDArray[np.complex64]) -> NDArray[np.complex64]:
    return np.asarray(waves * np.minimum(1, _LOUDEST / (np.abs(waves) + 1e-9)), np.complex64)


def _climb(parts: NDArray[np.complex64], plan: ChipPlan, start: Registration, size: tuple[int, ...]) -> Registration:
    """Climb over shift, stretch, turn and bend to where the parts agree best."""
    frequencies = per_short_side(plan)
    limit = np.minimum(1, _LOUDEST / (np.abs(parts.sum(axis=0)) + 1e-9))
    parts = np.asarray(parts * limit * np.conj(plan.phases), np.complex64)
    grid = list(product(*(2 * (np.arange(n) + 0.5) / n - 1 for n in _PARTS)))
    places = np.array(grid)  # the parts' middles, -1 to 1
    reach = places * np.array(size[:2]) / 2 @ start.affine[:, :2].T  # from the middle, in short sides
    shapes = np.stack(list(_shapes(places, reach)))  # [8, parts, 2]
    middle = start.affine @ (size[0] / 2, size[1] / 2, 1)

    def scores(amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        moved = start.affine[:, 2] + np.tensordot(amounts, shapes, 1)  # [choices, parts, 2]
        turns = (2 * np.pi * (moved @ frequencies.T)).astype(np.float32)
        agreeing = parts.real * np.cos(turns) + parts.imag * np.sin(turns)
        return np.asarray(np.abs(agreeing.sum(axis=(1, 2))), np.float64)

    ways = np.concatenate([np.eye(len(shapes)), -np.eye(len(shapes))])
    amounts = np.zeros(len(shapes))
    best = float(scores(amounts[None])[0])
    for step in _STEPS:
        for _ in range(_MOVES):
            tried = amounts + step * ways
            better = scores(tried)
            if better.max() <= best:
                break
            amounts, best = tried[int(better.argmax())], float(better.max())
    return _applied(start, amounts, size, middle, best / sqrt(WAVES / 2))


def _shapes(places: NDArray[np.float64], reach: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """How the parts [parts, 2] move in a shift, a stretch or turn, and a bend."""
    for axis in (0, 1):
        unit = np.eye(2)[axis]
        yield np.broadcast_to(unit, places.shape)
        yield places[:, :1] * unit
        yield places[:, 1:] * unit
    yield places[:, :1] * reach
    yield places[:, 1:] * reach


def _applied(
    start: Registration,
    amounts: NDArray[np.float64],
    size: tuple[int, ...],
    middle: NDArray[np.float64],
    score: float,
) -> Registration:
    """Add what the climb found to the map: moves of the sheet's middle and slopes over its half sides."""
    by_axis = amounts[:6].reshape(2, 3)
    slopes = by_axis[:, 1:] / (np.array(size[:2]) / 2)
    linear = start.affine[:, :2] + slopes
    moved = middle + by_axis[:, 0]
    shift = moved - linear @ (np.array(size[:2]) / 2)
    return Registration(affine=np.column_stack([linear, shift]), bend=amounts[6:], score=score)
