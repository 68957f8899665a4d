"""A registered person shown for one second between other people: whom, when and how near, as `check` says it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import cv2
import pytest

from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.samples.stills import near
from moderation.settings import Settings

pytestmark = pytest.mark.full

FPS = 30
#: Who is seen, for how many frames; the middle one is registered, from another photograph.
SHOWN = (("collins", 60), ("obama-2012", 30), ("biden-2010", 60))
REGISTERED = "obama-2009"
START_MS, END_MS = 2000, 3000
#: Between two looks at the clip.
STEP_MS = 500
SECONDS = 300


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="cs-likeness-") as name:
        # Root's server process runs as another user, who must be able to reach the state.
        Path(name).chmod(0o755)
        yield Path(name)


def run(folder: Path, *arguments: object) -> tuple[int, dict]:
    """Run one command as an operator would; its exit code and what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
    mine = {"MODERATION_STATE": str(folder / "state"), "MODERATION_ENV": "development"}
    models = {"MODERATION_MODELS": str(Settings().models)}
    command = [sys.executable, "-m", "moderation", *map(str, arguments), "--json"]
    done = subprocess.run(
        command, env={**kept, **mine, **models}, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def verdict(folder: Path) -> dict:
    """What becomes of the clip after the person was registered."""
    models = Settings().models
    pictures = [cv2.imread(str(portrait(name, models))) for name, _ in SHOWN]
    shots = [near(picture, count, 960, 540) for picture, (_, count) in zip(pictures, SHOWN, strict=True)]
    write_footage(folder / "clip.mp4", chain.from_iterable(shots), fps=FPS)
    added = ("--name", "A figure", "--kind", "public_figure", "--image", portrait(REGISTERED, models))
    code, person = run(folder, "people", "add", *added)
    assert code == 0
    code, said = run(folder, "check", folder / "clip.mp4", "--creator", "maya")
    assert code == 1
    assert said["held"] is None, said["held"]
    return said | {"registered": person["id"]}


def test_the_clip_goes_to_a_person_for_that_figure(verdict):
    assert verdict["status"] == "in_review"
    assert "public_figure_likeness" in [reason["code"] for reason in verdict["decision"]["reasons"]]


def test_one_track_is_that_person_and_nobody_else_is_anybody(verdict):
    matched = [face for face in verdict["faces"] if "person" in face]
    (face,) = matched
    assert (face["person"], face["state"]) == (verdict["registered"], "matched")
    assert 0.2 < face["distance"] < 0.5
    assert START_MS <= face["start_ms"] < START_MS + STEP_MS
    assert END_MS - STEP_MS < face["end_ms"] < END_MS + STEP_MS
    others = [face for face in verdict["faces"] if face not in matched]
    assert {face["state"] for face in others} == {"unmatched"}
    assert min(face["start_ms"] for face in others) == 0


def test_the_segment_is_where_the_person_is(verdict):
    segments = [segment for segment in verdict["segments"] if segment["label"] == "likeness"]
    assert {segment["track"] for segment in segments} == {
        face["track"] for face in verdict["faces"] if "person" in face
    }
    assert START_MS <= min(segment["start_ms"] for segment in segments) < START_MS + STEP_MS
    assert END_MS - STEP_MS < max(segment["end_ms"] for segment in segments) < END_MS + STEP_MS
