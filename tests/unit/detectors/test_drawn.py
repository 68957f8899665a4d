"""Drawn frames and faces are told from photographed ones; what the network says is what its own runtime says."""

import dataclasses

import numpy as np
import pytest

from detectors.base import DetectorError, DetectorUnavailable, Frame, Model, State, Subject
from detectors.conversion import ConversionError, convert
from detectors.drawn import EVERY_MS, SIGNAL, DrawnDetector, share_of_shades
from detectors.manifests import Manifest, Presence
from detectors.minors import MIN_SHADES
from detectors.probes import HEAD_BOX, drawn_head, drawn_rings, drawn_waves
from detectors.runtime import Session

# Drawing and hentai added up, written by TensorFlow.js 4.22 from the carrier's own files.
GOLDEN = {"waves": 0.043201, "rings": 0.935116, "head": 0.552102}
PICTURES = {
    "waves": drawn_waves(224, 224),
    "rings": drawn_rings(224, 224),
    "head": np.pad(drawn_head(), ((37, 37), (37, 37), (0, 0)), mode="edge"),
}
SUBJECT = Subject(duration_ms=10_000)


@pytest.fixture(scope="module")
def detector(embedded_pack: Manifest) -> DrawnDetector:
    return DrawnDetector.load(embedded_pack)


def frames(*moments: tuple[int, int]) -> list[Frame]:
    """Frames of rings at (time, shot)."""
    rings = drawn_rings(180, 320)
    return [Frame(index=i, time_ms=at, pixels=rings, shot=shot) for i, (at, shot) in enumerate(moments)]


def looked_at(detector: DrawnDetector, shown: list[Frame]) -> list[int]:
    inspection = detector.open(SUBJECT)
    inspection.see(shown)
    (signal,) = inspection.finish().signals
    assert signal.state is State.MEASURED
    return [sample.time_ms for sample in signal.samples]


@pytest.mark.parametrize("picture", GOLDEN)
def test_the_converted_network_answers_as_its_own_runtime(detector: DrawnDetector, picture: str):
    assert detector.score(PICTURES[picture]) == pytest.approx(GOLDEN[picture], abs=2e-4)


def test_nothing_but_drawn_is_in_the_file(embedded_pack: Manifest):
    import onnx

    graph = onnx.load(str(embedded_pack.path("drawn_mobilenet"))).graph
    (output,) = graph.output
    assert output.name == "drawn"
    assert output.type.tensor_type.shape.dim[1].dim_value == 1


def test_weights_of_another_form_are_refused():
    with pytest.raises(ConversionError):
        convert("nsfwjs_drawn", {"model.min.js": b"weightsManifest:[]", "group1-shard1of1.min.js": b'exports="AAAA"'})


def test_few_frames_of_a_shot_are_looked_at_and_every_shot(detector: DrawnDetector):
    shown = frames((0, 0), (500, 0), (EVERY_MS - 1, 0), (EVERY_MS, 0), (2100, 1), (2200, 0), (2300, 2), (4300, 2))
    assert looked_at(detector, shown) == [0, EVERY_MS, 2100, 2300, 4300]


def test_batches_do_not_matter(detector: DrawnDetector):
    shown = frames((0, 0), (1000, 0), (2000, 0), (3000, 1))
    inspection = detector.open(SUBJECT)
    for frame in shown:
        inspection.see([frame])
    together = detector.open(SUBJECT)
    together.see(shown)
    assert inspection.finish() == together.finish()


def test_no_frame_at_all_is_a_failure(detector: DrawnDetector):
    (signal,) = detector.open(SUBJECT).finish().signals
    assert signal.state is State.FAILED


def test_without_the_network_nothing_is_measured_and_why_is_said(embedded_pack: Manifest):
    models = tuple(
        dataclasses.replace(entry, state=Presence.ABSENT, note="npm is not installed") if entry.optional else entry
        for entry in embedded_pack.models
    )
    detector = DrawnDetector.load(dataclasses.replace(embedded_pack, models=models))
    detector.self_check()
    inspection = detector.open(SUBJECT)
    inspection.see(frames((0, 0)))
    (signal,) = inspection.finish().signals
    assert (signal.name, signal.state, signal.samples) == (SIGNAL, State.NOT_MEASURED, ())
    assert "npm is not installed" in signal.note
    with pytest.raises(DetectorError):
        detector.score(drawn_head())


def test_self_check_passes_on_the_real_weights_and_notices_others(detector: DrawnDetector, embedded_pack: Manifest):
    import onnx
    from onnx import numpy_helper

    detector.self_check()
    network = onnx.load(str(embedded_pack.path("drawn_mobilenet")))
    last = network.graph.initializer[-1]
    last.CopyFrom(numpy_helper.from_array(np.array([[0], [0], [1], [1], [1]], np.float32), last.name))
    exchanged = Session(network.SerializeToString(), model=Model(id="drawn_mobilenet", version="x"), device="cpu")
    with pytest.raises(DetectorUnavailable, match="scores its probe"):
        DrawnDetector(exchanged).self_check()


def lit_ball(noise: float) -> np.ndarray:
    """A ball lit from one side with a photograph's grain: shaded all over, uint8 [150, 150, 3]."""
    y, x = np.mgrid[0:150, 0:150]
    light = 128 + 60 * np.sin((x + 2 * y) / 18.0) + 30 * np.cos(x / 11.0)
    grain = np.random.default_rng(5).normal(0, noise, (150, 150, 3))
    return np.clip(light[..., None] + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("light", [1.0, 0.3])
def test_flat_colours_have_few_shades_and_lit_surfaces_many_in_any_light(light: float):
    flat = share_of_shades((drawn_head() * light).astype(np.uint8), HEAD_BOX)
    lit = share_of_shades((lit_ball(6) * light).astype(np.uint8), HEAD_BOX)
    assert flat < MIN_SHADES < lit
