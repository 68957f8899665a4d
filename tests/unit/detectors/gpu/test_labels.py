"""The sentences of zero-shot categories: several languages, benign look-alikes, and a name that changes with them."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from detectors.base import DetectorUnavailable
from detectors.gpu.labels import Category, load_labels
from detectors.gpu.zero_shot import Question
from moderation.policy.registry import SIGNALS

SHIPPED = Path(__file__).parents[4] / "policies" / "scenes" / "labels.yaml"


@pytest.fixture
def changed(tmp_path):
    def change(edit) -> Path:
        document = yaml.safe_load(SHIPPED.read_text())
        edit(document)
        (tmp_path / "labels.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
        return tmp_path / "labels.yaml"

    return change


def test_the_shipped_labels_speak_three_languages_and_have_look_alikes():
    labels = load_labels(SHIPPED)
    assert {category.signal for category in labels.categories} == {n for n in SIGNALS if n.startswith("scene.")}
    for category in labels.categories:
        if category.signal == "scene.character":
            assert category.present == ()
            continue
        assert len(category.absent) >= 3
        assert {lang for concept in (*category.present, *category.absent) for lang in concept.sentences} == {
            "en",
            "fr",
            "ar",
        }
        assert all(len(concept.all) == 9 for concept in category.present)


def test_a_sentence_changed_is_another_version(changed):
    assert load_labels(changed(lambda document: None)).version == load_labels(SHIPPED).version

    def edit(document):
        document["categories"][0]["present"][0]["en"] += "!"

    assert load_labels(changed(edit)).version != load_labels(SHIPPED).version


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.pop("templates"),
        lambda document: document["categories"][0].update(signal="explicit.score"),
        lambda document: document["categories"][0].update(signal="scene.a b"),
        lambda document: document["categories"][0].update(absent=[]),
        lambda document: document["categories"][0]["present"].append({}),
        lambda document: document["categories"][0]["present"].append({"de": "ein Kampf"}),
        lambda document: document["categories"][0]["present"].append({"en": " "}),
        lambda document: document["categories"][0]["present"].append({"en": "x" * 300}),
        lambda document: document["categories"][0]["present"].extend([{"en": "a"}] * 300),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(changed, edit):
    with pytest.raises(DetectorUnavailable, match="cannot be used"):
        load_labels(changed(edit))


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "labels.yaml").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(DetectorUnavailable):
        load_labels(tmp_path / "labels.yaml")


def test_a_score_is_how_much_a_frame_prefers_what_is_looked_for():
    category = Category(signal="scene.any", present=(), absent=())
    question = Question(category=category, vectors=np.eye(5), wanted=2)
    rows = np.eye(5, dtype=np.float32)
    scores = question.scores(np.vstack([rows, np.full((1, 5), 0.2, np.float32)]), 50.0)
    assert scores[:2].min() > 0.99
    assert scores[2:5].max() < 0.01
    assert scores[5] == pytest.approx(2 / 5)
    # A large scale must not overflow.
    assert np.isfinite(question.scores(rows, 1000.0)).all()
