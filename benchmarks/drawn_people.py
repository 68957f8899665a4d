"""People drawn by program: grown faces with beards, glasses and grey hair, crowds of them, and teams at play.

Yields BGR uint8 frames [360, 640, 3]; the same seed gives the same frames. Draws no child and nobody who lives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from moderation.samples.footage import Picture

WIDTH, HEIGHT, FPS = 640, 360, 15
Colour = tuple[int, int, int]
Point = tuple[float, float]
_SKINS: Final[tuple[Colour, ...]] = ((178, 205, 238), (140, 176, 222), (98, 134, 190), (62, 88, 132), (44, 62, 96))
_HAIRS: Final[tuple[Colour, ...]] = ((28, 26, 30), (36, 58, 92), (60, 120, 180), (170, 172, 176), (214, 216, 220))
_GRASS: Final[Colour] = (66, 138, 74)
_WHITE: Final[Colour] = (236, 238, 240)
_DARK: Final[Colour] = (30, 30, 34)
#: Sub-pixel steps, so that slow motion does not jump.
_BITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """How somebody is drawn; `size` is the face's half height in pixels."""

    skin: Colour
    hair: Colour
    shirt: Colour
    size: float
    bearded: bool
    glasses: bool
    phase: float


def people(count: int, size: float, seed: int) -> list[Person]:
    """Draw lots for `count` people."""
    rng = np.random.default_rng(seed)
    return [
        Person(
            skin=_SKINS[int(rng.integers(len(_SKINS)))],
            hair=_HAIRS[int(rng.integers(len(_HAIRS)))],
            shirt=tuple(int(v) for v in rng.integers(40, 220, 3)),  # type: ignore[arg-type] # three of them
            size=float(size * rng.uniform(0.9, 1.1)),
            bearded=bool(rng.random() < 0.5),
            glasses=bool(rng.random() < 0.4),
            phase=float(rng.uniform(0, 2 * np.pi)),
        )
        for _ in range(count)
    ]


def portrait(count: int, seed: int) -> Iterator[Picture]:
    """One drawn face that speaks, blinks and sways."""
    (person,) = people(1, 120, seed)
    for number in range(count):
        frame = _ground(seed)
        _draw_person(frame, person, (WIDTH / 2, HEIGHT * 0.48), number / FPS)
        yield frame


def crowd(count: int, seed: int, rows: int) -> Iterator[Picture]:
    """`rows` rows of drawn people before a coloured ground, nodding."""
    size = HEIGHT / (rows * 2.9)
    per_row = int(WIDTH / (size * 2.1))
    drawn = people(rows * per_row, size, seed)
    for number in range(count):
        frame = _ground(seed)
        for place, person in enumerate(drawn):
            row, column = divmod(place, per_row)
            x = (column + 0.5 + 0.25 * (row % 2)) * WIDTH / per_row
            _draw_person(frame, person, (x, (row + 0.55) * HEIGHT / rows), number / FPS)
        yield frame


def match(count: int, seed: int) -> Iterator[Picture]:
    """Two drawn teams running after a ball on grass, seen from the stand."""
    rng = np.random.default_rng(seed)
    starts, speeds = rng.uniform((60, 110), (580, 310), (14, 2)), rng.uniform(-46, 46, (14, 2))
    shirts: tuple[Colour, Colour] = ((40, 40, 200), (210, 150, 40))
    for number in range(count):
        time = number / FPS
        frame = _pitch(number)
        for place, (start, speed) in enumerate(zip(starts, speeds, strict=True)):
            x, y = start + speed * time
            _draw_player(frame, (float(x), float(y)), shirts[place % 2], _SKINS[place % len(_SKINS)], time + place)
        ball = (320 + 210 * np.sin(time * 1.4 + seed), 205 + 60 * np.cos(time * 2.1))
        _disc(frame, ball, 5, _WHITE)
        yield frame


def race(count: int, seed: int) -> Iterator[Picture]:
    """Drawn runners on lanes, with faces large enough to be found."""
    drawn = people(5, 26, seed)
    for number in range(count):
        time = number / FPS
        frame = np.full((HEIGHT, WIDTH, 3), (74, 92, 188), dtype=np.uint8)
        for lane, person in enumerate(drawn):
            y = (lane + 0.5) * HEIGHT / 5
            cv2.line(frame, (0, round(y + 34)), (WIDTH, round(y + 34)), _WHITE, 2)
            _draw_person(frame, person, (80 + (150 + 22 * lane) * time, y), time * 3)
        yield frame


def _ground(seed: int) -> Picture:
    rng = np.random.default_rng(seed + 1000)
    top, bottom = rng.uniform(90, 230, 3), rng.uniform(60, 200, 3)
    ramp = np.linspace(0, 1, HEIGHT)[:, None, None]
    # OpenCV draws into whole arrays in C order only.
    return np.ascontiguousarray(np.broadcast_to(top + (bottom - top) * ramp, (HEIGHT, WIDTH, 3)), dtype=np.uint8)


def _pitch(number: int) -> Picture:
    frame = np.full((HEIGHT, WIDTH, 3), _GRASS, dtype=np.uint8)
    frame[:, (np.arange(WIDTH) + number) // 64 % 2 == 0] = (58, 126, 66)
    frame[:84] = (120, 110, 104)
    cv2.rectangle(frame, (30, 96), (610, 340), _WHITE, 2)
    cv2.line(frame, (320, 96), (320, 340), _WHITE, 2)
    cv2.circle(frame, (320, 218), 48, _WHITE, 2)
    return frame


def _draw_person(frame: Picture, person: Person, at: Point, time: float) -> None:
    size = person.size
    x, y = (
        at[0] + size * 0.06 * np.sin(time * 1.7 + person.phase),
        at[1] + size * 0.05 * np.cos(time * 2 + person.phase),
    )
    _oval(frame, (x, y + size * 1.9), (size * 1.25, size * 1.0), person.shirt)
    _oval(frame, (x, y + size * 0.95), (size * 0.32, size * 0.5), _shade(person.skin, 0.85))
    _oval(frame, (x, y - size * 0.22), (size * 0.84, size * 0.98), person.hair)
    _oval(frame, (x, y), (size * 0.72, size), person.skin)
    _oval(frame, (x, y - size * 0.82), (size * 0.62, size * 0.3), person.hair)
    _draw_features(frame, person, (x, y), time)


def _draw_features(frame: Picture, person: Person, at: Point, time: float) -> None:
    (x, y), size = at, person.size
    if person.bearded:
        _oval(frame, (x, y + size * 0.68), (size * 0.52, size * 0.36), person.hair)
    open_eyes = 0.02 if np.sin(time * 2.3 + person.phase) > 0.97 else 0.09
    for side in (-1, 1):
        eye = (x + side * size * 0.3, y - size * 0.15)
        _oval(frame, eye, (size * 0.15, size * open_eyes), _WHITE)
        _oval(frame, eye, (size * 0.06, size * min(open_eyes, 0.06)), _DARK)
        _oval(frame, (eye[0], eye[1] - size * 0.2), (size * 0.18, size * 0.035), person.hair)
        if person.glasses:
            _ring(frame, eye, size * 0.22, max(1, round(size * 0.04)))
    _oval(frame, (x, y + size * 0.15), (size * 0.09, size * 0.18), _shade(person.skin, 0.82))
    mouth = 0.04 + 0.05 * abs(np.sin(time * 5 + person.phase))
    _oval(frame, (x, y + size * 0.52), (size * 0.24, size * mouth), (70, 62, 150))


def _draw_player(frame: Picture, at: Point, shirt: Colour, skin: Colour, time: float) -> None:
    x, y = at
    stride = 6 * np.sin(time * 9)
    for side in (-1, 1):
        hip, foot = (round(x), round(y + 12)), (round(x + side * stride), round(y + 24))
        cv2.line(frame, hip, foot, skin, 3, cv2.LINE_AA)
    _oval(frame, (x, y + 4), (6, 10), shirt)
    _disc(frame, (x, y - 10), 5, skin)


def _shade(colour: Colour, share: float) -> Colour:
    return round(colour[0] * share), round(colour[1] * share), round(colour[2] * share)


def _oval(frame: Picture, at: Point, axes: Point, colour: Colour) -> None:
    scale = 1 << _BITS
    centre, half = (round(at[0] * scale), round(at[1] * scale)), (round(axes[0] * scale), round(axes[1] * scale))
    cv2.ellipse(frame, centre, half, 0, 0, 360, colour, -1, cv2.LINE_AA, _BITS)


def _ring(frame: Picture, at: Point, radius: float, thickness: int) -> None:
    scale = 1 << _BITS
    centre = (round(at[0] * scale), round(at[1] * scale))
    cv2.circle(frame, centre, round(radius * scale), _DARK, thickness, cv2.LINE_AA, _BITS)


def _disc(frame: Picture, at: Point, radius: float, colour: Colour) -> None:
    _oval(frame, at, (radius, radius), colour)
