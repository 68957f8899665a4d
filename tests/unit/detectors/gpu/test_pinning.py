"""Trust is given once, by an operator's act; from then on nothing but the very same bytes is taken."""

import dataclasses
import json

import numpy as np
import pytest

from detectors.base import DetectorUnavailable
from detectors.gpu.identity import DIMENSION, ArcEmbedder, align_arcface
from detectors.gpu.offline import faults, opened
from detectors.gpu.pack import inventory
from detectors.gpu.pinning import PinningError, bring, pin
from detectors.gpu.pins import Lock, read_gpu_pins, read_lock
from detectors.probes import HEAD_POINTS, drawn_head

REVISION = "a" * 40
OTHER = "b" * 40
PINS = read_gpu_pins()
FACES = PINS.model("auraface")


@pytest.fixture
def pinned(tmp_path, face_repository):
    """A models folder and a lock with the face network pinned."""
    root, lock = tmp_path / "models", tmp_path / "kept" / "gpu.lock.json"
    said: list[str] = []
    pin(root, lock, "auraface", revision=REVISION, source=face_repository, replace=False, progress=said.append)
    return root, lock, said


def test_pinning_writes_revision_hashes_and_the_answer_to_the_probe(pinned, face_repository):
    root, path, said = pinned
    locked = read_lock(path, PINS).models["auraface"]
    assert locked.revision == REVISION
    assert set(locked.files) == {"glintr100.onnx"}
    assert len(locked.probe) == 16
    assert locked.files["glintr100.onnx"].sha256 in said[0]
    assert "Apache-2.0" in said[-1]
    assert faults(root, FACES, locked) == []
    assert [file.name for file in (root / "gpu" / "auraface" / REVISION).iterdir()] == ["glintr100.onnx"]


def test_what_is_pinned_loads_and_checks_itself(pinned):
    root, path, _ = pinned
    locked = read_lock(path, PINS).models["auraface"]
    with opened(root, FACES, locked) as folder:
        embedder = ArcEmbedder.open(folder / "glintr100.onnx", device="cpu", locked=locked)
    embedder.self_check()
    assert embedder.model.version == f"{REVISION[:12]}-{locked.digest[:12]}"
    drifted = dataclasses.replace(locked, probe=tuple(value + 0.1 for value in locked.probe))
    with opened(root, FACES, drifted) as folder:
        off = ArcEmbedder.open(folder / "glintr100.onnx", device="cpu", locked=drifted)
    with pytest.raises(DetectorUnavailable, match="another vector"):
        off.self_check()


def test_a_vector_does_not_depend_on_the_faces_beside_it(pinned):
    root, path, _ = pinned
    with opened(root, FACES, read_lock(path, PINS).models["auraface"]) as folder:
        embedder = ArcEmbedder.open(folder / "glintr100.onnx", device="cpu")
    chips = list(np.random.default_rng(5).integers(0, 256, (21, 112, 112, 3), dtype=np.uint8))
    alone = np.concatenate([embedder.vectors([chip]) for chip in chips])
    assert alone.shape == (21, DIMENSION)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)
    for order in (np.arange(21), np.random.default_rng(6).permutation(21)):
        np.testing.assert_array_equal(embedder.vectors([chips[i] for i in order]), alone[order])


def test_a_chip_puts_the_five_points_where_the_network_expects_them():
    turned = np.rot90(drawn_head())
    chip = align_arcface(drawn_head(), HEAD_POINTS)
    points = np.stack([HEAD_POINTS[:, 1], 149 - HEAD_POINTS[:, 0]], axis=1).astype(np.float32)
    again = align_arcface(np.ascontiguousarray(turned), points)
    assert chip.shape == (112, 112, 3)
    assert np.abs(chip.astype(int) - again.astype(int)).mean() < 3
    assert chip[52, 38].sum() < chip[62, 56].sum()  # an eye is darker than the bridge of the nose


def test_a_changed_byte_is_refused_and_named(pinned):
    root, path, _ = pinned
    locked = read_lock(path, PINS).models["auraface"]
    file = root / "gpu" / "auraface" / REVISION / "glintr100.onnx"
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)
    assert ["not the file that was pinned" in fault for fault in faults(root, FACES, locked)] == [True]
    (standing,) = [one for one in inventory(root, path) if one.model.id == "auraface"]
    assert standing.state == "damaged"
    with pytest.raises(DetectorUnavailable, match="SHA-256 is"), opened(root, FACES, locked):
        pass


def test_a_link_is_no_pinned_file(pinned, face_repository):
    root, path, _ = pinned
    locked = read_lock(path, PINS).models["auraface"]
    file = root / "gpu" / "auraface" / REVISION / "glintr100.onnx"
    file.unlink()
    file.symlink_to(face_repository / "glintr100.onnx")
    assert faults(root, FACES, locked)
    with pytest.raises(DetectorUnavailable), opened(root, FACES, locked):
        pass


@pytest.mark.parametrize("revision", ["main", "v1.0", "a" * 39, "A" * 40, "a" * 40 + "\n", ""])
def test_only_a_whole_commit_can_be_pinned(revision, tmp_path, face_repository):
    with pytest.raises(PinningError, match="may change its content"):
        pin(
            tmp_path,
            tmp_path / "lock",
            "auraface",
            revision=revision,
            source=face_repository,
            replace=False,
            progress=print,
        )
    assert not (tmp_path / "lock").exists()


def test_the_content_of_a_commit_never_changes(pinned, face_repository, tmp_path):
    root, path, _ = pinned
    other = tmp_path / "other"
    other.mkdir()
    (other / "glintr100.onnx").write_bytes((face_repository / "glintr100.onnx").read_bytes() + b"\0")
    before = path.read_bytes()
    with pytest.raises(PinningError, match="not those that were pinned before"):
        pin(root, path, "auraface", revision=REVISION, source=other, replace=True, progress=print)
    with pytest.raises(PinningError, match="--replace"):
        pin(root, path, "auraface", revision=OTHER, source=other, replace=False, progress=print)
    assert path.read_bytes() == before


def test_a_file_that_is_no_such_model_is_not_pinned(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "glintr100.onnx").write_bytes(b"no network")
    with pytest.raises(DetectorUnavailable, match="cannot be loaded"):
        pin(tmp_path, tmp_path / "lock", "auraface", revision=REVISION, source=source, replace=False, progress=print)
    assert not (tmp_path / "lock").exists()
    assert not (tmp_path / "gpu" / "auraface" / REVISION).exists()


def test_bringing_leaves_alone_what_is_there_and_wants_a_lock(pinned, tmp_path):
    root, path, _ = pinned
    said: list[str] = []
    assert set(bring(root, path, progress=said.append).models) == {"auraface"}
    assert said == ["auraface: as pinned"]
    with pytest.raises(PinningError, match="pins nothing"):
        bring(root, tmp_path / "no.lock", progress=print)


@pytest.mark.parametrize(
    "change",
    [
        lambda locked: locked.update(revision="main"),
        lambda locked: locked["files"]["glintr100.onnx"].update(sha256="0"),
        lambda locked: locked["files"].update({"../evil.json": {"sha256": "0" * 64, "bytes": 1}}),
        lambda locked: locked["files"].clear(),
        lambda locked: locked.pop("probe"),
    ],
)
def test_a_lock_that_cannot_be_believed_is_refused(pinned, change):
    _, path, _ = pinned
    document = json.loads(path.read_text())
    change(document["models.1"]["auraface"])
    path.write_text(json.dumps(document))
    with pytest.raises(DetectorUnavailable, match="cannot be read"):
        read_lock(path, PINS)


def test_a_lock_of_another_form_is_not_half_understood(tmp_path):
    (tmp_path / "lock").write_text('{"models.2": {}}')
    with pytest.raises(DetectorUnavailable):
        read_lock(tmp_path / "lock", PINS)
    assert read_lock(tmp_path / "none", PINS) == Lock()


TOML = """
[gpu]
version = "1"
[gpu.models.any]
purpose = "p"
loader = "image_classification"
repository = "a/b"
files = ["FILE"]
architectures = []
licence = "MIT"
looks_at = "frames"
frames_per_run = 1
labels = []
signals = {}
figures = {}
"""


@pytest.mark.parametrize(
    "file", ["pytorch_model.bin", "model.pkl", "modeling.py", "model.pt", "../model.safetensors", "a/b.json", ".."]
)
def test_the_pack_can_name_no_file_that_runs_when_it_is_read(file):
    with pytest.raises(ValueError, match="may load"):
        read_gpu_pins(TOML.replace("FILE", file))
    assert read_gpu_pins(TOML.replace("FILE", "model.safetensors")).models[0].files == ("model.safetensors",)


def test_every_model_of_the_pack_says_licence_and_what_nobody_measured():
    for model in PINS.models:
        assert model.licence
        assert model.figures["measured"] == "nothing"
        assert model.figures["not_measured"]
        assert {label.casefold() for labels in model.signals.values() for label in labels} <= {
            label.casefold() for label in model.labels
        }
