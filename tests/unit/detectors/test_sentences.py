"""The sentence encoder gives what the carrier's own program gives, whatever else is encoded beside it."""

from pathlib import Path

import numpy as np
import pytest

from detectors.base import DetectorUnavailable
from detectors.manifests import Manifest
from detectors.pieces import Pieces
from detectors.sentences import MODEL, VOCABULARY, WIDTH, SentenceEncoder

#: Text, piece numbers, and values 0, 1, 100, 255 and 511 of the vector: stored answers of the carrier's program.
ANSWERS = [
    (
        "A cat is playing the piano on the beach.",
        [1, 63, 2665, 32, 3241, 12, 6423, 54, 12, 15798, 8, 2],
        [-0.0638, 0.05256, -0.01245, 0.04585, 0.01989],
    ),
    (
        "une recette de gâteau au chocolat",
        [1, 312, 54500, 13, 633, 75823, 450, 35693, 2],
        [0.0022, 0.05567, -0.07342, -0.02638, 0.01397],
    ),
    (
        "قطة تعزف البيانو على الشاطئ",
        [1, 11190, 30152, 655, 127584, 58471, 53335, 649, 350, 122621, 2],
        [-0.04891, 0.06971, -0.0218, 0.03992, 0.02152],
    ),
    (
        "ⵉⴷⴰⵎⵎⵏ ½ ﬁ",
        [1, 6, 0, 0, 0, 0, 0, 0, 32259, 7950, 2],
        [0.07872, 0.01625, -0.04502, 0.04327, 0.03035],
    ),
]


@pytest.fixture(scope="module")
def encoder(embedded_pack: Manifest) -> SentenceEncoder:
    return SentenceEncoder.open(embedded_pack)


@pytest.mark.parametrize(("text", "numbers", "values"), ANSWERS)
def test_pieces_and_vector_are_those_of_the_carriers_program(encoder, text, numbers, values):
    assert encoder.pieces.cut(text) == numbers
    assert np.allclose(encoder.encode([text])[0, [0, 1, 100, 255, 511]], values, atol=2e-5)


def test_a_sentence_is_encoded_alike_alone_and_among_others(encoder):
    texts = [text for text, _, _ in ANSWERS]
    together = encoder.encode(texts * 20)
    assert together.shape == (80, WIDTH)
    assert together.dtype == np.float32
    for row, text in enumerate(texts):
        assert np.allclose(together[row], encoder.encode([text])[0], atol=1e-6)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_the_same_meaning_is_nearer_than_another_in_other_languages(encoder):
    cat, chat, cake, gateau = encoder.encode(
        ["a cat plays the piano", "un chat joue du piano", "a recipe for a chocolate cake", ANSWERS[1][0]]
    )
    assert min(cat @ chat, cake @ gateau) > 0.7
    assert max(cat @ gateau, cake @ chat) < 0.3


def test_nothing_and_blanks_can_be_encoded(encoder):
    assert encoder.encode([]).shape == (0, WIDTH)
    assert np.isfinite(encoder.encode(["", " \n"])).all()


def test_the_probe_tells_other_weights(encoder, embedded_pack):
    encoder.check()
    spoilt = SentenceEncoder.open(embedded_pack)
    spoilt._table[:] = np.roll(spoilt._table, 1, axis=0)
    with pytest.raises(DetectorUnavailable, match="probe"):
        spoilt.check()


@pytest.mark.parametrize("model", [MODEL, VOCABULARY])
def test_damaged_weights_are_refused(embedded_pack, tmp_path, model):
    folder = tmp_path / embedded_pack.folder.name
    folder.mkdir()
    for entry in embedded_pack.models:
        (folder / entry.file).symlink_to(embedded_pack.path(entry.id))
    place = folder / embedded_pack.entry(model).file
    place.unlink()
    place.write_bytes(embedded_pack.path(model).read_bytes()[:-1])
    with pytest.raises(DetectorUnavailable, match="not the file"):
        SentenceEncoder.open(_moved(embedded_pack, folder))
    place.unlink()
    with pytest.raises(DetectorUnavailable, match="models build"):
        SentenceEncoder.open(_moved(embedded_pack, folder))


def _moved(manifest: Manifest, folder: Path) -> Manifest:
    return Manifest(pack=manifest.pack, version=manifest.version, folder=folder, models=manifest.models)


@pytest.mark.parametrize(
    "content", [b"", b"\x0a\x05\x0a\x09abc", b"\x0a\x03\x15abc", b"\x0a\x04\x0a\x02\xff\xfe", b"\x12"]
)
def test_a_vocabulary_that_is_none_is_refused(content):
    with pytest.raises(DetectorUnavailable, match="vocabulary"):
        Pieces.read(content)


def test_weights_that_are_none_are_refused(encoder):
    with pytest.raises(DetectorUnavailable, match="weights"):
        SentenceEncoder(encoder.pieces, b"PK\x03\x04 no archive")
