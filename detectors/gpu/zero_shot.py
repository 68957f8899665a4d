"""Scenes by words: a network that puts pictures and sentences into one space (open_clip). It decides nothing.

Its scores are preferences among sentences, never probabilities. What it says of works is in `references`.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import (
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
from detectors.gpu.image_classification import check_probe, refuse_other_models
from detectors.gpu.labels import Category, Concept, Labels
from detectors.gpu.pictures import Preparation
from detectors.gpu.pins import GpuModel
from detectors.gpu.references import SIMILARITY, liken
from detectors.gpu.torch_runtime import Execution, Precision, TorchNetwork, require_torch_device, torch_module
from detectors.runtime import Device

#: Numbers of an embedding that are kept as the answer to the probe.
PROBE_NUMBERS: Final = 32
PROBE_TOLERANCE: Final = {"fp32": 2e-3, "fp16": 1e-2, "bf16": 3e-2}
_SENTENCES_PER_RUN: Final = 32

Vectors = NDArray[np.float64]


class Loaded(NamedTuple):
    """The picture tower on its device, how it wants pictures, its scale, and the sentences' side, still whole."""

    network: TorchNetwork
    preparation: Preparation
    scale: float
    sentences: "Sentences"


class Sentences:
    """The sentence tower: text in, unit vectors out, in float32 whatever the pictures are computed in."""

    def __init__(self, module: Any, tokenizer: Any, device: Device) -> None:
        self._module = module
        self._tokenizer = tokenizer
        self._device = device

    def vector(self, concept: Concept) -> Vectors:
        """Return the mean direction of everything that says one thing: float64 [m], of length 1.

        The prompt ensemble of Radford et al., "Learning transferable visual models" (2021), over languages as well.
        """
        torch = torch_module()
        parts = []
        for start in range(0, len(concept.all), _SENTENCES_PER_RUN):
            tokens = self._tokenizer(list(concept.all[start : start + _SENTENCES_PER_RUN])).to(self._device)
            with torch.inference_mode():
                parts.append(self._module.encode_text(tokens, normalize=True).float().cpu().numpy())
        mean = np.concatenate(parts).astype(np.float64).mean(axis=0)
        length = float(np.linalg.norm(mean))
        if not np.isfinite(length) or length < 1e-6:
            raise DetectorUnavailable(f"the sentences {concept.all[:3]} have no direction")
        return np.asarray(mean / length)


def load_network(
    folder: Path, model: GpuModel, *, device: Device, precision: Precision | None = None, execution: Execution = "eager"
) -> Loaded:
    """Load both towers from a private folder of pinned files; the rows are unit vectors.

    Raises DetectorUnavailable when the files are not such a model, or when any tensor is missing or too many.
    """
    refuse_other_models(folder / "open_clip_config.json", model)
    preparation = Preparation.read(folder)
    torch = torch_module()
    require_torch_device(device)
    try:
        module, tokenizer = _load(folder, torch)
    except Exception as error:  # the loaders' errors share no base class
        raise DetectorUnavailable(f"{model.id} cannot be loaded: {error}") from error
    module = module.eval().requires_grad_(False).to(device)
    scale = float(module.logit_scale.exp())
    if not np.isfinite(scale) or not 1 <= scale <= 1000:
        raise DetectorUnavailable(f"{model.id} has a scale of {scale}")
    visual = module.visual
    module.visual = None  # the picture tower goes its own way, in another precision
    network = TorchNetwork(
        visual,
        _directions,
        mean=preparation.mean,
        std=preparation.std,
        device=device,
        precision=precision,
        execution=execution,
    )
    return Loaded(network, preparation, scale, Sentences(module, tokenizer, device))


def _load(folder: Path, torch: Any) -> tuple[Any, Any]:
    import open_clip
    from safetensors.torch import load_file

    config = json.loads((folder / "open_clip_config.json").read_bytes())["model_cfg"]
    _refuse_downloads(config)
    quiet = logging.getLogger()
    quiet.addFilter(_is_not_about_random_weights)
    try:
        module = open_clip.create_model(f"local-dir:{folder}", load_weights=False, device="cpu", precision="fp32")
    finally:
        quiet.removeFilter(_is_not_about_random_weights)
    weights = load_file(folder / "open_clip_model.safetensors")
    module.load_state_dict({name: tensor.to(torch.float32) for name, tensor in weights.items()}, strict=True)
    return module, open_clip.get_tokenizer(f"local-dir:{folder}", local_files_only=True)


def _is_not_about_random_weights(record: logging.LogRecord) -> bool:
    """open_clip warns that it loaded no weights; every one of them is put in place right after, or nothing starts."""
    return "initialized randomly" not in record.getMessage()


def _refuse_downloads(config: dict[str, Any]) -> None:
    """A tower may name weights of another repository; nothing but the pinned files is loaded."""
    if config.get("vision_cfg", {}).get("timm_model_pretrained") or config.get("text_cfg", {}).get("hf_model_name"):
        raise ValueError("its configuration asks for weights of another repository")


def _directions(module: Any, pixels: Any) -> Any:
    torch = torch_module()
    return torch.nn.functional.normalize(module(pixels).float(), dim=-1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """A category with its directions: `vectors` is float64 [labels, m], the first `wanted` of them looked for."""

    category: Category
    vectors: Vectors
    wanted: int

    def scores(self, rows: Rows, scale: float) -> Vectors:
        """Return how much each row prefers what is looked for to what it must be told from: float64 [n] in 0-1."""
        logits = scale * (rows.astype(np.float64) @ self.vectors.T)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights[:, : self.wanted].sum(axis=1) / weights.sum(axis=1))


def questions(labels: Labels, sentences: Sentences) -> tuple[Question, ...]:
    """Turn the labels into directions; a category without labels has none and stays unmeasured."""
    found = []
    for category in labels.categories:
        concepts = (*category.present, *category.absent) if category.present else ()
        vectors = np.stack([sentences.vector(concept) for concept in concepts]) if concepts else np.empty((0, 0))
        found.append(Question(category=category, vectors=vectors, wanted=len(category.present)))
    return tuple(found)


class Scenes:
    """Says of every frame how much it prefers each category's labels to their benign look-alikes."""

    def __init__(
        self,
        model: GpuModel,
        named: Model,
        batcher: Batcher,
        preparation: Preparation,
        asked: tuple[Question, ...],
        *,
        scale: float,
        probe: tuple[float, ...],
        precision: Precision,
    ) -> None:
        self.name = model.id
        self.model = named
        self.batcher = batcher
        self.preparation = preparation
        self.questions = asked
        self.scale = scale
        self._probe = probe
        self._precision: Precision = precision
        self.signals: tuple[str, ...] = (
            *(question.category.signal for question in asked),
            SIMILARITY,
        )

    def open(self, subject: Subject) -> "ScenesInspection":
        return ScenesInspection(self, subject)

    def self_check(self) -> None:
        """Look at drawn rings and compare with the answer the model was pinned with. Raises DetectorUnavailable."""
        check_probe(self.name, self.batcher, self.preparation, self._probe, PROBE_TOLERANCE[self._precision])

    def close(self) -> None:
        """Stop the batcher."""
        self.batcher.close()


@dataclass(slots=True)
class ScenesInspection:
    """One clip's frames on their way through the batcher."""

    scenes: Scenes
    subject: Subject
    _rows: Rows | None = None
    _times: list[int] = field(default_factory=list)
    _ticket: Ticket | None = None

    def see(self, frames: Sequence[Frame]) -> None:
        """Prepare the frames and queue them; their rows are collected at the end. Raises DetectorError."""
        if self._ticket is None:
            self._ticket = self.scenes.batcher.begin()
        for frame in frames:
            self.scenes.batcher.put(self._ticket, [self.scenes.preparation.prepare(frame.pixels)])
            self._times.append(frame.time_ms)

    def finish(self) -> Findings:
        """Wait for the rows and ask every question of them."""
        self._rows = self.scenes.batcher.collect(self._ticket) if self._ticket else None
        return self.again(self.subject)

    def again(self, subject: Subject) -> Findings:
        """Say what would have been found had these works been registered: the frames' vectors are kept."""
        signals = tuple(self._signal(question, self._rows) for question in self.scenes.questions)
        similarity, works = liken(self.scenes.model, self._rows, self._times, subject.references)
        return Findings(signals=(*signals, similarity), works=works)

    def _signal(self, question: Question, rows: Rows | None) -> Signal:
        name, model = question.category.signal, self.scenes.model
        if not question.wanted:
            return Signal(name=name, state=State.NOT_MEASURED, model=model, note="no label is listed")
        if rows is None or not len(rows):
            return Signal(name=name, state=State.FAILED, model=model, note="no frame was shown")
        if rows.shape[1] != question.vectors.shape[1]:
            raise DetectorError(f"{self.scenes.name} gave vectors of another length")
        samples = tuple(
            Sample(time_ms=time_ms, value=quantise(value))
            for time_ms, value in zip(self._times, question.scores(rows, self.scenes.scale), strict=True)
        )
        return Signal(name=name, state=State.MEASURED, model=model, samples=samples)
