"""Moves over stills: pans, fades, changes of light, walls of pictures. Yields BGR uint8 frames; cuts nothing off.

Official portraits are shown whole: what changes a picture (`relit`, `grey`) is for pictures that may be changed.
"""

from collections.abc import Iterator, Sequence
from typing import Final, cast

import cv2
import numpy as np

from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import Picture
from moderation.samples.stills import near

WIDTH, HEIGHT, FPS = 640, 360, 15
_GROUND: Final = (72, 66, 60)
_WALL: Final = (150, 160, 168)
#: Of the picture's height, how far a pan moves it; and how far a hand-held camera sways, in pixels.
_TRAVEL, _SWAY = 0.35, 3.0


def nearing(picture: Picture, count: int) -> Iterator[Picture]:
    """The whole picture, slowly growing."""
    return near(picture, count, WIDTH, HEIGHT)


def panned(picture: Picture, count: int, *, height: float = 0.8, seed: int = 0) -> Iterator[Picture]:
    """The whole picture, `height` of the frame high, carried across drawn ground in motion."""
    shown = _fitted(picture, round(HEIGHT * height), WIDTH)
    room = WIDTH - shown.shape[1]
    for number, frame in enumerate(draw_pictures(count, WIDTH, HEIGHT, FPS, seed)):
        share = number / max(1, count - 1)
        _lay(frame, shown, room * (0.5 - _TRAVEL + 2 * _TRAVEL * share), (HEIGHT - shown.shape[0]) / 2)
        yield frame


def relit(picture: Picture, count: int) -> Iterator[Picture]:
    """The picture while a light passes over it: between half and one and a half times its brightness."""
    across = np.linspace(-1, 1, WIDTH, dtype=np.float32)[None, :, None]
    for number, frame in enumerate(nearing(picture, count)):
        light = 1 + 0.5 * np.sin(across * 2 + 2 * np.pi * number / count)
        yield np.clip(frame * light, 0, 255).astype(np.uint8)


def grey(picture: Picture, count: int) -> Iterator[Picture]:
    """The picture in black and white, held by a shaky hand."""
    for number, frame in enumerate(nearing(picture, count)):
        shift = np.array([[1, 0, _SWAY * np.sin(number * 0.9)], [0, 1, _SWAY * np.cos(number * 0.7)]], dtype=np.float64)
        bare = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        yield cast("Picture", cv2.warpAffine(bare, shift, (WIDTH, HEIGHT), borderValue=_GROUND))


def faded(first: Picture, second: Picture, count: int) -> Iterator[Picture]:
    """One picture turning into another over the middle third."""
    pairs = zip(nearing(first, count), nearing(second, count), strict=True)
    for number, (before, after) in enumerate(pairs):
        share = float(np.clip(3 * number / count - 1, 0, 1))
        yield cast("Picture", cv2.addWeighted(before, 1 - share, after, share, 0))


def shown_in_turn(pictures: Sequence[Picture], count: int) -> Iterator[Picture]:
    """Each picture for an equal time, cut after cut."""
    for picture in pictures:
        yield from nearing(picture, count // len(pictures))


def wall(pictures: Sequence[Picture], count: int, rows: int) -> Iterator[Picture]:
    """A wall of pictures in `rows` rows, along which the camera drifts to and fro."""
    columns = -(-len(pictures) // rows)
    cell_height, cell_width = HEIGHT // rows, (WIDTH - 40) // columns
    made = np.full((HEIGHT, WIDTH, 3), _WALL, dtype=np.uint8)
    for place, picture in enumerate(pictures):
        shown = _fitted(picture, cell_height - 8, cell_width - 8)
        left = 20 + place % columns * cell_width + (cell_width - shown.shape[1]) / 2
        _lay(made, shown, left, place // columns * cell_height + (cell_height - shown.shape[0]) / 2)
    for number in range(count):
        shift = np.array([[1, 0, 18 * np.sin(2 * np.pi * number / count)], [0, 1, 0]], dtype=np.float64)
        yield cast("Picture", cv2.warpAffine(made, shift, (WIDTH, HEIGHT), borderValue=_WALL))


def _fitted(picture: Picture, height: int, width: int) -> Picture:
    scale = min(height / picture.shape[0], width / picture.shape[1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cast("Picture", cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method))


def _lay(frame: Picture, picture: Picture, left: float, top: float) -> None:
    """Draw a whole picture over a frame at a fraction of a pixel, so that a slow pan does not jump."""
    matrix = np.array([[1, 0, left], [0, 1, top]], dtype=np.float64)
    cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), frame, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
