"""A clip with a face and a caption, handed in from outside: the label of the released file covers neither.

Where the label stands is seen by comparing the released pictures with the submitted ones, not by asking the service.
"""

from itertools import repeat
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from detectors.base import Frame, Gallery, Subject
from detectors.faces import Faces
from detectors.packs import load_manifest
from moderation.samples.footage import write_footage
from moderation.samples.portraits import portrait
from moderation.settings import Settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(1800)]

WIDTH, HEIGHT, FPS, SECONDS = 640, 360, 10, 25
#: NASA's portrait, cropped about the head: its licence allows that.
HEAD = np.s_[10:250, 120:360]
#: Where the caption's letters are: left, top, right, bottom.
CAPTION = (330, 322, 626, 346)
#: Grey levels by which the label changes a picture, smoothed; encoder and invisible mark stay far below.
CHANGED = 12


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A head at the left, a caption at the bottom right, BGR."""
    drawn = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    head = cv2.imread(str(portrait("collins", Settings().models)))[HEAD]
    drawn[:300, 40:340] = cv2.resize(head, (300, 300), interpolation=cv2.INTER_CUBIC)
    cv2.putText(drawn, "A day at the launch site", (*CAPTION[:1], 342), 0, 0.75, (255, 255, 255), 2, cv2.LINE_AA)
    return drawn


@pytest.fixture(scope="module")
def face(picture: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the face, as the shipped detector sees it in the submitted picture."""
    inspection = Faces.load(load_manifest(Settings().models)).open(
        Subject(duration_ms=1000, gallery=Gallery(model="", version="", people=(), vectors=np.zeros((0, 0))))
    )
    inspection.see([Frame(index=0, time_ms=0, shot=0, pixels=picture)])
    (found,) = inspection.finish().faces
    box = found.boxes[0][1]
    left, top = round(box.x * WIDTH), round(box.y * HEIGHT)
    return left, top, left + round(box.width * WIDTH), top + round(box.height * HEIGHT)


@pytest.fixture(scope="module")
def released(deploy, picture: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The submitted file and the released one."""
    folder = tmp_path_factory.mktemp("faces")
    write_footage(folder / "clip.mp4", repeat(picture, FPS * SECONDS), fps=FPS)
    up = deploy()
    up.start()
    clip = up.answer("submit", folder / "clip.mp4", "--creator", "ann")["id"]
    with up.client() as client:
        settled = {"released", "in_review", "withheld", "refused"}
        up.until(lambda: client.get(f"/v1/clips/{clip}").json()["status"] in settled, 1200, "the clip came to no end")
        assert client.get(f"/v1/clips/{clip}").json()["status"] == "released"
        (folder / "out.mp4").write_bytes(client.get(f"/v1/clips/{clip}/media").content)
    return folder / "clip.mp4", folder / "out.mp4"


def luma(path: Path) -> np.ndarray:
    with av.open(str(path)) as opened:
        return np.stack([frame.to_ndarray()[:HEIGHT] for frame in opened.decode(video=0)]).astype(np.int16)


def test_the_label_covers_neither_the_face_nor_the_caption(released, face):
    submitted, marked = map(luma, released)
    assert submitted.shape == marked.shape
    changes = np.abs(marked - submitted).astype(np.float32)
    changed = np.stack([cv2.blur(change, (5, 5)) > CHANGED for change in changes])
    # It is there, and moves about: the whole picture is not merely untouched.
    assert (changed.sum(axis=(1, 2)) > 500).all()
    assert (changed.any(axis=0).mean()) > 0.1
    for left, top, right, bottom in (face, CAPTION):
        assert not changed[:, top:bottom, left:right].any()
