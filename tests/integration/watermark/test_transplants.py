"""A mark lifted off one clip and laid over another is called transplanted; a part of the right clip is not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from watermark.credentials import Trust
from watermark.fingerprint import Fingerprint, fingerprint
from watermark.frames import Planes
from watermark.invisible import InvisibleMarker
from watermark.limits import VideoLimits
from watermark.patience import Budget
from watermark.payload import Payload
from watermark.reader import luma
from watermark.reading import MarksReading, read_marks
from watermark.settling import settle
from watermark.sketches import Sketcher, Sketches

KEYS = {1: bytes(range(32))}
PAYLOAD = Payload(mark_id=0xABCDEF012345, key_version=1)
WIDTH, HEIGHT = 1280, 720
LIMITS = VideoLimits()
BUDGET = Budget(mark_seconds=60, search_seconds=60, content_seconds=60, layer_seconds=60, wall_seconds=600)


@pytest.fixture(scope="module")
def marked(scene) -> list[Planes]:
    marker, frames = InvisibleMarker(PAYLOAD, KEYS[1], WIDTH, HEIGHT), scene(1)
    for planes in frames:
        marker.mark(planes)
    return frames


@pytest.fixture(scope="module")
def stored(marked, encode, tmp_path_factory: pytest.TempPathFactory) -> tuple[Fingerprint, Sketches]:
    path = encode(marked, tmp_path_factory.mktemp("stored") / "marked.mp4")
    sketcher = Sketcher()
    for time_ms, picture in luma(path, limits=LIMITS, long_side=640):
        sketcher.see(time_ms, picture)
    sketches = sketcher.finish()
    assert sketches is not None
    return fingerprint(luma(path, limits=LIMITS, long_side=640)), sketches


@pytest.fixture
def say(trust: Trust, stored) -> Callable[[Path], tuple[str, str]]:
    """What is said of a file's mark and of its content."""

    def read(path: Path) -> tuple[str, str]:
        found: MarksReading = settle(read_marks(path, keys=KEYS, trust=trust, limits=LIMITS, budget=BUDGET), *stored)
        return found.layers["invisible"].state.value, found.layers["fingerprint"].state.value

    return read


def transplanted(scene, marked: list[Planes], onto: int) -> list[Planes]:
    """Another clip's frames with the exact difference that the mark made to its own."""
    pairs = zip(scene(onto), marked, scene(1), strict=True)
    return [replace(other, y=with_difference(other.y, ours.y, bare.y)) for other, ours, bare in pairs]


def with_difference(other: np.ndarray, marked: np.ndarray, bare: np.ndarray) -> np.ndarray:
    return np.clip(other.astype(np.int16) + marked - bare, 0, 255).astype(np.uint8)


def middle(frames: list[Planes]) -> list[Planes]:
    """The middle in a frame of its own size, enlarged as players of upright films do."""
    return [replace(each, y=cv2.resize(each.y[157:562, 280:1000], (WIDTH, HEIGHT))) for each in frames]


@pytest.mark.parametrize("crf", [21, 30])
def test_a_mark_laid_over_another_clip_is_transplanted(scene, marked, encode, say, crf: int, tmp_path: Path):
    path = encode(transplanted(scene, marked, onto=2), tmp_path / "forged.mp4", crf)
    assert say(path) == ("transplanted", "not_found")


@pytest.mark.full
def test_a_part_of_a_clip_is_the_clips_and_a_part_of_a_forged_one_is_not(scene, marked, encode, say, tmp_path: Path):
    assert say(encode(middle(marked), tmp_path / "part.mp4")) == ("found", "found")
    forged = middle(transplanted(scene, marked, onto=3))
    assert say(encode(forged, tmp_path / "forged.mp4")) == ("transplanted", "not_found")


@pytest.mark.parametrize("kind", [".png", ".jpg", ".webp"])
def test_a_still_of_a_clip_is_the_clips(marked, say, kind: str, tmp_path: Path):
    shot = np.repeat(marked[12].y[:, :, None], 3, axis=2)
    (tmp_path / "shot").write_bytes(cv2.imencode(kind, shot)[1].tobytes())
    assert say(tmp_path / "shot") == ("found", "found")


def test_a_still_of_a_forged_clip_is_never_the_clips(scene, marked, say, tmp_path: Path):
    forged = transplanted(scene, marked, onto=2)[12].y
    cv2.imwrite(str(tmp_path / "shot.png"), forged)
    assert say(tmp_path / "shot.png") == ("transplanted", "not_found")


def test_a_marked_beginning_does_not_carry_what_follows(scene, marked, encode, say, tmp_path: Path):
    path = encode([*marked[:15], *scene(2)[15:]], tmp_path / "spliced.mp4")
    assert say(path) == ("transplanted", "not_found")


def test_what_a_budget_cuts_short_is_not_called_unmarked(scene, encode, trust, tmp_path: Path):
    path = encode(scene(2), tmp_path / "bare.mp4")
    for bound in ({"mark_seconds": 1e-6}, {"search_seconds": 0.0}, {"wall_seconds": 0.0}):
        budget = replace(BUDGET, **bound)
        layer = read_marks(path, keys=KEYS, trust=trust, limits=LIMITS, budget=budget).layers["invisible"]
        assert (layer.state.value, layer.details["reason"]) == ("not_checked", "budget")


def test_content_that_a_budget_cuts_short_is_compared_with_nothing(marked, encode, trust, stored, tmp_path: Path):
    path = encode(marked, tmp_path / "marked.mp4")
    budget = replace(BUDGET, content_seconds=1e-6)
    found = settle(read_marks(path, keys=KEYS, trust=trust, limits=LIMITS, budget=budget), *stored)
    assert found.layers["invisible"].state.value == "found"
    assert found.layers["fingerprint"].state.value == "not_checked"
    assert found.layers["fingerprint"].details["reason"] == "budget"
