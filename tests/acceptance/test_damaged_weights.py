"""Weights that lie damaged on disk: readiness tells, clips wait and make no case, and all goes on once they are mended."""

import json
import os
import shutil
import signal
from pathlib import Path

import httpx
import pytest

from moderation.samples.drawing import draw_clip
from moderation.settings import Settings

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]
#: A worker loads its detectors some seconds after its start, and tries failing ones again every half minute.
TOLD_SECONDS = 180.0


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A cache of models of its own, with the newest pack only."""
    newest = max(Settings().models.glob("embedded-*"))
    shutil.copytree(newest, tmp_path / "models" / newest.name)
    return tmp_path / "models" / newest.name


def damage(file: Path) -> None:
    """Change one byte amid a file, as a bad sector would; what is hard-linked elsewhere stays whole."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.with_suffix(".damaged").write_bytes(content)
    file.with_suffix(".damaged").replace(file)


def test_damaged_weights_turn_readiness_red_and_hold_every_clip_until_they_are_mended(deploy, weights, tmp_path):
    explicit = weights / "open_nsfw.onnx"
    whole = tmp_path / "whole.onnx"
    shutil.copy(explicit, whole)
    up = deploy(MODERATION_MODELS=str(weights.parent))
    # It would mend what it finds damaged at its own start.
    up.start()
    damage(explicit)
    [worker] = [pid for pid, seen in up.processes().items() if seen.command[2:4] == ["moderation", "worker"]]
    os.kill(worker, signal.SIGKILL)

    def detectors() -> dict[str, object]:
        return httpx.get(f"{up.url}/readyz", timeout=30).json()["checks"]["detectors"]

    up.until(lambda: not detectors()["ready"], TOLD_SECONDS, "/readyz never told")
    assert httpx.get(f"{up.url}/readyz", timeout=30).status_code == httpx.codes.SERVICE_UNAVAILABLE

    draw_clip(tmp_path / "clip.mp4", seconds=1, width=320, height=180)
    clip = up.answer("submit", tmp_path / "clip.mp4", "--creator", "ann", "--prompt", "une maison")["id"]
    with up.client() as client:

        def verdict() -> dict[str, object]:
            return client.get(f"/v1/clips/{clip}").json()

        up.until(lambda: verdict()["status"] == "held", TOLD_SECONDS, json.dumps(verdict()))
        assert verdict()["held"]["cause"] == "detector:explicit"
        assert client.get("/v1/queues").json()["items"] == []

        whole.replace(explicit)
        up.until(lambda: detectors()["ready"], TOLD_SECONDS, "/readyz never recovered")
        up.until(lambda: verdict()["status"] == "released", TOLD_SECONDS, json.dumps(verdict()))
