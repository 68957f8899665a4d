"""A clip with an additional layer of marks through the real pipeline: released with it, held where it fails, verified."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from moderation import release
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.samples.drawing import draw_clip
from moderation.services import Services
from moderation.verdicts import read_verdict
from moderation.verification import verify_file

ORG = "default"
BITS, SIDE = 64, 64
SIGNS = np.random.default_rng(0).choice((-1.0, 1.0), (BITS, SIDE * SIDE)).astype(np.float32)


def draw(pictures, word):
    drawn = (word @ SIGNS).reshape(SIDE, SIDE) * 0.6
    return np.broadcast_to(drawn[None, :, :, None], pictures.shape).astype(np.float32)


def listen(pictures):
    grey = pictures.astype(np.float32).mean(3)
    near = (np.roll(grey, 1, 1) + np.roll(grey, -1, 1) + np.roll(grey, 1, 2) + np.roll(grey, -1, 2)) / 4
    return np.clip(grey - near, -8, 8).reshape(-1, SIDE * SIDE) @ SIGNS.T


@pytest.fixture
def services(settings, loaded) -> Iterator[Services]:
    """Services whose deployment chose one layer."""
    layer = SimpleNamespace(name="patterns", version="1", bits=BITS, side=SIDE, every=4, draw=draw, listen=listen)
    settings.marking = settings.marking.model_copy(update={"layers": ("patterns",)})
    with open_services(settings) as opened:
        opened.__dict__["detectors"] = loaded
        opened.__dict__["mark_layers"] = (layer,)
        yield opened


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("layered") / "drawn.mp4"
    draw_clip(path, seconds=1, width=320, height=180)
    return path


def check(services, path):
    made = check_file(services, ORG, "tester", path, Submission(creator="ana"))
    return read_verdict(services, ORG, made.clip_id)


def test_a_layer_goes_with_the_clip_and_verify_tells_the_public_no_more_than_its_state(services, clip, tmp_path):
    verdict = check(services, clip)
    assert verdict["status"] == "released"
    assert {mark["state"] for name, mark in verdict["marks"].items() if name != "payload"} == {"found"}
    assert "patterns" in verdict["marks"]
    key, _, size = release.media(services, ORG, verdict["id"])
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(b"".join(services.store.stream(key, 0, size)))
    assert verify_file(services, copy)["layers"]["patterns"] == {"state": "found", "bits": BITS, "pictures": 8}
    assert verify_file(services, copy, staff_of=ORG)["layers"]["patterns"]["chance"] < 1e-6
    settings = services.settings
    settings.verifying = settings.verifying.model_copy(update={"layer_seconds": 0.0})
    late = verify_file(services, copy)
    assert (late["origin"], late["layers"]["patterns"]) == ("ours", {"state": "not_checked", "reason": "budget"})
    unknown = verify_file(services, clip)
    assert (unknown["origin"], unknown["layers"]["patterns"]["state"]) == ("unknown", "not_checked")


@pytest.mark.full
def test_a_layer_that_fails_on_every_clip_holds_clips_and_asks_nobody(services, clip):
    (layer,) = services.mark_layers
    layer.listen = lambda pictures: np.zeros((len(pictures), BITS), np.float32)
    verdict = check(services, clip)
    assert verdict["status"] == "held"
    assert "patterns" in str(verdict)
    layer.listen, layer.draw = listen, lambda *_: 1 / 0
    verdict = check(services, clip)
    assert verdict["status"] == "held"
