"""open_nsfw through our preparation scores as its reference implementation does, and a broken net is noticed."""

from pathlib import Path

import numpy as np
import pytest

from detectors.base import DetectorUnavailable, Frame, Model, State, Subject
from detectors.calibration import Calibration
from detectors.explicit import ExplicitDetector
from detectors.manifests import Manifest
from detectors.probes import drawn_rings, drawn_waves
from detectors.runtime import Session

# Scores of the carrier's own code (antialiased resize and JPEG by Pillow) on the same pictures.
REFERENCE = [
    (drawn_rings, 360, 640, 0.6758750),
    (drawn_rings, 720, 1280, 0.0155609),
    (drawn_rings, 300, 450, 0.1317659),
    (drawn_rings, 200, 160, 0.1485167),
    (drawn_waves, 720, 1280, 0.0013704),
    (drawn_waves, 300, 450, 0.0051787),
]
SUBJECT = Subject(duration_ms=1000)


@pytest.fixture(scope="module")
def detector(embedded_pack: Manifest) -> ExplicitDetector:
    return ExplicitDetector.load(embedded_pack)


@pytest.mark.parametrize(("draw", "height", "width", "score"), REFERENCE)
def test_scores_are_the_references(detector: ExplicitDetector, draw, height: int, width: int, score: float):
    assert detector.score([draw(height, width)]) == [pytest.approx(score, abs=1e-3)]


def frames(count: int) -> list[Frame]:
    return [
        Frame(index=i, time_ms=333 * i, pixels=np.roll(drawn_rings(180, 320), 20 * i, axis=1)) for i in range(count)
    ]


def test_one_sample_per_frame_at_its_time(detector: ExplicitDetector):
    inspection = detector.open(SUBJECT)
    inspection.see(frames(10))
    signal, probability = inspection.finish().signals
    assert (signal.name, signal.state, signal.model) == (
        "explicit.score", State.MEASURED, Model(id="open_nsfw", version="1.0")
    )  # fmt: skip
    assert [sample.time_ms for sample in signal.samples] == [333 * i for i in range(10)]
    assert all(0 <= sample.value <= 1 and sample.value == round(sample.value, 4) for sample in signal.samples)
    assert (probability.name, probability.state) == ("explicit.probability", State.NOT_MEASURED)
    assert not probability.samples


def calibrated(version: str) -> Calibration:
    return Calibration(
        signal="explicit.score", model="open_nsfw", version=version, slope=1.5, offset=-1.0, flagged=50, benign=50
    )


def test_a_calibrated_net_gives_a_probability_beside_the_raw_score(embedded_pack: Manifest):
    calibration = calibrated("1.0")
    inspection = ExplicitDetector.load(embedded_pack, calibration=calibration).open(SUBJECT)
    inspection.see(frames(2))
    raw, probability = inspection.finish().signals
    assert raw.model == probability.model == Model(id="open_nsfw", version="1.0", calibration=calibration.id)
    assert probability.state is State.MEASURED
    assert [sample.value for sample in probability.samples] == [calibration.probability(s.value) for s in raw.samples]


def test_a_calibration_of_other_weights_is_not_used(embedded_pack: Manifest):
    inspection = ExplicitDetector.load(embedded_pack, calibration=calibrated("0.9")).open(SUBJECT)
    inspection.see(frames(2))
    raw, probability = inspection.finish().signals
    assert raw.model.calibration == "none"
    assert probability.state is State.NOT_MEASURED
    assert "calibrate again" in probability.note


def test_how_frames_are_batched_changes_nothing(detector: ExplicitDetector):
    whole, parts = detector.open(SUBJECT), detector.open(SUBJECT)
    whole.see(frames(5))
    for frame in frames(5):
        parts.see([frame])
    assert whole.finish() == parts.finish()


def test_no_frame_is_a_failure_and_not_a_zero(detector: ExplicitDetector):
    inspection = detector.open(SUBJECT)
    inspection.see([])
    for signal in inspection.finish().signals:
        assert signal.state is State.FAILED
        assert not signal.samples


def test_self_check_passes_on_the_real_weights(detector: ExplicitDetector):
    detector.self_check()


def test_self_check_notices_a_net_that_always_says_fine(embedded_pack: Manifest, tmp_path: Path):
    import onnx
    from onnx import numpy_helper

    network = onnx.load(str(embedded_pack.path("open_nsfw")))
    for constant in network.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.ndim > 1:
            constant.CopyFrom(numpy_helper.from_array(np.zeros_like(values), constant.name))
    broken = Session(network.SerializeToString(), model=Model(id="open_nsfw", version="1.0"), device="cpu")
    with pytest.raises(DetectorUnavailable, match="cannot be relied on"):
        ExplicitDetector(broken).self_check()
