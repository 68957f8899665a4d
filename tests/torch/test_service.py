"""The service with the GPU pack: from an operator's lock to a verdict, through the real pipeline."""

import cv2
import numpy as np
import pytest

from detectors.gpu.pinning import pin
from moderation import works
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.clips import Submission
from moderation.enrolment import register_person
from moderation.errors import Outage, Unprocessable
from moderation.samples.drawing import draw_clip
from moderation.samples.footage import write_footage
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


def picture(seed):
    blocks = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    return np.ascontiguousarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8)))


def saved(folder, seed):
    cv2.imwrite(str(folder / f"{seed}.png"), picture(seed))
    return folder / f"{seed}.png"


def film(folder, seed):
    write_footage(folder / f"{seed}.mp4", [picture(seed)] * 10, fps=10)
    return folder / f"{seed}.mp4"


def test_a_work_is_seen_by_embedding_goes_to_the_rights_queue_and_stale_when_the_weights_change(settings, tmp_path):
    """The whole way. The weights are random: that the picture itself is at hand is all that can be told."""
    with open_services(settings) as services:
        holder = register_person(services, "default", name="Pip", kind="rights_holder", images=[], by="test")
        path = film(tmp_path, 1)
        before = read_verdict(
            services, "default", check_file(services, "default", "t", path, Submission(creator="ana")).clip_id
        )
        assert before["works"] == {"fingerprint": "not_measured", "names": "not_measured", "embedding": "not_measured"}
        work = works.add_work(services, "default", holder, title="Pip", pictures=[saved(tmp_path, 1)], by="test")
        clip = check_file(services, "default", "t", path, Submission(creator="ben"))
        verdict = read_verdict(services, "default", clip.clip_id)
        with services.database.transaction("default") as tx:
            (kept,) = works.list_works(tx)
            body = tx.pg.execute(
                "select body from moderation.decisions where clip_id = %s", (clip.clip_id,)
            ).fetchone()[0]
            holds = tx.pg.execute("select queue from moderation.cases where clip_id = %s", (clip.clip_id,)).fetchone()
        assert verdict["works"]["embedding"] == "measured"
        (near,) = verdict["works"]["nearest"]
        assert (near["work"], near["similarity"] > 0.92) == (work, True)
        assert "work_matched" in body
        assert holds == ("rights",)
        assert (kept.embedding(services.works_model), kept.model) == ("measured", services.works_model)
        assert kept.embedding(None) == "not_measured"

        with services.database.transaction("default") as tx:
            tx.pg.execute("update moderation.work_vectors set model = 'siglip2_scenes@older'")
            tx.pg.execute("update moderation.galleries set version = version + 1 where org_id = 'default'")
            assert works.list_works(tx)[0].embedding(services.works_model) == "stale"
        after = check_file(services, "default", "t", path, Submission(creator="cia"))
        assert read_verdict(services, "default", after.clip_id)["works"]["embedding"] == "not_measured"
        with pytest.raises(Unprocessable, match="none of those"):
            works.embed_again(services, "default", work, [saved(tmp_path, 2)], by="test")
        assert works.embed_again(services, "default", work, [saved(tmp_path, 1)], by="test") == 1
        again = check_file(services, "default", "t", path, Submission(creator="dov"))
        assert read_verdict(services, "default", again.clip_id)["works"]["embedding"] == "measured"
        works.withdraw_work(services, "default", work, by="test")
        with services.database.transaction("default") as tx:
            assert tx.pg.execute("select count(*) from moderation.work_vectors").fetchone() == (0,)
