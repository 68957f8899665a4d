"""Ages are read of faces that are large enough, by both nets when both are there; what is not read stays unread."""

import dataclasses

import numpy as np
import pytest

from detectors.base import (
    Box,
    DetectorUnavailable,
    FaceState,
    FaceTrack,
    Findings,
    Sample,
    Signal,
    State,
)
from detectors.manifests import Manifest, Presence
from detectors.minors import (
    DRAWN_FROM,
    MIN_SHADES,
    SIGNALS,
    AgeReader,
    AgeReading,
    AgeState,
    conclude_age,
    withhold_ages_of_drawn,
)
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


def reading(first: float, second: float | None = None, shades: float | None = 0.6) -> AgeReading:
    """A reading whose first network is sure of one year."""
    beliefs = tuple(float(year == round(first)) for year in range(81))
    return AgeReading(age_first=first, p_under_18=float(first < 18), age_second=second, beliefs=beliefs, shades=shades)


def test_a_track_no_view_of_which_was_read_is_unread():
    age = conclude_age([AgeReading(), AgeReading()])
    assert age.state is AgeState.UNREAD
    assert not age.cleared
    assert age.samples(time_ms=0, track=1) == {}


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [(40, 38, "adult"), (40, 24.9, "uncertain"), (24, 40, "uncertain"), (25, 25, "adult"), (30, None, "adult")],
)
def test_the_younger_network_decides_whether_a_face_is_cleared(first: float, second: float | None, state: str):
    age = conclude_age([reading(first, second)])
    assert age.state == state
    assert age.age == min(value for value in (first, second) if value is not None)
    assert age.cleared is (state == "adult")


def test_views_are_averaged_for_each_network():
    age = conclude_age([reading(20, 40), reading(40, 30)])
    assert (age.age, age.spread) == (30, 5)


def test_disagreement_counts_for_the_younger_in_the_distribution():
    old, young, both = (conclude_age([r]) for r in (reading(40, 41), reading(17, 18), reading(40, 18)))
    assert old.p_under_18 < 0.01
    assert 0.49 < both.p_under_18 <= young.p_under_18
    assert sum(both.beliefs) == pytest.approx(1, abs=5e-3)
    assert min(both.beliefs) >= 0
    assert both.p_under_25 >= both.p_under_18


def test_a_face_without_shades_has_no_age():
    age = conclude_age([reading(40, 40, shades=MIN_SHADES - 0.01)])
    assert age.state is AgeState.DRAWN
    assert (age.age, age.p_under_18) == (None, None)
    assert {name: sample.value for name, sample in age.samples(time_ms=5, track=2).items()} == {"face.drawn": 1.0}
    assert conclude_age([reading(40, 40, shades=MIN_SHADES)]).state is AgeState.ADULT


def test_the_shipped_reader_finds_the_drawn_head_drawn(reader: AgeReader):
    (read,) = reader.read(drawn_head(), [HEAD_BOX], [HEAD_POINTS])
    assert len(read.beliefs) == 81
    assert conclude_age([read]).state is AgeState.DRAWN


def found(*looks: tuple[int, float], state: State = State.MEASURED) -> list[Findings]:
    """Tracks 1 (0-1000 ms) and 2 (1000-2000 ms), both read as adults, and what was seen of the frames."""
    box = Box(x=0, y=0, width=1, height=1)
    faces = tuple(
        FaceTrack(
            track=track,
            start_ms=start,
            end_ms=start + 1000,
            state=FaceState.UNMATCHED,
            height_px=100,
            boxes=((start, box),),
        )
        for track, start in ((1, 0), (2, 1000))
    )
    values = {"face.age": 40.0, "minor.score": 0.0}
    ages = tuple(
        Signal(
            name=name,
            state=State.MEASURED,
            samples=tuple(
                Sample(time_ms=face.start_ms, value=values[name], track=face.track) for face in faces if name in values
            ),
        )
        for name in SIGNALS
    )
    samples = tuple(Sample(time_ms=time_ms, value=value) for time_ms, value in looks)
    drawn = Signal(name="drawn.score", state=state, samples=samples)
    return [Findings(signals=ages, faces=faces), Findings(signals=(drawn,))]


def tracks_of(findings: list[Findings]) -> dict[str, list[int | None]]:
    return {
        signal.name: [sample.track for sample in signal.samples] for signal in findings[0].signals if signal.samples
    }


def test_ages_of_tracks_in_drawn_frames_are_taken_back():
    withheld = withhold_ages_of_drawn(found((0, 0.01), (1200, DRAWN_FROM)))
    assert tracks_of(withheld) == {"face.age": [1], "minor.score": [1], "face.drawn": [2]}


def test_a_track_between_two_looks_goes_by_the_one_before():
    withheld = withhold_ages_of_drawn(found((0, 0.9)))
    assert tracks_of(withheld) == {"face.drawn": [1, 2]}


def test_photographed_frames_leave_ages_alone():
    findings = found((0, DRAWN_FROM - 1e-4), (1000, 0.0))
    assert tracks_of(withhold_ages_of_drawn(findings)) == tracks_of(findings)


@pytest.mark.parametrize("state", [State.NOT_MEASURED, State.FAILED])
def test_a_signal_that_was_not_measured_takes_nothing_back(state: State):
    findings = found((0, 0.9), state=state)
    assert withhold_ages_of_drawn(findings) == findings
