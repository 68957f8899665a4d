"""The service with the GPU pack: from an operator's lock to a verdict, through the real pipeline."""

import pytest

from detectors.gpu.pinning import pin
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.errors import Outage
from moderation.samples.drawing import draw_clip
from moderation.settings import GpuPack, Settings
from moderation.verdicts import read_verdict

NAMES = ("freepik_nsfw", "age_vit", "siglip2_scenes")


@pytest.fixture
def settings(dsn, tmp_path, embedded_pack, repositories):
    """Development settings with three models of the GPU pack pinned beside the embedded pack."""
    models = tmp_path / "models"
    models.mkdir()
    (models / embedded_pack.folder.name).symlink_to(embedded_pack.folder)
    for name in NAMES:
        pin(
            models, tmp_path / "lock", name, revision="d" * 40, source=repositories(name), replace=False, progress=print
        )
    return Settings(
        env="development", state=tmp_path / "state", database_url=dsn, models=models, pack="gpu",
        gpu=GpuPack(lock=tmp_path / "lock", frames_per_run=4),
    )  # fmt: skip


def test_a_verdict_holds_what_the_larger_networks_saw(settings, tmp_path):
    path = tmp_path / "drawn.mp4"
    draw_clip(path, seconds=1, width=320, height=180)
    with open_services(settings) as services:
        clip = check_file(services, "default", "tester", path, Submission(creator="ana"))
        verdict = read_verdict(services, "default", clip.clip_id)
    signals = verdict["signals"]
    assert "explicit.high" in signals, verdict
    for name in ("explicit.high", "scene.violence"):
        assert signals[name]["state"] == "measured"
        assert signals[name]["version"].startswith("dddddddddddd-")
    assert signals["explicit.second"]["state"] == "not_measured"
    assert signals["explicit.score"]["model"] == "open_nsfw"  # required signals stay the embedded pack's


def test_a_changed_byte_holds_every_clip(settings, tmp_path):
    weights = next((settings.models / "gpu" / "freepik_nsfw").rglob("model.safetensors"))
    weights.write_bytes(weights.read_bytes() + b"\0")
    with open_services(settings) as services, pytest.raises(Outage, match="not the file that was pinned"):
        _ = services.detectors


def test_the_lock_belongs_to_the_name_of_the_detectors(settings):
    with open_services(settings) as services:
        name = services.detectors_hash
    embedded = settings.model_copy(update={"pack": "embedded"})
    with open_services(embedded) as services:
        assert services.detectors_hash != name
