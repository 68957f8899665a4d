"""The clips that benchmarks are taken on: made by program, the same bytes every time. Shows adults in office only.

Portraits are shown whole; docs/assets.md credits them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np

from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import Picture, write_footage
from moderation.samples.portraits import portrait
from moderation.samples.speech import tone

WIDTH, HEIGHT, FPS = 1280, 720, 30
SECONDS: Final = 10
TWO_FACES: Final = ("collins", "obama-2012")
#: Of the frame's height.
_PORTRAIT_HEIGHT: Final = 0.72
#: How far the camera pans, as a share of the frame's width, and where the portraits stand meanwhile.
_PAN: Final = 0.05
_CENTRES: Final = (0.27, 0.73)


def two_faces(path: Path, cache: Path) -> Path:
    """Write 10 s of 1280 x 720 at 30 frames a second: a pan over two portraits before a drawn, moving ground.

    `cache` is where weights and portraits are kept. Raises PortraitUnavailable when one cannot be had.
    """
    pictures = [_fitted(_read(name, cache), round(HEIGHT * _PORTRAIT_HEIGHT)) for name in TWO_FACES]
    ground = draw_pictures(SECONDS * FPS, WIDTH, HEIGHT, FPS, seed=11)
    write_footage(path, _pan(ground, pictures), fps=FPS, sound=tone(SECONDS))
    return path


def brief(path: Path) -> Path:
    """Write one second of drawn shapes in the same size: to warm up with."""
    write_footage(path, draw_pictures(FPS, WIDTH, HEIGHT, FPS, seed=12), fps=FPS)
    return path


def generated(count: int) -> Iterator[Picture]:
    """Yield drawn pictures of 1280 x 720 in BGR, as a generator that holds no file would."""
    return draw_pictures(count, WIDTH, HEIGHT, FPS, seed=13)


def _read(name: str, cache: Path) -> Picture:
    content = np.frombuffer(portrait(name, cache).read_bytes(), np.uint8)
    return cast("Picture", cv2.imdecode(content, cv2.IMREAD_COLOR))


def _fitted(picture: Picture, height: int) -> Picture:
    scale = height / picture.shape[0]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cast("Picture", cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method))


def _pan(ground: Iterator[Picture], pictures: list[Picture]) -> Iterator[Picture]:
    for number, frame in enumerate(ground):
        shift = _PAN * np.sin(2 * np.pi * number / (SECONDS * FPS))
        for picture, centre in zip(pictures, _CENTRES, strict=True):
            _lay(frame, picture, (centre + shift) * WIDTH)
        yield frame


def _lay(frame: Picture, picture: Picture, centre: float) -> None:
    """Draw a whole picture over a frame, centred at a fraction of a pixel, so that a slow pan does not jump."""
    height, width = picture.shape[:2]
    left, top = centre - width / 2, (HEIGHT - height) / 2
    matrix = np.array([[1, 0, left], [0, 1, top]], dtype=np.float64)
    cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), frame, cv2.INTER_LINEAR, cv2.BORDER_TRANSPARENT)
