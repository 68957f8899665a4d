"""Ages are read of faces that are large enough, by both nets when both are there; what is not read stays unread."""

import dataclasses

import numpy as np
import pytest

from detectors.base import DetectorUnavailable
from detectors.manifests import Manifest, Presence
from detectors.minors import AgeReader, AgeReading
from detectors.probes import HEAD_BOX, HEAD_POINTS, drawn_head
from detectors.runtime import Session


@pytest.fixture(scope="module")
def reader(embedded_pack: Manifest) -> AgeReader:
    return AgeReader.load(embedded_pack)


def shrunk(height_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Box and points of the drawn head as if its box were `height_px` high."""
    scale = height_px / float(HEAD_BOX[3] - HEAD_BOX[1])
    return HEAD_BOX * np.float32(scale), HEAD_POINTS * np.float32(scale)


def test_self_check_passes_on_the_real_weights(reader: AgeReader):
    reader.self_check()


def test_self_check_notices_weights_that_were_exchanged(embedded_pack: Manifest):
    # The same network with a bias of a thousand years: what a wrong file of the right shape looks like.
    import onnx
    from onnx import numpy_helper

    network = onnx.load(str(embedded_pack.path("age_faceapi")))
    bias = network.graph.initializer[-1]
    bias.CopyFrom(numpy_helper.from_array(np.array([1000], np.float32), bias.name))
    entry = embedded_pack.entry("age_faceapi")
    exchanged = Session(network.SerializeToString(), model=entry.model, device="cpu")
    with pytest.raises(DetectorUnavailable, match="age_faceapi reads its probe"):
        AgeReader(Session.open(embedded_pack, "age_v1"), exchanged).self_check()


def test_both_nets_read_a_large_face(reader: AgeReader):
    (reading,) = reader.read(drawn_head(), [HEAD_BOX], [HEAD_POINTS])
    assert not reading.unread
    assert 0 < reading.age_first < 80
    assert 0 < reading.age_second < 80
    assert 0 <= reading.p_under_18 <= 1
    assert reading.youngest == min(reading.age_first, reading.age_second)
    assert reader.note == ""
    assert [model.id for model in reader.models] == ["age_v1", "age_faceapi"]


def test_a_face_below_64_pixels_stays_unread(reader: AgeReader):
    (box, points), (tall_box, tall_points) = shrunk(63.9), shrunk(64.0)
    small, tall = reader.read(drawn_head(), [box, tall_box], [points, tall_points])
    assert small == AgeReading()
    assert small.unread
    assert small.youngest is None
    assert not tall.unread


def test_points_that_coincide_leave_the_face_unread(reader: AgeReader):
    assert reader.read(drawn_head(), [HEAD_BOX], [np.zeros((5, 2), np.float32)]) == [AgeReading()]


def test_a_box_that_is_no_box_leaves_the_face_unread(reader: AgeReader):
    box = np.array([np.nan, 0, 100, np.nan], np.float32)
    assert reader.read(drawn_head(), [box], [HEAD_POINTS]) == [AgeReading()]


def test_readings_keep_the_order_of_the_faces_and_do_not_depend_on_company(reader: AgeReader):
    moved = np.roll(drawn_head(), 3, axis=1)
    picture = np.concatenate([drawn_head(), moved], axis=1)
    boxes = [HEAD_BOX, shrunk(20)[0], HEAD_BOX + np.float32([153, 0, 153, 0])]
    points = [HEAD_POINTS, shrunk(20)[1], HEAD_POINTS + np.float32([153, 0])]
    together = reader.read(picture, boxes, points)
    alone = [reader.read(picture, [box], [spots])[0] for box, spots in zip(boxes, points, strict=True)]
    assert together == alone
    assert together[1].unread
    assert not together[2].unread


def test_a_face_half_outside_the_frame_is_read(reader: AgeReader):
    (reading,) = reader.read(drawn_head(), [HEAD_BOX - 60], [HEAD_POINTS - 60])
    assert not reading.unread


def test_no_faces_give_no_readings(reader: AgeReader):
    assert reader.read(drawn_head(), [], []) == []


def test_without_the_second_net_the_first_speaks_and_the_lack_is_told(embedded_pack: Manifest):
    models = tuple(
        dataclasses.replace(entry, state=Presence.ABSENT, note="npm is not installed") if entry.optional else entry
        for entry in embedded_pack.models
    )
    reader = AgeReader.load(dataclasses.replace(embedded_pack, models=models))
    (reading,) = reader.read(drawn_head(), [HEAD_BOX], [HEAD_POINTS])
    assert reading.age_second is None
    assert reading.youngest == reading.age_first
    assert "npm is not installed" in reader.note
    reader.self_check()
