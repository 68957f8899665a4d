"""A registered face that flashes up for one frame, a thirtieth of a second, is looked at and recognised.

Real weights, a real decoder child. The portrait is official and shown whole; the person is registered from another.
"""

import secrets
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.base import FaceState, Gallery, Subject
from detectors.faces import Faces
from moderation.samples.clips import REGISTERED, SHOWN
from moderation.samples.drawing import draw_pictures
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.sandbox import Sandbox
from moderation.settings import Limits, Sampling, Settings
from watermark.sampling import SamplingRules

WIDTH, HEIGHT, FRAMES, FPS = 640, 480, 60, 30
SHIPPED = SamplingRules(**Sampling().model_dump(exclude={"long_side"}))
#: No change is ever great enough, and nothing is left for motion: what the floor alone would see.
BLIND = replace(SHIPPED, part_change=10_000, whole_change=10_000, whole_share=2.0, extra_per_second=1)
#: Where the floor of two looks a second looks anyway, and the last frame.
FLOOR = {0, 15, 30, 45, FRAMES - 1}


@pytest.fixture(scope="module")
def faces(embedded_pack):
    return Faces.load(embedded_pack)


@pytest.fixture(scope="module")
def gallery(faces):
    (template,) = faces.face_templates(cv2.imread(str(portrait(REGISTERED, Settings().models))))
    return Gallery(model=faces.embedder_model.id, version="1", people=("per_shown",), vectors=template.vector[None])


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with Sandbox(Limits(), folder=tmp_path_factory.mktemp("airlocks"), require_confinement=False) as made:
        yield made


@pytest.fixture(scope="module")
def flashed():
    """The portrait as one frame."""
    picture = cv2.imread(str(portrait(SHOWN, Settings().models)))
    return next(near(picture, 1, WIDTH, HEIGHT, filling=1 / 0.88))


def write(path: Path, seed: int, flashed: np.ndarray, at: int) -> Path:
    frames = draw_pictures(FRAMES, WIDTH, HEIGHT, FPS, seed)
    write_footage(path, (flashed if number == at else frame for number, frame in enumerate(frames)), fps=FPS)
    return path


def recognised(sandbox: Sandbox, faces: Faces, gallery: Gallery, path: Path, rules: SamplingRules) -> list[int]:
    """Where (ms) the registered person was matched, or found possible."""
    inspection = faces.open(Subject(duration_ms=FRAMES * 1000 // FPS, gallery=gallery))
    for frames in sandbox.frames(path, rules, 1280):
        inspection.see(frames)
    near = {FaceState.MATCHED, FaceState.POSSIBLE}
    return [face.start_ms for face in inspection.finish().faces if any(match.state in near for match in face.matches)]


def positions(count: int, seed: int) -> list[int]:
    """Random frames that the floor does not look at."""
    rng = np.random.default_rng(seed)
    return rng.choice(sorted(set(range(FRAMES)) - FLOOR), count, replace=False).tolist()


def found_at(count: int, seed: int, rules: SamplingRules, tmp_path: Path, tools) -> tuple[int, list[int]]:
    sandbox, faces, gallery, flashed = tools
    missed = []
    for number, at in enumerate(positions(count, seed)):
        path = write(tmp_path / f"{number}.mp4", seed % 1000 + number, flashed, at)
        if recognised(sandbox, faces, gallery, path, rules) != [round(at * 1000 / FPS)]:
            missed.append(at)
    return count - len(missed), missed


@pytest.fixture(scope="module")
def tools(sandbox, faces, gallery, flashed):
    return sandbox, faces, gallery, flashed


@pytest.fixture
def seed():
    drawn = secrets.randbelow(2**31)
    print(f"seed {drawn}")
    return drawn


@pytest.mark.full
def test_a_face_shown_for_one_frame_is_recognised_and_only_because_changes_are_watched(tools, tmp_path, seed):
    assert found_at(2, seed, SHIPPED, tmp_path, tools) == (2, [])
    assert found_at(2, seed, BLIND, tmp_path, tools)[0] == 0


@pytest.mark.full
def test_a_face_shown_for_one_frame_is_recognised_at_twenty_of_twenty_positions(tools, tmp_path, seed):
    assert found_at(20, seed, SHIPPED, tmp_path, tools) == (20, [])
