"""Converted networks answer as the runtimes they come from did on the same drawn pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.conversion import ConversionError, convert
from detectors.manifests import Manifest
from detectors.probes import drawn_head, drawn_waves
from detectors.runtime import Session

# Written by the original runtimes: dlib's own, and face-api's on TensorFlow.js.
GOLDEN = json.loads(Path(__file__).with_name("golden_conversions.json").read_text())
PICTURES = ("waves", "noise", "head")


def drawn_noise() -> NDArray[np.uint8]:
    """Grey noise by a linear congruential generator in RGB order, uint8 [150, 150, 3]."""
    y, x = np.mgrid[0:150, 0:150].astype(np.int64)
    value, channels = (x * 7919 + y * 104729 + 12345) % 65536, []
    for channel in range(3):
        for _ in range(4):
            value = (value * 1103515245 + 12345 + channel) % (1 << 31)
        channels.append((value >> 16) % 256)
    return np.stack(channels, axis=2).astype(np.uint8)


def drawn(name: str) -> NDArray[np.float32]:
    """One picture as the networks take it: float32 [1, 3, 150, 150] in RGB."""
    bgr = {"waves": drawn_waves(150, 150), "head": drawn_head(), "noise": drawn_noise()[..., ::-1]}[name]
    return np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)[None], dtype=np.float32)


@pytest.mark.parametrize("picture", PICTURES)
def test_dlib_embeddings_are_dlibs_own(embedded_pack: Manifest, picture: str):
    session = Session.open(embedded_pack, "dlib_face_recognition")
    (embedding,) = session.run(drawn(picture))["embedding"]
    golden = np.array(GOLDEN["dlib_face_recognition"]["embeddings"][picture])
    assert np.linalg.norm(embedding - golden) <= 1e-4


def test_the_golden_embeddings_tell_the_pictures_apart():
    vectors = [np.array(GOLDEN["dlib_face_recognition"]["embeddings"][picture]) for picture in PICTURES]
    assert min(np.linalg.norm(vectors[i] - vectors[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 0.3


@pytest.mark.parametrize("picture", PICTURES)
def test_faceapi_ages_are_faceapis_own(embedded_pack: Manifest, picture: str):
    session = Session.open(embedded_pack, "age_faceapi")
    middle = np.ascontiguousarray(drawn(picture)[:, :, 19:131, 19:131])
    (age,) = session.run(middle)["age"].ravel()
    assert age == pytest.approx(GOLDEN["faceapi_age"]["ages"][picture], abs=1e-3)


def test_no_head_but_age_is_in_the_file(embedded_pack: Manifest):
    import onnx

    graph = onnx.load(str(embedded_pack.path("age_faceapi"))).graph
    assert [output.name for output in graph.output] == ["age"]
    widths = sorted({constant.dims[-1] for constant in graph.initializer if len(constant.dims) == 2})
    assert widths == [1]


def test_a_dlib_file_that_ends_early_is_refused():
    # The header of the first tensor (4736 values) and none of its values.
    header = bytes([1, 2, 2, 0x80, 0x12, 1, 1, 1, 1, 1, 1])
    with pytest.raises(ConversionError, match="no tensor"):
        convert("dlib_face_recognition", {"network.dat": header + bytes(100)})


def test_values_that_are_no_numbers_are_refused():
    header = bytes([1, 2, 2, 0x80, 0x12, 1, 1, 1, 1, 1, 1])
    values = np.full(4736, np.nan, dtype="<f4").tobytes()
    with pytest.raises(ConversionError, match="no numbers"):
        convert("dlib_face_recognition", {"network.dat": header + values})


@pytest.mark.parametrize(
    ("weights", "shard"),
    [
        ('[{"paths": ["s.bin"], "weights": [{"name": "a", "shape": [4]}]}]', bytes(8)),
        ('[{"paths": ["s.bin"], "weights": [{"name": "a", "shape": [1]}]}]', bytes(8)),
        ('[{"paths": ["s.bin"], "weights": [{"name": "a", "shape": [2]}]}]', bytes(8)),
        ('[{"paths": ["other.bin"], "weights": []}]', bytes(8)),
    ],
    ids=["too short", "left over", "another network", "no shard"],
)
def test_age_weights_of_another_form_are_refused(weights: str, shard: bytes):
    with pytest.raises(ConversionError):
        convert("faceapi_age", {"w.json": weights.encode(), "s.bin": shard})


def test_an_unknown_conversion_is_refused():
    with pytest.raises(ConversionError, match="no conversion"):
        convert("magic", {"file": b""})
