"""Clips drawn by program: shapes in motion over shaded ground. Shows nobody and nothing that a policy could mind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.samples.footage import Picture, Sound, write_footage

_SHAPES: Final = 7
_GRAIN_SEED_OFFSET: Final = 1
#: Corners of each drawn outline, in units of its radius.
_OUTLINES: Final[dict[str, int]] = {"disc": 48, "square": 4, "hexagon": 6, "triangle": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """An outline that sways around `centre` (shares of the picture) and turns."""

    corners: int
    centre: tuple[float, float]
    sway: tuple[float, float]
    phase: float
    #: Of the shorter side.
    radius: float
    turns: float
    colour: tuple[int, int, int]


def draw_clip(
    path: Path,
    *,
    seconds: float = 2,
    width: int = 640,
    height: int = 360,
    fps: int = 30,
    seed: int = 0,
    audio: Sound | None = None,
) -> None:
    """Write an MP4 of shapes in motion; width and height even. The same arguments give the same bytes."""
    write_footage(path, draw_pictures(int(seconds * fps), width, height, fps, seed), fps=fps, sound=audio)


def draw_pictures(count: int, width: int, height: int, fps: int, seed: int) -> Iterator[Picture]:
    """Draw `count` pictures: BGR uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    ground = _ground(rng, width, height)
    shapes = [_shape(rng) for _ in range(_SHAPES)]
    grain = _grain(np.random.default_rng(seed + _GRAIN_SEED_OFFSET), width, height)
    for number in range(count):
        time = number / fps
        picture = ground(time)
        for shape in shapes:
            _paint(picture, shape, time)
        yield np.clip(picture + grain, 0, 255).astype(np.uint8)


def _ground(rng: np.random.Generator, width: int, height: int) -> Callable[[float], NDArray[np.float32]]:
    """Soft clouds of two colours that drift; returns the ground at a time in seconds."""
    dark, light = rng.uniform(35, 90, 3), rng.uniform(140, 205, 3)
    coarse = rng.random((7, 12)).astype(np.float32)
    # Wider than the picture by a third, to drift without an edge.
    clouds = cv2.resize(coarse, (width * 4 // 3, height), interpolation=cv2.INTER_CUBIC)
    ramp = np.linspace(0.0, 0.35, height, dtype=np.float32)[:, None]
    share = np.clip(clouds * 0.65 + ramp, 0, 1)[:, :, None]
    painted = (dark + (light - dark) * share).astype(np.float32)

    def at(time: float) -> NDArray[np.float32]:
        shift = int((0.5 - 0.5 * np.cos(time * 0.5)) * (width // 3))
        return np.array(painted[:, shift : shift + width])

    return at


def _grain(rng: np.random.Generator, width: int, height: int) -> NDArray[np.float32]:
    """Give flat areas the fine texture that real footage has."""
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.9)
    return np.asarray(noise[:, :, None] * 5, dtype=np.float32)


def _shape(rng: np.random.Generator) -> _Shape:
    return _Shape(
        corners=list(_OUTLINES.values())[int(rng.integers(len(_OUTLINES)))],
        centre=(float(rng.uniform(0.12, 0.88)), float(rng.uniform(0.15, 0.85))),
        sway=(float(rng.uniform(0.03, 0.12)), float(rng.uniform(0.03, 0.1))),
        phase=float(rng.uniform(0, 2 * np.pi)),
        radius=float(rng.uniform(0.07, 0.19)),
        turns=float(rng.uniform(-0.15, 0.15)),
        colour=(int(rng.integers(30, 240)), int(rng.integers(30, 240)), int(rng.integers(30, 240))),
    )


def _paint(picture: NDArray[np.float32], shape: _Shape, time: float) -> None:
    height, width = picture.shape[:2]
    x = (shape.centre[0] + shape.sway[0] * np.sin(time * 1.3 + shape.phase)) * width
    y = (shape.centre[1] + shape.sway[1] * np.cos(time * 1.1 + shape.phase)) * height
    radius = shape.radius * min(width, height)
    angles = 2 * np.pi * (np.arange(shape.corners) / shape.corners + shape.turns * time)
    outline = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    _fill(picture, outline + radius * 0.12, tuple(channel * 0.35 for channel in shape.colour))
    _fill(picture, outline, shape.colour)
    inner = np.array([x, y]) + (outline - np.array([x, y])) * 0.55 - radius * 0.08
    _fill(picture, inner, tuple(min(255.0, channel * 1.25 + 18) for channel in shape.colour))


def _fill(picture: NDArray[np.float32], outline: NDArray[np.float64], colour: tuple[float, ...]) -> None:
    # Eighths of a pixel, so that slow motion does not jump.
    cv2.fillPoly(picture, [np.round(outline * 8).astype(np.int32)], colour, cv2.LINE_8, 3)
