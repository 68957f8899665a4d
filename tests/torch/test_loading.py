"""Pinned snapshots become networks by their own loaders, offline; anything else than what was pinned is refused."""

import json
import shutil
import socket

import numpy as np
import pytest

from detectors.base import DetectorUnavailable
from detectors.gpu import image_classification, zero_shot
from detectors.gpu.offline import lay_down, opened
from detectors.gpu.pins import read_gpu_pins

CLASSIFIERS = ("freepik_nsfw", "marqo_nsfw", "age_vit", "age_siglip2")


def load(pinned, name: str):
    root, model, locked = pinned(name)
    loader = zero_shot if model.loader == "zero_shot" else image_classification
    with opened(root, model, locked) as folder:
        return loader.load_network(folder, model, device="cpu")


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_answers_as_its_own_library_does(name, pinned, repositories, picture, torch):
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    network, preparation, labels = load(pinned, name)
    row = network(preparation.prepare(picture)[None])[0]
    reference = AutoModelForImageClassification.from_pretrained(repositories(name))
    processor = AutoImageProcessor.from_pretrained(repositories(name), use_fast=False)
    from PIL import Image

    inputs = processor(Image.fromarray(picture[..., ::-1].copy()), return_tensors="pt")
    with torch.inference_mode():
        expected = reference(**inputs).logits.softmax(-1)[0].numpy()
    assert len(labels) == len(row)
    np.testing.assert_allclose(row, expected, atol=2e-3)
    assert np.ptp(row) > 1e-3  # a network that says the same of everything would pass for free


def test_scenes_answer_as_open_clip_does(pinned, repositories, picture, torch):
    import open_clip
    from PIL import Image

    loaded = load(pinned, "siglip2_scenes")
    row = loaded.network(loaded.preparation.prepare(picture)[None])[0]
    reference, _, transform = open_clip.create_model_and_transforms(f"local-dir:{repositories('siglip2_scenes')}")
    reference.eval()
    with torch.inference_mode():
        inputs = transform(Image.fromarray(picture[..., ::-1].copy()))[None]
        expected = reference.encode_image(inputs, normalize=True)[0].numpy()
    np.testing.assert_allclose(row, expected, atol=2e-3)


def test_loading_opens_no_connection(pinned, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a loader wanted the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("age_vit", "marqo_nsfw", "siglip2_scenes"):
        load(pinned, name)


@pytest.mark.parametrize("name", ["age_vit", "siglip2_scenes"])
def test_one_changed_byte_is_refused(name, pinned):
    root, model, locked = pinned(name)
    path = root / "gpu" / name / locked.revision / next(f for f in model.files if f.endswith(".safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DetectorUnavailable, match="not the file that was pinned"), opened(root, model, locked):
        pass


def test_a_missing_file_is_unavailable(pinned):
    root, model, locked = pinned("age_vit")
    (root / "gpu" / "age_vit" / locked.revision / "config.json").unlink()
    with pytest.raises(DetectorUnavailable, match="models build"), opened(root, model, locked):
        pass


def test_what_was_not_pinned_never_lies_beside_what_is_loaded(pinned):
    root, model, locked = pinned("age_vit")
    (root / "gpu" / "age_vit" / locked.revision / "pytorch_model.bin").write_bytes(b"a pickle")
    with opened(root, model, locked) as folder:
        assert sorted(path.name for path in folder.iterdir()) == sorted(model.files)


def changed(repositories, tmp_path, name: str):
    folder = tmp_path / "changed"
    shutil.copytree(repositories(name), folder)
    return folder


def test_a_missing_tensor_is_refused_and_not_filled_with_noise(repositories, tmp_path, torch):
    from safetensors.torch import load_file, save_file

    folder = changed(repositories, tmp_path, "age_vit")
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DetectorUnavailable, match=r"classifier\.weight"):
        image_classification.load_network(folder, read_gpu_pins().model("age_vit"), device="cpu")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"auto_map": {"AutoModel": "theirs.Model"}}, "code of the repository"),
        ({"architectures": ["BertModel"]}, "the pack expects"),
        ({"id2label": {"0": "yes", "1": "no"}}, "names the labels"),
    ],
)
def test_another_model_than_the_pack_means_is_refused(change, complaint, repositories, tmp_path, torch):
    folder = changed(repositories, tmp_path, "age_vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(DetectorUnavailable, match=complaint):
        image_classification.load_network(folder, read_gpu_pins().model("age_vit"), device="cpu")


def test_laying_down_checks_the_source(pinned, repositories, tmp_path):
    root, model, locked = pinned("age_vit")
    source = changed(repositories, tmp_path, "age_vit")
    (source / "config.json").write_text("{}")
    with pytest.raises(DetectorUnavailable, match="not the file that was pinned"):
        lay_down(root / "other", model, locked, source)
    assert not list((root / "other").rglob("*.json"))


def test_cuda_is_never_replaced_by_a_processor(pinned, torch):
    if torch.cuda.is_available():
        pytest.fail("this test proves the refusal on machines without a card; run it on one")
    root, model, locked = pinned("age_vit")
    with (
        opened(root, model, locked) as folder,
        pytest.raises(DetectorUnavailable, match="this torch sees no card"),
    ):
        image_classification.load_network(folder, model, device="cuda")
