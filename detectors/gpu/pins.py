"""What the GPU pack may hold (`gpu.toml`) and what an operator pinned (the lock). Opens no weights, reaches no network.

The repositories' revisions and hashes are not known to this package: only an operator's act puts them into the lock,
and from then on nothing else is loaded.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from detectors.base import DetectorUnavailable, Model

GPU: Final = "gpu"
PIN_COMMAND: Final = "moderation models pin"
LOCK_FILE: Final = "gpu.lock.json"
#: Formats that hold numbers or text and run nothing when they are read.
HARMLESS: Final = frozenset({".json", ".safetensors", ".onnx", ".model", ".txt"})
#: Raised with the form of the file: an older or newer one is not half understood.
_LOCK_FORMAT: Final = 1
_REVISION: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")

Loader = Literal["image_classification", "zero_shot", "face_identity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuModel:
    """One model as `gpu.toml` wants it."""

    id: str
    purpose: str
    loader: Loader
    repository: str
    files: tuple[str, ...]
    #: The classes of its configuration; any when empty.
    architectures: tuple[str, ...]
    licence: str
    #: "frames", "faces" or, for a model that emits nothing by itself, "enrolment".
    looks_at: str
    frames_per_run: int
    labels: tuple[str, ...]
    #: Signal to the labels whose probabilities it adds up.
    signals: Mapping[str, tuple[str, ...]]
    figures: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuPins:
    """Every model the GPU pack may hold."""

    version: str
    models: tuple[GpuModel, ...]

    def model(self, name: str) -> GpuModel:
        """Return one model. Raises DetectorUnavailable when the pack knows none of that name."""
        for model in self.models:
            if model.id == name:
                return model
        raise DetectorUnavailable(f"the GPU pack has no model {name!r}; it has {', '.join(m.id for m in self.models)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """A file an operator vouched for."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedModel:
    """A model an operator vouched for: the commit it is of, its files, and its answer to the built-in probe."""

    revision: str
    files: Mapping[str, LockedFile]
    #: The answer in float32 on a CPU when it was pinned; a device that gives another one is not believed.
    probe: tuple[float, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over revision and files."""
        text = json.dumps([self.revision, {name: file.sha256 for name, file in self.files.items()}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def named(self, model: str) -> Model:
        """How findings name these weights."""
        return Model(id=model, version=f"{self.revision[:12]}-{self.digest[:12]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """What an operator pinned."""

    models: Mapping[str, LockedModel] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the lock as it is kept; the same content gives the same text."""
        models = {name: asdict(locked) for name, locked in sorted(self.models.items())}
        return json.dumps({f"models.{_LOCK_FORMAT}": models}, indent=2, sort_keys=True) + "\n"

    def digest(self, pins: GpuPins) -> str:
        """SHA-256 over all of the pack that decides numbers."""
        decisive = [pins.version, {name: locked.digest for name, locked in self.models.items()}]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def read_gpu_pins(text: str | None = None) -> GpuPins:
    """Return the models of `gpu.toml`, or of `text` in its form. Raises ValueError for a file that may run code."""
    table = tomllib.loads(text or files("detectors.gpu").joinpath("gpu.toml").read_text(encoding="utf-8"))[GPU]
    return GpuPins(version=str(table["version"]), models=tuple(_model(n, f) for n, f in table["models"].items()))


def _model(name: str, fields: Mapping[str, Any]) -> GpuModel:
    for file in fields["files"]:
        if not is_plain_name(file) or PurePosixPath(file).suffix not in HARMLESS:
            raise ValueError(f"{name}: {file!r} is not a file this pack may load")
    lists = {key: tuple(fields[key]) for key in ("files", "architectures", "labels")}
    signals = {signal: tuple(labels) for signal, labels in fields["signals"].items()}
    return GpuModel(id=name, **{**fields, **lists, "signals": signals})


def is_plain_name(name: str) -> bool:
    """Tell whether `name` is a file name and nothing that leads out of its folder."""
    return bool(name) and PurePosixPath(name).name == name and name not in {".", ".."} and "\\" not in name


def read_lock(path: Path, pins: GpuPins) -> Lock:
    """Read what was pinned; an absent lock pins nothing. Raises DetectorUnavailable for one that cannot be believed."""
    try:
        document = json.loads(path.read_bytes())
        models = {
            name: _locked(pins.model(name), fields) for name, fields in document[f"models.{_LOCK_FORMAT}"].items()
        }
    except FileNotFoundError:
        return Lock()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DetectorUnavailable(f"the lock {path} cannot be read ({error!r}); see `{PIN_COMMAND} --help`") from error
    return Lock(models=models)


def _locked(model: GpuModel, fields: Mapping[str, Any]) -> LockedModel:
    locked = LockedModel(
        revision=fields["revision"],
        files={name: LockedFile(**file) for name, file in fields["files"].items()},
        probe=tuple(float(value) for value in fields["probe"]),
    )
    if set(locked.files) != set(model.files):
        raise ValueError(f"{model.id} is locked with other files than the pack has; pin it again")
    if not _REVISION.fullmatch(locked.revision):
        raise ValueError(f"{model.id}: {locked.revision!r} is not a commit")
    if not all(_SHA256.fullmatch(file.sha256) for file in locked.files.values()):
        raise ValueError(f"{model.id}: a SHA-256 is not one")
    return locked


def require_revision(revision: str) -> str:
    """Return `revision` if it is a whole commit hash. Raises ValueError: a branch or tag may change its content."""
    if not _REVISION.fullmatch(revision):
        raise ValueError(f"{revision!r} is not a commit of 40 hex digits; a branch or a tag may change its content")
    return revision
