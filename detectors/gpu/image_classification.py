"""Detectors made of an image-classification network of the hub: labels in, signals out. They decide nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
    Box,
    DetectorError,
    DetectorUnavailable,
    Findings,
    Frame,
    Model,
    Sample,
    Signal,
    State,
    Subject,
    quantise,
)
from detectors.gpu.batching import Batcher, Rows, Ticket
from detectors.gpu.pictures import Preparation
from detectors.gpu.pins import PIN_COMMAND, GpuModel
from detectors.gpu.torch_runtime import Execution, Precision, TorchNetwork, torch_module
from detectors.probes import drawn_rings
from detectors.runtime import Device
from detectors.yunet import FaceFinder

#: How far another device or precision may be from the answer the model was pinned with.
PROBE_TOLERANCE: Final = {"fp32": 2e-3, "fp16": 2e-2, "bf16": 5e-2}
#: Below this height a face is not read: the measured line of the embedded age networks.
MIN_FACE_PX: Final = 64
#: How much wider than the face's box the square is that an age network of whole heads sees.
FACE_MARGIN: Final = 0.4


class Loaded(NamedTuple):
    """A network on its device, how it wants pictures, and the labels of its rows in order."""

    network: TorchNetwork
    preparation: Preparation
    labels: tuple[str, ...]


def load_network(
    folder: Path, model: GpuModel, *, device: Device, precision: Precision | None = None, execution: Execution = "eager"
) -> Loaded:
    """Load a classification network from a private folder of pinned files; its rows are one probability a label.

    Raises DetectorUnavailable when the files are not the model the pack means: another class, other labels, a tensor
    missing or too many (which the loader would fill with noise or drop), or code of the repository's own.
    """
    refuse_other_models(folder / "config.json", model)
    preparation = Preparation.read(folder)
    torch = torch_module()
    try:
        module = _load(folder, torch)
    except DetectorUnavailable:
        raise
    except Exception as error:  # the loaders' errors share no base class
        raise DetectorUnavailable(f"{model.id} cannot be loaded: {error}") from error
    network = TorchNetwork(
        module,
        _probabilities,
        mean=preparation.mean,
        std=preparation.std,
        device=device,
        precision=precision,
        execution=execution,
    )
    return Loaded(network, preparation, _labels(model, module.config.id2label))


def refuse_other_models(path: Path, model: GpuModel) -> None:
    """Raise DetectorUnavailable when a configuration asks for code or names another class than the pack expects."""
    try:
        config = json.loads(path.read_bytes())
        declared = tuple(config.get("architectures") or ())
    except (OSError, ValueError, AttributeError) as error:
        raise DetectorUnavailable(f"{model.id}: {path.name} cannot be read: {error!r}") from error
    if "auto_map" in config:
        raise DetectorUnavailable(f"{model.id}: its configuration asks for code of the repository; that is never run")
    if model.architectures and declared != model.architectures:
        raise DetectorUnavailable(f"{model.id} is a {declared}, and the pack expects {model.architectures}")


def _load(folder: Path, torch: Any) -> Any:
    from transformers import AutoModelForImageClassification
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    module, notes = AutoModelForImageClassification.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
        dtype=torch.float32,
    )
    odd = {name: sorted(map(str, keys)) for name, keys in notes.items() if keys}
    if odd:
        raise DetectorUnavailable(f"the weights do not fit the network: {odd}")
    return module


def _probabilities(module: Any, pixels: Any) -> Any:
    return module(pixel_values=pixels).logits.float().softmax(-1)


def _labels(model: GpuModel, id2label: Mapping[int, str]) -> tuple[str, ...]:
    named = tuple(id2label[index] for index in sorted(id2label))
    if sorted(map(str.casefold, named)) != sorted(map(str.casefold, model.labels)):
        raise DetectorUnavailable(f"{model.id} names the labels {named}, and the pack expects {model.labels}")
    return named


def weights_of(model: GpuModel, labels: Sequence[str]) -> NDArray[np.float64]:
    """Return which labels each signal adds up: float64 [signals, labels] of zeros and ones."""
    folded = [label.casefold() for label in labels]
    wanted = [{label.casefold() for label in added} for added in model.signals.values()]
    return np.array([[float(label in added) for label in folded] for added in wanted])


@dataclass(slots=True, kw_only=True)
class Classification:
    """A network at work: its batcher, how it wants pictures, and how its rows become signals."""

    model: GpuModel
    named: Model
    batcher: Batcher
    preparation: Preparation
    #: float64 [signals, labels].
    weights: NDArray[np.float64]
    probe: tuple[float, ...]
    precision: Precision

    def values(self, rows: Rows) -> NDArray[np.float64]:
        """Return float64 [frames, signals] for probabilities [frames, labels]. Raises DetectorError."""
        if len(rows) and (rows.shape[1] != self.weights.shape[1] or (rows < -1e-3).any() or (rows > 1 + 1e-3).any()):
            raise DetectorError(f"{self.model.id} gave no probabilities")
        if not len(rows):
            return np.empty((0, len(self.weights)))
        return np.clip(rows.astype(np.float64) @ self.weights.T, 0, 1)

    def self_check(self) -> None:
        """Look at drawn rings and compare with the answer the model was pinned with. Raises DetectorUnavailable."""
        check_probe(self.model.id, self.batcher, self.preparation, self.probe, PROBE_TOLERANCE[self.precision])


def check_probe(
    name: str, batcher: Batcher, preparation: Preparation, probe: Sequence[float], tolerance: float
) -> None:
    """Compare the first numbers of the network's answer to the probe picture. Raises DetectorUnavailable."""
    if not probe:
        raise DetectorUnavailable(f"{name} was pinned without its answer to the probe; run `{PIN_COMMAND}` again")
    try:
        row = answer(batcher, preparation, drawn_rings(360, 640))[: len(probe)]
    except DetectorUnavailable:
        raise
    except DetectorError as error:
        raise DetectorUnavailable(f"{name} cannot look at its probe: {error}") from error
    off = float(np.max(np.abs(row - np.array(probe)))) if len(row) == len(probe) else float("inf")
    if not off <= tolerance:
        raise DetectorUnavailable(
            f"{name} is {off:.4f} off the answer it was pinned with ({tolerance} is allowed): it cannot be relied on"
        )


def answer(batcher: Batcher, preparation: Preparation, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the network's row for one picture (uint8 [height, width, 3] BGR)."""
    ticket = batcher.begin()
    batcher.put(ticket, [preparation.prepare(picture)])
    row: NDArray[np.float32] = batcher.collect(ticket)[0]
    return row


class FrameClassifier:
    """Says of every frame how much of each signal the network sees."""

    def __init__(self, classification: Classification) -> None:
        self.classification = classification
        self.name = classification.model.id
        self.signals: tuple[str, ...] = tuple(classification.model.signals)

    def open(self, subject: Subject) -> "FrameInspection":  # noqa: ARG002 (the protocol's; nothing else is asked)
        return FrameInspection(self.classification)

    def self_check(self) -> None:
        self.classification.self_check()

    def close(self) -> None:
        """Stop the batcher."""
        self.classification.batcher.close()


@dataclass(slots=True)
class FrameInspection:
    """One clip's frames on their way through the batcher."""

    classification: Classification
    _times: list[int] = field(default_factory=list)
    _ticket: Ticket | None = None

    def see(self, frames: Sequence[Frame]) -> None:
        """Prepare the frames and queue them; their rows are collected at the end. Raises DetectorError."""
        batcher, preparation = self.classification.batcher, self.classification.preparation
        if self._ticket is None:
            self._ticket = batcher.begin()
        for frame in frames:
            batcher.put(self._ticket, [preparation.prepare(frame.pixels)])
            self._times.append(frame.time_ms)

    def finish(self) -> Findings:
        """Wait for the rows. With no frame every signal failed, for nothing was looked at."""
        work = self.classification
        if self._ticket is None:
            return Findings(signals=tuple(_failed(name, work.named) for name in work.model.signals))
        values = work.values(work.batcher.collect(self._ticket))
        return Findings(
            signals=tuple(
                Signal(
                    name=name,
                    state=State.MEASURED,
                    model=work.named,
                    samples=tuple(
                        Sample(time_ms=time_ms, value=quantise(value))
                        for time_ms, value in zip(self._times, values[:, column], strict=True)
                    ),
                )
                for column, name in enumerate(work.model.signals)
            )
        )


def _failed(name: str, model: Model) -> Signal:
    return Signal(name=name, state=State.FAILED, model=model, note="no frame was shown")


class FaceClassifier:
    """Says of every readable face how much of each signal the network sees. Finds the faces itself."""

    def __init__(self, classification: Classification, finder: FaceFinder) -> None:
        self.classification = classification
        self.finder = finder
        self.name = classification.model.id
        self.signals: tuple[str, ...] = tuple(classification.model.signals)

    def open(self, subject: Subject) -> "FaceInspection":  # noqa: ARG002 (the protocol's; nothing else is asked)
        return FaceInspection(self)

    def self_check(self) -> None:
        """Look for faces in a wide picture, then at the network's own probe. Raises DetectorUnavailable."""
        try:
            self.finder.find(drawn_rings(360, 640))
        except DetectorError as error:
            raise DetectorUnavailable(f"{self.name} cannot look for faces: {error}") from error
        self.classification.self_check()

    def close(self) -> None:
        """Stop the batcher."""
        self.classification.batcher.close()


@dataclass(slots=True)
class FaceInspection:
    """One clip's faces on their way through the batcher."""

    detector: FaceClassifier
    _places: list[tuple[int, Box]] = field(default_factory=list)
    _unread: int = 0
    _ticket: Ticket | None = None

    def see(self, frames: Sequence[Frame]) -> None:
        """Find the faces, prepare those that are large enough and queue them. Raises DetectorError."""
        work = self.detector.classification
        if self._ticket is None:
            self._ticket = work.batcher.begin()
        for frame in frames:
            height, width = frame.pixels.shape[:2]
            for face in self.detector.finder.find(frame.pixels):
                if face.height < MIN_FACE_PX:
                    self._unread += 1
                    continue
                head = square_around(frame.pixels, face.edges, FACE_MARGIN)
                work.batcher.put(self._ticket, [work.preparation.prepare(head)])
                self._places.append((frame.time_ms, face.box(width, height)))

    def finish(self) -> Findings:
        """Wait for the rows. Faces that were too small are counted in the note and have no number."""
        work = self.detector.classification
        if self._ticket is None:
            return Findings(signals=tuple(_failed(name, work.named) for name in work.model.signals))
        values = work.values(work.batcher.collect(self._ticket))
        return Findings(signals=tuple(self._signal(name, values[:, i]) for i, name in enumerate(work.model.signals)))

    def _signal(self, name: str, values: NDArray[np.float64]) -> Signal:
        samples = tuple(
            Sample(time_ms=time_ms, value=quantise(value), box=box)
            for (time_ms, box), value in zip(self._places, values, strict=True)
        )
        note = f"{self._unread} faces were too small to be read" if self._unread else ""
        model = self.detector.classification.named
        return Signal(name=name, state=State.MEASURED, model=model, samples=samples, note=note)


def square_around(pixels: NDArray[np.uint8], edges: NDArray[np.float32], margin: float) -> NDArray[np.uint8]:
    """Cut a square around a box (left, top, right, bottom in pixels), its longer side plus `margin`.

    `pixels` is uint8 [height, width, 3]; what lies outside the picture repeats its edge. Raises DetectorError.
    """
    if not np.isfinite(edges).all():
        raise DetectorError("a face has no box")
    height, width = pixels.shape[:2]
    # A box may leave the picture, yet not by more than the picture's own size: the square stays within bounds.
    left, right = (float(value) for value in np.clip(edges[[0, 2]], -width, 2 * width))
    top, bottom = (float(value) for value in np.clip(edges[[1, 3]], -height, 2 * height))
    half = max(right - left, bottom - top, 2.0) * (1 + margin) / 2
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2
    columns = np.arange(round(centre_x - half), round(centre_x + half))
    rows = np.arange(round(centre_y - half), round(centre_y + half))
    return np.asarray(pixels[np.ix_(rows.clip(0, height - 1), columns.clip(0, width - 1))], dtype=np.uint8)
