"""Clips that the bench attacks: drawn by program, one photograph in a shaky hand, and files that the caller names.

The same bytes every time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, cast

import cv2
import numpy as np

from moderation.attacks.videos import Video
from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import Picture, write_footage
from moderation.samples.portraits import portrait

FPS: Final = 25
#: NASA's: the one portrait that may be altered (docs/assets.md).
_PHOTOGRAPH: Final = "collins"
_LINES: Final = (
    "The quick brown fox jumps over the lazy dog",
    "Twelve things nobody told you about rivers",
    "1. They are older than the mountains they cut",
    "2. They carry more sand than water in spring",
)
#: Width, height.
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of picture: what it looks like, its size, and who draws `count` frames of it from a seed.

    `textured`: it has the grain or fine detail that pictures of a camera or a film have.
    """

    described: str
    size: Size
    draw: Callable[[int, Size, int], Iterator[Picture]]
    textured: bool = False


@dataclass(frozen=True, slots=True)
class Own:
    """A clip that is no kind of ours but the caller's file."""

    video: Video

    @property
    def described(self) -> str:
        """What it is, for a table."""
        return self.video.described

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.video.size


#: What the bench knows by name: a kind it can draw as long as is wished, or a file.
Subject = Kind | Own


def _drawn(count: int, size: Size, seed: int) -> Iterator[Picture]:
    return draw_pictures(count, *size, FPS, seed=seed)


def _dark(count: int, size: Size, seed: int) -> Iterator[Picture]:
    for picture in draw_pictures(count, *size, FPS, seed=seed):
        yield (picture * 0.22).astype(np.uint8)


def _clouds(seed: int, size: Size, finest: int) -> Picture:
    """Noise of every size down to `finest` cells across."""
    noise = np.random.default_rng(seed)
    cells, total = 4, np.zeros((size[1], size[0], 3), np.float32)
    while cells <= finest:
        coarse = noise.normal(0, 70 * 4 / (cells + 4), (cells, cells * 2, 3)).astype(np.float32)
        total += cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
        cells *= 2
    return np.clip(120 + total, 0, 255).astype(np.uint8)


def _panned(ground: Picture, count: int, size: Size, across: float, down: float = 0.0) -> Iterator[Picture]:
    """A camera that moves over a larger picture by so many pixels a frame, to and fro."""
    room = np.array([ground.shape[1] - size[0], ground.shape[0] - size[1]])
    for number in range(count):
        gone = np.array([across, down]) * number
        left, top = room - np.abs(gone % (2 * np.maximum(room, 1)) - room)
        move = np.array([[1, 0, -left], [0, 1, -top]], np.float64)
        yield cast("Picture", cv2.warpAffine(ground, move, size))


def _larger(size: Size, across: float, down: float) -> Size:
    return int(size[0] * across), int(size[1] * down)


def _smooth(count: int, size: Size, seed: int) -> Iterator[Picture]:
    return _panned(_clouds(seed, _larger(size, 1.5, 1.1), 16), count, size, 2.3, 0.4)


def _rough(count: int, size: Size, seed: int) -> Iterator[Picture]:
    grain = np.random.default_rng(seed + 1)
    for picture in _panned(_clouds(seed, _larger(size, 1.7, 1.25), 512), count, size, 3.1, 1.2):
        yield np.clip(picture + grain.normal(0, 2, (*picture.shape[:2], 1)), 0, 255).astype(np.uint8)


def _fast(count: int, size: Size, seed: int) -> Iterator[Picture]:
    return _panned(_clouds(seed, _larger(size, 4, 1.5), 128), count, size, 46.0, 9.0)


def _still(count: int, size: Size, seed: int) -> Iterator[Picture]:
    ground = _clouds(seed, size, 128)
    for number in range(count):
        picture = ground.copy()
        cv2.circle(picture, (300 + 3 * number % 700, 420), 40, (40, 60, 200), -1, cv2.LINE_AA)
        yield picture


def _cartoon(count: int, size: Size, seed: int) -> Iterator[Picture]:
    width, height = size
    colours = np.random.default_rng(seed).integers(60, 230, (3, 3)).tolist()
    for number in range(count):
        picture = np.full((height, width, 3), (235, 206, 135), np.uint8)
        cv2.rectangle(picture, (0, int(height * 0.72)), (width, height), (80, 160, 90), -1)
        cv2.circle(picture, (int(width * 0.82), int(height * 0.2)), 80, (60, 210, 250), -1, cv2.LINE_AA)
        for at, colour in zip((0.16, 0.44, 0.7), colours, strict=True):
            x = int(width * at + 60 * np.sin(number / 9 + 9 * at))
            y = int(height * 0.6 - abs(90 * np.sin(number / 7 + 9 * at)))
            for fill, line in ((colour, -1), ((20, 20, 20), 5)):
                cv2.ellipse(picture, (x, y), (80, 110), 0, 0, 360, fill, line, cv2.LINE_AA)
        yield picture


def _text(count: int, size: Size, seed: int) -> Iterator[Picture]:
    page = np.full((size[1] * 2, size[0], 3), 245, np.uint8)
    for row in range(page.shape[0] // 48):
        place, line = (60, 60 + 48 * row), _LINES[(row + seed) % len(_LINES)]
        cv2.putText(page, line, place, cv2.FONT_HERSHEY_SIMPLEX, 1.2, (30, 30, 30), 2, cv2.LINE_AA)
    return _panned(page, count, size, 0.0, 2.0)


def _tiles(count: int, size: Size, seed: int) -> Iterator[Picture]:
    width, height = _larger(size, 1.35, 1.25)
    down, across = np.mgrid[0:height, 0:width]
    brick = 48 + 4 * (seed % 8)
    wall = (across // brick + down // (brick // 2)) % 2 * 40 + 90 + 25 * np.sin(across / 5) * np.sin(down / 7)
    return _panned(np.repeat(wall[:, :, None], 3, axis=2).clip(0, 255).astype(np.uint8), count, size, 1.7, 0.6)


@cache
def _photograph(folder: Path) -> Picture:
    content = np.frombuffer(portrait(_PHOTOGRAPH, folder).read_bytes(), np.uint8)
    return cast("Picture", cv2.imdecode(content, cv2.IMREAD_COLOR))


def _camera(folder: Path) -> Callable[[int, Size, int], Iterator[Picture]]:
    """A photograph filmed by hand: the camera sways and breathes, and its sensor has noise."""

    def draw(count: int, size: Size, seed: int) -> Iterator[Picture]:
        picture, noise = _photograph(folder), np.random.default_rng(seed)
        phase = noise.uniform(0, 2 * np.pi, 4)
        for number in range(count):
            sway = np.sin(number * np.array([0.11, 0.083, 0.31, 0.27]) + phase) @ np.array(
                [[14, 0], [0, 10], [2, 0], [0, 2]]
            )
            scale = max(size[0] / picture.shape[1], size[1] / picture.shape[0]) * (1.12 + 0.03 * np.sin(number / 37))
            left = (size[0] - picture.shape[1] * scale) / 2 + sway[0]
            top = (size[1] - picture.shape[0] * scale) * 0.3 + sway[1]
            seen = cv2.warpAffine(picture, np.array([[scale, 0, left], [0, scale, top]]), size, flags=cv2.INTER_CUBIC)
            yield np.clip(seen + noise.normal(0, 1.5, (*seen.shape[:2], 1)), 0, 255).astype(np.uint8)

    return draw


_WIDE: Final = (1280, 720)


def kinds(folder: Path) -> Mapping[str, Kind]:
    """Return the kinds by name, in the order in which a run takes them; `folder` is where the photograph is kept."""
    return {
        "drawn": Kind("shapes in motion over soft ground, a little grain", _WIDE, _drawn, textured=True),
        "camera": Kind("a photograph filmed by hand, with sensor noise", _WIDE, _camera(folder), textured=True),
        "smooth": Kind("soft light without detail, as generators of video like it", _WIDE, _smooth),
        "vertical": Kind("drawn shapes, 720 x 1280", (720, 1280), _drawn, textured=True),
        "still": Kind("a camera that stands; one thing moves", _WIDE, _still),
        "fast": Kind("46 pixels a frame", _WIDE, _fast),
        "dark": Kind("drawn shapes in a dark room", _WIDE, _dark),
        "cartoon": Kind("flat colours with black outlines, no grain at all", _WIDE, _cartoon),
        "text": Kind("a page of text that scrolls", _WIDE, _text),
        "tiles": Kind("a wall whose pattern repeats exactly", _WIDE, _tiles),
        "rough": Kind("detail of every size, and grain", _WIDE, _rough, textured=True),
        "small": Kind("drawn shapes, 854 x 480", (854, 480), _drawn, textured=True),
    }


def subjects(folder: Path, videos: Sequence[Video]) -> Mapping[str, Subject]:
    """Return all kinds, then the caller's files, by name. Raises ValueError where two would have one name."""
    known: dict[str, Subject] = dict(kinds(folder))
    for video in videos:
        if video.name in known:
            raise ValueError(f"two clips would be called {video.name}: give the file another name")
        known[video.name] = Own(video)
    return known


def lasts(subject: Subject, seconds: float) -> float:
    """Return how long its clip is where clips of so many seconds are wanted: a file may be shorter."""
    return min(seconds, subject.video.seconds) if isinstance(subject, Own) else seconds


def write_clip(subject: Subject, path: Path, seconds: float, seed: int) -> Path:
    """Write a clip, silent, as H.264 in MP4: a file's frames without loss. Raises PortraitUnavailable, VideoRefused."""
    if isinstance(subject, Own):
        subject.video.write(path, seconds)
    else:
        write_footage(path, subject.draw(round(seconds * FPS), subject.size, seed), fps=FPS)
    return path
