"""Sketches: a part of a clip is told from a part of another, wherever the mark says that it lies."""

import cv2
import numpy as np
import pytest

from watermark.fingerprint import Verdict
from watermark.geometry import Geometry
from watermark.resemblance import same_part
from watermark.sketches import LINES, Sketcher, Sketches

WIDTH, HEIGHT = 640, 360
ITSELF = np.array([[1 / HEIGHT, 0, 0], [0, 1 / HEIGHT, 0]])
FIELD = 16 / 9


def film(seed: int, seconds: float = 4.0, fps: int = 25):
    """A slow camera over a picture with detail of many sizes, uint8 [HEIGHT, WIDTH], with times in ms."""
    noise = np.random.default_rng(seed)
    ground = np.zeros((480, 900), np.float32)
    for cells, loud in ((6, 50), (18, 30), (50, 20)):
        coarse = noise.normal(0, loud, (cells, 2 * cells)).astype(np.float32)
        ground += cv2.resize(coarse, (900, 480), interpolation=cv2.INTER_CUBIC)
    ground = np.clip(ground + 128, 0, 255).astype(np.uint8)
    for number in range(int(seconds * fps)):
        left, top = 2 * number % 260, number % 120
        yield number * 1000 // fps, ground[top : top + HEIGHT, left : left + WIDTH]


def sketch(frames, geometry: Geometry | None = None, **how) -> Sketches:
    sketcher = Sketcher(**how)
    for time_ms, picture in frames:
        sketcher.see(time_ms, picture)
    made = sketcher.finish(geometry)
    assert made is not None
    return made


def warped(frames, to_original: np.ndarray, size: tuple[int, int]):
    """A copy of another size, whose points lie in the original (in pixels) as the matrix says."""
    for time_ms, picture in frames:
        copy = cv2.warpAffine(picture, to_original, size, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_AREA, borderValue=20)
        yield time_ms, copy


def geometry_of(to_original: np.ndarray, size: tuple[int, int]) -> Geometry:
    return Geometry.of(to_original / HEIGHT, *size, FIELD)


COPIES = {
    "whole": ([[1, 0, 0], [0, 1, 0]], (WIDTH, HEIGHT)),
    "mirrored": ([[-1, 0, WIDTH], [0, 1, 0]], (WIDTH, HEIGHT)),
    "a quarter": ([[1, 0, 201], [0, 1, 130]], (WIDTH // 2, HEIGHT // 2)),
    "9:16": ([[1, 0, 220], [0, 1, 0]], (202, HEIGHT)),
    "squeezed": ([[2, 0, 0], [0, 1, 0]], (WIDTH // 2, HEIGHT)),
    "turned by 5 degrees": ([[0.9962, 0.0872, -20], [-0.0872, 0.9962, 30]], (WIDTH, HEIGHT)),
    "on its side": ([[0, 1, 0], [-1, 0, HEIGHT]], (HEIGHT, WIDTH)),
    "low in a tall canvas": ([[2, 0, -20], [0, 2, -760]], (360, 640)),
    "letterboxed": ([[1, 0, 0], [0, 1, -60]], (WIDTH, HEIGHT + 120)),
}


@pytest.fixture(scope="module")
def stored() -> Sketches:
    return sketch(film(1))


@pytest.mark.parametrize("copy", COPIES)
def test_a_part_is_told_from_another_clips(stored: Sketches, copy: str):
    matrix, size = np.array(COPIES[copy][0], float), COPIES[copy][1]
    where = geometry_of(matrix, size)
    own = same_part(sketch(warped(film(1), matrix, size), where, step_ms=125), stored)
    assert (own.verdict, own.share, own.mirrored) == (Verdict.SAME, 1.0, copy == "mirrored")
    other = same_part(sketch(warped(film(2), matrix, size), where, step_ms=125), stored)
    assert other.verdict is Verdict.DIFFERENT


def test_a_part_elsewhere_than_its_mark_says_is_not_the_clips(stored: Sketches):
    matrix, size = np.array([[1, 0, 200], [0, 1, 130]], float), (WIDTH // 2, HEIGHT // 2)
    wrong = geometry_of(np.array([[1, 0, 20], [0, 1, 10]], float), size)
    found = same_part(sketch(warped(film(1), matrix, size), wrong, step_ms=125), stored)
    assert found.verdict is Verdict.DIFFERENT


def test_a_copy_that_starts_later_and_runs_faster_is_the_same(stored: Sketches):
    frames = ((round((time - 1100) / 1.2), picture) for time, picture in film(1) if time >= 1100)
    found = same_part(sketch(frames, step_ms=125), stored)
    assert (found.verdict, found.share) == (Verdict.SAME, 1.0)


def test_a_marked_beginning_does_not_carry_what_follows(stored: Sketches):
    spliced = [*((t, p) for t, p in film(1) if t < 1000), *((t, p) for t, p in film(2) if t >= 1000)]
    found = same_part(sketch(spliced, step_ms=125), stored)
    assert found.verdict is Verdict.DIFFERENT
    assert 0 < found.share < 0.4


def test_a_still_between_two_sketches_of_a_fast_clip_is_not_called_anothers():
    stored = sketch((time, picture if time // 250 % 2 else picture[::-1]) for time, picture in film(1))
    other = [next(film(2))]
    assert same_part(sketch(other), stored).verdict is Verdict.INCOMPARABLE
    held = [(time, next(film(1))[1]) for time, _ in film(1)]
    assert same_part(sketch(other), sketch(held)).verdict is Verdict.DIFFERENT


def test_nothing_to_see_says_nothing(stored: Sketches):
    flat = ((time, np.full((HEIGHT, WIDTH), 128, np.uint8)) for time in range(0, 4000, 40))
    assert same_part(sketch(flat), stored).verdict is Verdict.INCOMPARABLE
    assert Sketcher().finish() is None


def test_a_place_beyond_all_originals_has_no_sketches():
    sketcher = Sketcher()
    sketcher.see(0, np.zeros((HEIGHT, WIDTH), np.uint8))
    assert sketcher.finish(Geometry(matrix=((1e-9, 0, 0), (0, 1e-9, 0)))) is None
    assert sketcher.finish(Geometry(matrix=((0.003, 0, 900), (0, 0.003, 0)))) is None


def test_sketches_are_bounded_and_small(stored: Sketches):
    long = sketch(((time, np.zeros((36, 64), np.uint8)) for time in range(0, 180_000, 40)), step_ms=125, bounded=True)
    assert len(long) <= 192
    assert long.times[-1] > 170_000
    assert stored.seen.shape == (LINES, 57)
    assert len(stored.to_bytes()) < 16 * 520


def test_sketches_are_read_back_and_nothing_else_is(stored: Sketches):
    written = stored.to_bytes()
    again = Sketches.from_bytes(written)
    assert again.to_bytes() == written
    assert (again.left, again.top, again.field, again.mirrored) == (0, 0, 0.0, False)
    assert np.array_equal(again.cells, stored.cells)
    assert np.array_equal(again.times, stored.times)
    bad = (b"", b"SKT1", written[:-1], written + b"0", b"PDQ1" + written[4:], written[:4] + b"\xff" * 28 + written[32:])
    for content in bad:
        with pytest.raises(ValueError, match="sketches"):
            Sketches.from_bytes(content)
