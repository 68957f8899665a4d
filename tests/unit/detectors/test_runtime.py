"""The runtime loads only what the manifest names, and never takes another device than the one asked for."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable
from detectors.manifests import Manifest, Presence
from detectors.runtime import Session, require_device, require_runtime


@pytest.fixture
def damaged(embedded_pack: Manifest, tmp_path: Path) -> Manifest:
    """A pack whose face detector has one bit turned."""
    content = bytearray(embedded_pack.path("face_detection_yunet").read_bytes())
    content[-1] ^= 1
    copy = dataclasses.replace(embedded_pack, folder=tmp_path)
    copy.path("face_detection_yunet").write_bytes(content)
    return copy


def test_one_flipped_bit_is_refused(damaged: Manifest):
    with pytest.raises(DetectorUnavailable, match="not the file the manifest names; run `moderation models build`"):
        Session.open(damaged, "face_detection_yunet")


def test_a_missing_file_is_refused(damaged: Manifest):
    with pytest.raises(DetectorUnavailable, match="cannot be read"):
        Session.open(damaged, "open_nsfw")


def test_an_absent_model_is_refused_with_its_reason(embedded_pack: Manifest):
    models = tuple(dataclasses.replace(m, state=Presence.ABSENT, note="no npm") for m in embedded_pack.models)
    with pytest.raises(DetectorUnavailable, match="no npm"):
        Session.open(dataclasses.replace(embedded_pack, models=models), "age_faceapi")


def test_a_model_nobody_knows_is_refused(embedded_pack: Manifest):
    with pytest.raises(DetectorUnavailable, match="has no model"):
        Session.open(embedded_pack, "other")


def test_cuda_without_cuda_refuses_to_start(embedded_pack: Manifest):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has what the test wants missing")
    with pytest.raises(DetectorUnavailable, match="extra `gpu`"):
        Session.open(embedded_pack, "face_detection_yunet", device="cuda")
    with pytest.raises(DetectorUnavailable, match="MODERATION_DEVICE=cpu"):
        require_device("cuda")
    require_device("cpu")


def test_two_runtimes_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    require_runtime()
    for name in ("onnxruntime", "onnxruntime-gpu"):
        record = tmp_path / f"{name.replace('-', '_')}-1.31.0.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.31.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DetectorUnavailable, match="both installed"):
        require_runtime()


def test_a_picture_of_the_wrong_shape_is_an_error(embedded_pack: Manifest):
    session = Session.open(embedded_pack, "face_detection_yunet")
    with pytest.raises(DetectorError, match="face_detection_yunet failed"):
        session.run(np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("model", ["age_v1", "dlib_face_recognition", "open_nsfw"])
def test_the_company_in_a_batch_changes_no_bit(embedded_pack: Manifest, model: str):
    shape = {"age_v1": (3, 64, 64), "dlib_face_recognition": (3, 150, 150), "open_nsfw": (224, 224, 3)}[model]
    session = Session.open(embedded_pack, model)
    batch = np.random.default_rng(7).uniform(0, 255, (3, *shape)).astype(np.float32)
    (together,) = session.run(batch).values()
    alone = np.concatenate([next(iter(session.run(batch[i : i + 1]).values())) for i in range(3)])
    assert np.array_equal(together, alone)


def test_every_model_of_the_pack_loads(embedded_pack: Manifest):
    for entry in embedded_pack.models:
        if entry.state is Presence.PRESENT and entry.file.endswith(".onnx"):
            assert Session.open(embedded_pack, entry.id).model == entry.model
