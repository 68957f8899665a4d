"""The GPU pack as detectors: whatever the lock names must load, whatever it does not name says `not_measured`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from detectors.base import Detector, DetectorUnavailable, Findings, Frame, Model, Signal, State, Subject
from detectors.gpu import image_classification, zero_shot
from detectors.gpu.batching import Batcher
from detectors.gpu.image_classification import Classification, FaceClassifier, FrameClassifier, weights_of
from detectors.gpu.labels import Labels
from detectors.gpu.offline import faults, opened
from detectors.gpu.pins import PIN_COMMAND, GpuModel, GpuPins, Lock, LockedModel, read_gpu_pins, read_lock
from detectors.gpu.references import MODEL, SIMILARITY, PictureEmbedder
from detectors.gpu.torch_runtime import Execution, Precision, TorchNetwork
from detectors.gpu.zero_shot import Scenes
from detectors.runtime import Device
from detectors.yunet import FaceFinder

NOT_PINNED: Final = f"the GPU pack has a model for it, and no operator pinned it (`{PIN_COMMAND}`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where and how the networks run; nothing of it is chosen in silence."""

    device: Device = "cuda"
    #: None: half precision on a card, single on a processor.
    precision: Precision | None = None
    execution: Execution = "eager"
    #: None: as many as `gpu.toml` says of each model.
    frames_per_run: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One model of the pack, for lists and for `doctor`."""

    model: GpuModel
    locked: LockedModel | None
    faults: tuple[str, ...]

    @property
    def state(self) -> str:
        """`not pinned`, `present`, or `damaged` when a file is missing or another one than was pinned."""
        if self.locked is None:
            return "not pinned"
        return "damaged" if self.faults else "present"


class _Unmeasured:
    """Says of its signals that nobody measured them, and why. Silence is never a zero."""

    def __init__(self, model: GpuModel, signals: Sequence[str]) -> None:
        self.name = model.id
        self.signals: tuple[str, ...] = tuple(signals)

    def open(self, subject: Subject) -> "_Unmeasured":  # noqa: ARG002 (the protocol's; there is nothing to ask)
        return self

    def see(self, frames: Sequence[Frame]) -> None:
        """Look at nothing."""

    def finish(self) -> Findings:
        return Findings(
            signals=tuple(Signal(name=name, state=State.NOT_MEASURED, note=NOT_PINNED) for name in self.signals)
        )

    def self_check(self) -> None:
        """There is nothing that could fail."""


class Finders(Protocol):
    """Gives the face finder on its first use: only some models look at faces."""

    def __call__(self) -> FaceFinder: ...


def inventory(root: Path, lock_path: Path) -> tuple[Standing, ...]:
    """Return every model of the pack with its state; hashes the files of those that are pinned."""
    pins = read_gpu_pins()
    lock = read_lock(lock_path, pins)
    return tuple(
        Standing(model=model, locked=locked, faults=tuple(faults(root, model, locked)) if locked else ())
        for model in pins.models
        for locked in [lock.models.get(model.id)]
    )


def load_gpu_detectors(
    root: Path, lock: Lock, labels: Labels, finder: Finders, placement: Placement, *, pins: GpuPins | None = None
) -> tuple[Detector, ...]:
    """Load every pinned model that emits signals, each past its self-check; the others say `not_measured`.

    Raises DetectorUnavailable when nothing is pinned, when a pinned model cannot be loaded, or when it gives another
    answer to the probe than when it was pinned.
    """
    pins = pins or read_gpu_pins()
    if not lock.models:
        raise DetectorUnavailable(f"the GPU pack was asked for and nothing of it is pinned; see `{PIN_COMMAND} --help`")
    loaded: list[Detector] = []
    try:
        for model in pins.models:
            loaded += _load(root, model, lock, labels, finder, placement)
    except Exception:
        close_all(loaded)
        raise
    return tuple(loaded)


def _load(
    root: Path, model: GpuModel, lock: Lock, labels: Labels, finder: Finders, placement: Placement
) -> list[Detector]:
    signals = (
        (*(category.signal for category in labels.categories), SIMILARITY)
        if model.loader == "zero_shot"
        else model.signals
    )
    if model.looks_at == "enrolment":
        return []
    locked = lock.models.get(model.id)
    if locked is None:
        return [_Unmeasured(model, tuple(signals))]
    named = locked.named(model.id)
    with opened(root, model, locked) as folder:
        if model.loader == "zero_shot":
            return [_scenes(folder, model, named, locked, labels, placement)]
        classification = _classification(folder, model, named, locked, placement)
    if model.looks_at == "faces":
        return [FaceClassifier(classification, finder())]
    return [FrameClassifier(classification)]


def _classification(
    folder: Path, model: GpuModel, named: Model, locked: LockedModel, placement: Placement
) -> Classification:
    network, preparation, names = image_classification.load_network(
        folder, model, device=placement.device, precision=placement.precision, execution=placement.execution
    )
    return Classification(
        model=model,
        named=named,
        batcher=_batcher(model, network, placement),
        preparation=preparation,
        weights=weights_of(model, names),
        probe=locked.probe,
        precision=network.precision,
    )


def _scenes(
    folder: Path, model: GpuModel, named: Model, locked: LockedModel, labels: Labels, placement: Placement
) -> Scenes:
    network, preparation, scale, sentences = zero_shot.load_network(
        folder, model, device=placement.device, precision=placement.precision, execution=placement.execution
    )
    return Scenes(
        model,
        named,
        _batcher(model, network, placement),
        preparation,
        zero_shot.questions(labels, sentences),
        scale=scale,
        probe=locked.probe,
        precision=network.precision,
    )


def load_embedder(root: Path, lock: Lock, placement: Placement) -> PictureEmbedder | None:
    """Load what makes vectors of works' pictures, exactly as frames are seen; None where it is not pinned.

    Raises DetectorUnavailable when it cannot be loaded or gives another answer than when it was pinned.
    """
    model, locked = read_gpu_pins().model(MODEL), lock.models.get(MODEL)
    if locked is None:
        return None
    with opened(root, model, locked) as folder:
        network, preparation, _, _ = zero_shot.load_network(
            folder, model, device=placement.device, precision=placement.precision, execution=placement.execution
        )
    embedder = PictureEmbedder(locked.named(MODEL), _batcher(model, network, placement), preparation)
    try:
        tolerance = zero_shot.PROBE_TOLERANCE[network.precision]
        image_classification.check_probe(MODEL, embedder.batcher, preparation, locked.probe, tolerance)
    except Exception:
        embedder.close()
        raise
    return embedder


def _batcher(model: GpuModel, network: TorchNetwork, placement: Placement) -> Batcher:
    return Batcher(model.id, network, frames_per_run=placement.frames_per_run or model.frames_per_run)


def close_all(detectors: Sequence[Detector]) -> None:
    """Stop what has something to stop."""
    for detector in detectors:
        close = getattr(detector, "close", None)
        if close is not None:
            close()
