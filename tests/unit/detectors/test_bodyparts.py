"""The optional pack: only exposed parts are read, boxes lie where the network says, the licence comes first."""

import numpy as np
import pytest
import typer

from detectors import packs
from detectors.additions import Additions
from detectors.base import DetectorError, DetectorUnavailable, Frame, Model, State, Subject
from detectors.bodyparts import MODEL, PACK, BodyParts
from detectors.manifests import Manifest
from detectors.probes import drawn_waves
from moderation.cli.models import demand_licence

SUBJECT = Subject(duration_ms=1000)


class Network:
    """Answers with one box of one class; what it was shown is kept."""

    model = Model(id=MODEL, version="3.4.2")

    def __init__(self, row: int, score: float) -> None:
        self.answer = np.zeros((1, 22, 2100), np.float32)
        self.answer[0, :4, 7] = (160, 90, 80, 40)
        self.answer[0, 4 + row, 7] = score
        self.shown: list[np.ndarray] = []

    def run(self, batch: np.ndarray) -> dict[str, np.ndarray]:
        self.shown.append(batch)
        return {"output0": self.answer}


@pytest.mark.parametrize("row", [2, 3, 4, 6, 14])
def test_an_exposed_part_is_told_with_its_place(row: int):
    part = BodyParts(Network(row, 0.75)).find(drawn_waves(720, 1280))
    assert part.score == 0.75
    assert (part.box.x, part.box.width) == (0.375, 0.25)
    assert (part.box.y, part.box.height) == (pytest.approx(280 / 720, abs=1e-4), pytest.approx(160 / 720, abs=1e-4))


@pytest.mark.parametrize("row", [0, 1, 5, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17])
def test_faces_and_whatever_is_covered_or_harmless_are_never_read(row: int):
    assert BodyParts(Network(row, 0.99)).find(drawn_waves(90, 160)).score == 0


def test_the_picture_is_padded_below_and_to_the_right():
    network = Network(2, 0.5)
    BodyParts(network).find(np.full((180, 320, 3), 255, np.uint8))
    (batch,) = network.shown
    assert batch.shape == (1, 3, 320, 320)
    assert batch[:, :, :179].min() == 1
    assert batch[:, :, 181:].max() == 0


def test_one_sample_a_frame_and_none_is_a_failure():
    inspection = BodyParts(Network(2, 0.5)).open(SUBJECT)
    inspection.see([Frame(index=0, time_ms=40, pixels=drawn_waves(90, 160))])
    (signal,) = inspection.finish().signals
    assert [(sample.time_ms, sample.value) for sample in signal.samples] == [(40, 0.5)]
    (silent,) = BodyParts(Network(2, 0.5)).open(SUBJECT).finish().signals
    assert silent.state is State.FAILED


def test_an_answer_of_another_form_is_an_error():
    network = Network(2, 0.5)
    network.answer = network.answer[:, :10]
    with pytest.raises(DetectorError, match="no parts"):
        BodyParts(network).find(drawn_waves(90, 160))


def test_nothing_is_built_before_its_licence_is_accepted_by_name():
    for accepted in ("", "MIT", "yes"):
        with pytest.raises(typer.BadParameter, match=r"AGPL-3\.0"):
            demand_licence(PACK, accepted)
    demand_licence(PACK, "AGPL-3.0")
    with pytest.raises(typer.BadParameter, match="no pack"):
        demand_licence("everything", "AGPL-3.0")


def test_it_is_used_only_when_asked_for_and_then_must_be_there(tmp_path, embedded_pack: Manifest):
    assert Additions().digest() != Additions(body_parts=True).digest()
    assert Additions().load(tmp_path, embedded_pack) == ()
    with pytest.raises(DetectorUnavailable, match="--pack bodyparts"):
        Additions(body_parts=True).load(tmp_path, embedded_pack)


@pytest.mark.full
def test_the_real_weights_pass_their_probe(embedded_pack: Manifest):
    root = embedded_pack.folder.parent
    packs.build_optional(root, PACK, progress=lambda line: None)
    (detector,) = Additions(body_parts=True).load(root, embedded_pack)
    assert detector.find(drawn_waves(360, 640)).score < 0.1
