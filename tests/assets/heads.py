"""Recordings for enrolment made at run time from one portrait: a head in relief that turns, speaks, or is held flat.

The relief is a drawn guess at a head's depth, not a person: what it shows is whether the checks follow a solid that
turns, and nothing of how real recordings fare. NASA's portrait only: the others may not be altered.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from moderation.samples.footage import Picture, Sound, write_footage
from moderation.samples.speech import speak

FPS: Final = 10
SIZE: Final = (320, 320)
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: Degrees of a turn, and seconds of each part of a performance.
YAW: Final = 40.0
_TURN_SECONDS: Final = 1.4
_LEAD_SECONDS: Final = 1.0

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A portrait cut to a square, where its points lie, and a depth in pixels for every pixel of it."""

    picture: Picture
    points: Floats
    depth: Floats


def cut_head(picture: Picture, points: Floats) -> Head:
    """Cut a portrait to its head and shoulders; `points` [5, 2] are a face's as YuNet gives them."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    size = float(np.linalg.norm(mouth - eyes))
    middle, side = (eyes + mouth) / 2, 5.2 * size
    scale = SIZE[0] / side
    matrix = np.array([[scale, 0, SIZE[0] / 2 - scale * middle[0]], [0, scale, SIZE[1] / 2 - scale * middle[1]]])
    cut = cast("Picture", cv2.warpAffine(picture, matrix, SIZE, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT))
    placed = np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)
    return Head(picture=cut, points=placed, depth=_relief(placed))


def _relief(points: Floats) -> Floats:
    """An ellipsoid of a head's proportions around the face, with a nose on it; zero at the eyes' plane."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    apart = float(np.linalg.norm(points[1] - points[0]))
    middle, tall = (eyes + mouth) / 2, float(np.linalg.norm(mouth - eyes))
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    x, y = (columns - middle[0]) / (1.25 * apart), (rows - middle[1]) / (2.0 * tall)
    skull = 1.3 * apart * (np.sqrt(np.clip(1 - x**2 - y**2, 0, 1)) - 0.8)
    nose = points[2]
    away = ((columns - nose[0]) / (0.16 * apart)) ** 2 + ((rows - nose[1]) / (0.30 * tall)) ** 2
    bump = 0.34 * apart * np.exp(-away / 2)
    inside = np.clip(4 * (1.15 - x**2 - y**2), 0, 1)
    return np.asarray(cv2.GaussianBlur((skull + bump) * inside, (0, 0), 3), np.float32)


def show(head: Head, yaw: float, opening: float = 0.0, sway: tuple[float, float] = (0.0, 0.0)) -> Picture:
    """The head turned by `yaw` degrees to its own left, mouth open by a share, moved by pixels."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32)
    middle = head.points[:2].mean(axis=0)
    turn = np.float32(np.sin(np.radians(yaw)))
    narrow = np.float32(np.cos(np.radians(yaw)))
    target = columns - np.float32(sway[0])
    source = target.copy()
    down = rows - np.float32(sway[1])
    # Where each pixel came from: the fixed point of x' = c + (x - c) cos t + z(x) sin t, found in a few steps.
    for _ in range(5):
        z = cv2.remap(head.depth, source, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        weight = np.clip((z + 0.9 * np.ptp(head.points[:, 0])) / (0.9 * np.ptp(head.points[:, 0])), 0, 1)
        turned = middle[0] + (target - middle[0] - z * turn) / (1 + weight * (narrow - 1))
        source = np.asarray(0.5 * source + 0.5 * turned, np.float32)
    down = _with_mouth(head, source, np.asarray(down, np.float32), opening)
    return cast("Picture", cv2.remap(head.picture, source, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))


def _with_mouth(head: Head, columns: Floats, rows: Floats, opening: float) -> Floats:
    mouth = head.points[3:].mean(axis=0)
    apart = float(np.linalg.norm(head.points[4] - head.points[3]))
    reach = np.exp(-(((columns - mouth[0]) / (0.6 * apart)) ** 2) - ((rows - mouth[1]) / (0.55 * apart)) ** 2)
    below = np.clip((rows - mouth[1] + 0.05 * apart) / (0.3 * apart), 0, 1)
    return np.asarray(rows - np.float32(0.28 * apart * opening) * reach * below, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Performance:
    """A score to act: at each frame the turn in degrees and the mouth, and the sound with it."""

    yaws: list[float]
    openings: list[float]
    sound: Sound


def rehearse(digits: Sequence[str], turns: Sequence[str], voices: Sequence[str], cache: Path) -> Performance:
    """Say groups of digits with voices of eSpeak NG, one after another in turn, and turn the head after each."""
    said = [_spoken(group, voices[number % len(voices)], cache) for number, group in enumerate(digits)]
    rate = said[0].rate
    sounds, yaws, openings = [np.zeros(int(_LEAD_SECONDS * rate), np.int16)], [0.0] * round(_LEAD_SECONDS * FPS), []
    openings = [0.0] * len(yaws)
    random = np.random.default_rng(7)
    for sound, turn in zip(said, turns, strict=True):
        sounds += [sound.samples, np.zeros(int(_TURN_SECONDS * rate), np.int16)]
        count = round(sum(map(len, sounds)) / rate * FPS) - len(yaws) - round(_TURN_SECONDS * FPS)
        openings += list(_speaking(sound, count))
        yaws += list(np.cumsum(random.normal(0, 0.25, count)))
        swing = np.sin(np.linspace(0, np.pi, round(_TURN_SECONDS * FPS))) * YAW * (1 if turn == "left" else -1)
        yaws += list(swing + random.normal(0, 0.3, len(swing)))
        openings += [0.0] * len(swing)
    return Performance(yaws=yaws, openings=openings, sound=Sound(samples=np.concatenate(sounds), rate=rate))


def _spoken(group: str, voice: str, cache: Path) -> Sound:
    return speak(" ".join(_DIGITS[int(digit)] for digit in group) + ".", voice, cache)


def _speaking(sound: Sound, count: int) -> Iterator[float]:
    loud = [float(np.abs(part).mean()) for part in np.array_split(sound.samples.astype(np.float64), max(1, count))]
    most = max(*loud, 1.0)
    return iter([value / most for value in loud][:count])


def act(head: Head, score: Performance) -> Iterator[Picture]:
    """The pictures of a performance: the relief turns, speaks and sways a little."""
    random = np.random.default_rng(11)
    sway = np.cumsum(random.normal(0, 0.35, (len(score.yaws), 2)), axis=0)
    for yaw, opening, (dx, dy) in zip(score.yaws, score.openings, sway, strict=True):
        yield show(head, yaw, opening, (float(dx), float(dy)))


def hold_flat(picture: Picture, maps: Iterable[NDArray[np.float64]]) -> Iterator[Picture]:
    """A flat picture before the camera: a plane map [3, 3] of the picture for each frame."""
    for plane in maps:
        yield cast("Picture", cv2.warpPerspective(picture, plane, SIZE, borderMode=cv2.BORDER_REFLECT))


def plane_turned(degrees: float, tilt: float = 0.0, shear: float = 0.0) -> NDArray[np.float64]:
    """The map of a picture turned about its upright axis, tilted and sheared, seen from two picture widths away."""
    half, far = SIZE[0] / 2, 2.0 * SIZE[0]
    yaw, pitch = np.radians(degrees), np.radians(tilt)
    across = np.array([[np.cos(yaw), 0, 0], [0, 1, 0], [np.sin(yaw), 0, 1]])
    along = np.array([[1, 0, 0], [0, np.cos(pitch), 0], [0, np.sin(pitch), 1]])
    turned = along @ across
    camera = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1 / far]])
    centre = np.array([[1, 0, -half], [0, 1, -half], [0, 0, 1.0]])
    turned[2] = [turned[2, 0], turned[2, 1], far]
    back = np.array([[1, 0, half], [0, 1, half], [0, 0, 1.0]])
    slant = np.array([[1, shear, -shear * half], [0, 1, 0], [0, 0, 1.0]])
    return np.asarray(slant @ back @ camera @ turned @ centre)


def record(path: Path, pictures: Iterable[Picture], sound: Sound) -> Path:
    """Write a recording as a phone would hand it in: H.264 and AAC in MP4."""
    write_footage(path, pictures, fps=FPS, sound=sound)
    return path


Reader = Callable[[Picture], Floats]
