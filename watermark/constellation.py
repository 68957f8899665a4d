"""The keyed waves looked for in a sheet's spectrum, under any affine map. Knows no frames, no time and no payload.

A map moves the waves' frequencies and turns their phases; loudness alone, wherever the map puts them, tells the map.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from watermark.spreading import ChipPlan
from watermark.whitening import Sheet

#: A spectrum is this much finer than its sheet can tell apart, so that no wave falls between two places.
_FINER = 2
#: Places of the spectrum over which its usual power is taken, and the most that one place may count.
_AROUND, _LOUDEST = 41, 9.0
#: Frequencies this near an axis belong to borders, captions and the encoder's blocks.
_AXIS = 3
#: Logarithmic step of sizes and step of angles: a third of what makes the waves fade over a frame of 16:9.
_STEP = 0.011
#: The original's short side in short sides of the copy: from a picture in a corner to a crop.
_SIZES = (0.28, 3.2)
#: Sides may be stretched against each other so far, and the picture turned so far (radians).
_STRETCH, _TURN = 2.1, 0.18
#: Beyond this share of the sheet's highest frequency nothing is left of a wave.
_HIGHEST = 0.92


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """How loud each frequency of a sheet is: float32 [down, across] in units of the usual power around it."""

    loudness: NDArray[np.float32]
    #: The same, flat, with one more row and column for what lies beyond the sheet's frequencies: it says nothing.
    padded: NDArray[np.float32]
    #: Power usual around each frequency, same shape.
    usual: NDArray[np.float32]
    #: Of the sheet: height and width.
    size: tuple[int, int]

    @classmethod
    def of(cls, sheet: Sheet) -> "Spectrum":
        """Take a levelled sheet [h, w]; of a complex one both turning senses are added."""
        height, width = sheet.shape
        shape = cv2.getOptimalDFTSize(_FINER * height), cv2.getOptimalDFTSize(_FINER * width)
        power = np.square(np.abs(np.fft.fft2(sheet.astype(np.complex64), shape))).astype(np.float32)
        if np.iscomplexobj(sheet):
            power = (power + np.roll(power[::-1, ::-1], (1, 1), (0, 1))) * np.float32(0.5)
        centred = np.fft.fftshift(power)
        usual = np.fft.ifftshift(cv2.blur(centred, (_AROUND, _AROUND), borderType=cv2.BORDER_REFLECT_101))
        floor = 1e-3 * float(np.median(usual)) + 1e-9
        loudness = np.where(usual > floor, np.minimum(power / (usual + floor), _LOUDEST), 1)
        loudness[:_AXIS], loudness[1 - _AXIS :], loudness[:, :_AXIS], loudness[:, 1 - _AXIS :] = 1, 1, 1, 1
        loudness = loudness.astype(np.float32)
        padded = np.pad(loudness, ((0, 1), (0, 1)), constant_values=1).reshape(-1)
        return cls(loudness, padded, (usual + floor).astype(np.float32), (height, width))

    def energies(self, maps: NDArray[np.float64], waves: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return how loud all waves [WAVES, 2] together are under each of some maps [maps, 2, 2]."""
        frequencies = maps.reshape(-1, 2) @ waves.T
        height, width = self.loudness.shape
        rows, columns = _bins(frequencies[::2], height), _bins(frequencies[1::2], width)
        return np.asarray(self.padded.take(rows * np.int32(width + 1) + columns).sum(axis=1), np.float32)

    def usual_at(self, frequencies: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the usual power at frequencies in cycles per pixel, [..., 2] down and across."""
        shape = np.array(self.usual.shape)
        down, across = np.moveaxis(np.rint(frequencies * shape).astype(np.intp) % shape, -1, 0)
        return np.asarray(self.usual[down, across], np.float32)

    def stretched(
        self, waves: NDArray[np.float64], sizes: NDArray[np.float64], mirror: float
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Try all maps that stretch along the axes only."""
        height, width = self.loudness.shape
        rows = _bins(np.outer(waves[:, 0], 1 / sizes), height) * np.int32(width + 1)
        columns = _bins(np.outer(waves[:, 1], mirror / sizes), width)
        most = int(np.log(_STRETCH) / _STEP)
        energies, diagonals = [], []
        for lag in range(-most, most + 1):
            down, over = slice(max(lag, 0), len(sizes) + min(lag, 0)), slice(max(-lag, 0), len(sizes) + min(-lag, 0))
            energies.append(self.padded.take(rows[:, down] + columns[:, over]).sum(axis=0))
            diagonals.append(np.stack([1 / sizes[down], mirror / sizes[over]], axis=1))
        return np.concatenate(energies), np.concatenate(diagonals)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """A map under which the waves are loud.

    `matrix` [2, 2] takes cycles per short side of the original, down and across, to cycles per pixel of the sheet.
    `energy` is in deviations from what all maps have.
    """

    matrix: NDArray[np.float64]
    energy: float


def per_short_side(plan: ChipPlan) -> NDArray[np.float64]:
    """Return a plan's waves in cycles per short side of the original, [WAVES, 2] down and across."""
    return np.asarray(plan.waves / plan.grade.field, np.float64)


def _sizes(short: int) -> NDArray[np.float64]:
    """Lengths in pixels that the original's short side may have."""
    return np.asarray(np.exp(np.arange(np.log(_SIZES[0]), np.log(_SIZES[1]), _STEP)) * short, np.float64)


@lru_cache(maxsize=8)
def _turned(short: int) -> NDArray[np.float64]:
    """Maps that turn and scale evenly, [maps, 2, 2]."""
    angles = np.arange(-_TURN, _TURN + _STEP, _STEP)
    grid = np.meshgrid(_sizes(short), angles[np.abs(angles) > _STEP / 2], [1.0, -1.0], indexing="ij")
    size, angle, mirror = (each.reshape(-1) for each in grid)
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    return np.stack([np.stack([cos, -sin * mirror], -1), np.stack([sin, cos * mirror], -1)], -2)


def _bins(frequencies: NDArray[np.float64], length: int) -> NDArray[np.int32]:
    """Return places in a spectrum, and its end for what lies beyond the highest frequency."""
    places = np.rint(frequencies * length) % length
    return np.where(np.abs(frequencies) < _HIGHEST / 2, places, length).astype(np.int32)


#: How the copy may have been turned by a quarter before all else.
_QUARTERS = (np.eye(2), np.array([[0.0, -1.0], [1.0, 0.0]]))


def guesses(spectrum: Spectrum, waves: NDArray[np.float64], most: int) -> tuple[list[Guess], int]:
    """Return the maps under which the waves [WAVES, 2] are loudest, refined, best first, and how many were tried.

    Each stands for two: a map and the same upside down, under which the waves are just as loud.
    """
    short = min(spectrum.size)
    families = [_turned(short)]
    energies = [np.concatenate([spectrum.energies(part, waves) for part in np.array_split(families[0], 4)])]
    for quarter, mirror in product(_QUARTERS, (1.0, -1.0)):
        energy, diagonals = spectrum.stretched(waves @ quarter.T, _sizes(short), mirror)
        families.append(diagonals[:, :, None] * quarter)
        energies.append(energy)
    maps, energy = np.concatenate(families), np.concatenate(energies)
    usual, deviation = float(energy.mean()), float(energy.std()) + 1e-9
    found = []
    for matrix in _apart(maps, energy, most):
        better, best = _refined(spectrum, waves, matrix)
        found.append(Guess(matrix=better, energy=(best - usual) / deviation))
    return sorted(found, key=lambda guess: -guess.energy), 2 * len(maps)


def _apart(maps: NDArray[np.float64], energy: NDArray[np.float32], most: int) -> Iterator[NDArray[np.float64]]:
    """Yield the best maps, none like another."""
    chosen: list[NDArray[np.float64]] = []
    top = np.argpartition(-energy, 40 * most)[: 40 * most]
    for at in top[np.argsort(-energy[top])]:
        size = np.linalg.norm(maps[at])
        if all(np.linalg.norm(maps[at] - other) > 2.5 * _STEP * size for other in chosen):
            chosen.append(maps[at])
            yield maps[at]
        if len(chosen) == most:
            return


@lru_cache(maxsize=1)
def _neighbours() -> NDArray[np.float64]:
    """Small changes of a map, [3 ** 4, 2, 2], each entry -1, 0 or 1."""
    return np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * 4, indexing="ij"), -1).reshape(-1, 2, 2)


def _refined(
    spectrum: Spectrum, waves: NDArray[np.float64], matrix: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Climb to the map around which the waves are loudest."""
    best = 0.0
    for step in (0.5, 0.5, 0.25):
        near = matrix + step * _STEP * np.sqrt(np.abs(np.linalg.det(matrix))) * _neighbours()
        energy = spectrum.energies(near, waves)
        at = int(energy.argmax())
        matrix, best = near[at], float(energy[at])
    return matrix, best
