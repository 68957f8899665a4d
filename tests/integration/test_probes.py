"""Every network that ships is watched by its detector's probe: one that is dead or says nothing is noticed by name."""

from collections.abc import Callable

import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable
from detectors.manifests import Presence
from detectors.runtime import Session
from moderation.errors import Outage
from moderation.scoring import guarded

#: Which detector answers for which network that is run as a session.
WATCHED = {
    "open_nsfw": "explicit",
    "face_detection_yunet": "faces",
    "dlib_face_recognition": "faces",
    "age_v1": "faces",
    "age_faceapi": "faces",
    "drawn_mobilenet": "drawn",
    "silero_vad": "voices",
    "dvector_lite": "voices",
    "ppocr_lines": "screen_text",
    "ppocr_letters": "screen_text",
}
#: The sentence encoder runs in numpy; its own probe is in tests/unit/detectors/test_sentences.py.
ELSEWHERE = {"sentence_encoder", "sentence_pieces"}


@pytest.fixture
def break_network(monkeypatch) -> Callable[[str, Callable], list[str]]:
    """Let one network answer otherwise; returns a list that fills while it is asked."""
    real = Session.run_many

    def breaking(model: str, fault: Callable) -> list[str]:
        asked: list[str] = []

        def run_many(session, inputs):
            if session.model.id != model:
                return real(session, inputs)
            asked.append(model)
            return fault(real(session, inputs))

        monkeypatch.setattr(Session, "run_many", run_many)
        return asked

    return breaking


def falls_silent(answers):
    return {name: np.zeros_like(answer) for name, answer in answers.items()}


def dies(_):
    raise DetectorError("the runtime is gone")


def detector_of(loaded, model):
    (detector,) = [detector for detector in loaded if detector.name == WATCHED[model]]
    return detector


def test_no_network_of_the_pack_is_left_out(embedded_pack):
    present = {entry.id for entry in embedded_pack.models if entry.state is Presence.PRESENT}
    assert present == set(WATCHED) | ELSEWHERE


@pytest.mark.parametrize("model", WATCHED)
def test_a_network_that_answers_nought_fails_its_probe(loaded, break_network, model):
    asked = break_network(model, falls_silent)
    with pytest.raises(DetectorUnavailable):
        detector_of(loaded, model).self_check()
    assert asked


@pytest.mark.parametrize("model", WATCHED)
def test_a_network_that_dies_under_a_clip_holds_it_and_blames_no_clip(loaded, break_network, model):
    def stumbles() -> None:
        raise DetectorError("as over any clip")

    break_network(model, dies)
    with pytest.raises(Outage) as outage:
        guarded(detector_of(loaded, model), stumbles)
    assert outage.value.cause == f"detector:{WATCHED[model]}"
