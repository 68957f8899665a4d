"""Run a model of a pack in onnxruntime, the same way everywhere. Must not fall back to another device in silence."""

import hashlib
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError, DetectorUnavailable, Model
from detectors.manifests import BUILD_COMMAND, Manifest

Device = Literal["cpu", "cuda"]

_DISTRIBUTIONS: Final = ("onnxruntime", "onnxruntime-gpu")
_CPU: Final = "CPUExecutionProvider"
_CUDA: Final = "CUDAExecutionProvider"
#: TF32 and searched convolution algorithms give other numbers from run to run and from card to card.
_CUDA_OPTIONS: Final = {"use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}


class Session:
    """One model, loaded; `run` may be called by several threads.

    One thread per call and no spinning: under load two threads of one call are slower than one, and clips are what
    is worked on in parallel.
    """

    def __init__(self, content: bytes, *, model: Model, device: Device) -> None:
        """Load a model from memory. Raises DetectorUnavailable when the device or the runtime is not there."""
        self.model = model
        self.device = device
        self._session = _load(content, device)
        self._input = str(self._session.get_inputs()[0].name)
        self._outputs = [str(output.name) for output in self._session.get_outputs()]

    @classmethod
    def open(
        cls,
        manifest: Manifest,
        model: str,
        *,
        device: Device = "cpu",
        adapt: Callable[[bytes], bytes] | None = None,
    ) -> Self:
        """Load a model of a pack from exactly the bytes the manifest names; `adapt` may change them after the check.

        Raises DetectorUnavailable when the model is absent, its file is missing or damaged, or the device is not there.
        """
        entry, path = manifest.entry(model), manifest.path(model)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DetectorUnavailable(f"{path} cannot be read ({error}); run `{BUILD_COMMAND}`") from error
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise DetectorUnavailable(f"{path} is not the file the manifest names; run `{BUILD_COMMAND}`")
        return cls(adapt(content) if adapt else content, model=entry.model, device=device)

    @property
    def metadata(self) -> dict[str, str]:
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Return the model's outputs by name for its one input. Raises DetectorError when the run fails."""
        return self.run_many({self._input: batch})

    def run_many(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Return the model's outputs by name for inputs by name. Raises DetectorError when the run fails."""
        try:
            values = self._session.run(self._outputs, dict(inputs))
        except Exception as error:  # the runtime's errors share no base class
            raise DetectorError(f"{self.model.id} failed: {error}") from error
        return dict(zip(self._outputs, values, strict=True))


def require_runtime() -> None:
    """Check that exactly one of the two onnxruntime distributions is installed; raise DetectorUnavailable if not.

    Both write the same folder: with two of them it depends on the order of installation which one is imported.
    """
    found = [name for name in _DISTRIBUTIONS if _is_installed(name)]
    if not found:
        raise DetectorUnavailable("no onnxruntime is installed; install the extra `cpu` or the extra `gpu`")
    if len(found) > 1:
        raise DetectorUnavailable(
            "onnxruntime and onnxruntime-gpu are both installed and overwrite each other; "
            "uninstall both, then install the extra `cpu` or the extra `gpu`"
        )


def require_device(device: Device) -> None:
    """Check that the runtime can use `device`; raise DetectorUnavailable with the fix if not."""
    require_runtime()
    import onnxruntime

    if device == "cuda" and _CUDA not in onnxruntime.get_available_providers():
        raise DetectorUnavailable(_no_cuda("this onnxruntime has no CUDA provider"))


def _load(content: bytes, device: Device) -> Any:
    require_device(device)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    providers = [_CPU] if device == "cpu" else [(_CUDA, _CUDA_OPTIONS), _CPU]
    try:
        session = onnxruntime.InferenceSession(content, options, providers=providers)
    except Exception as error:  # the runtime's errors share no base class
        raise DetectorUnavailable(f"the model cannot be loaded: {error}") from error
    session.disable_fallback()
    if device == "cuda" and _CUDA not in session.get_providers():
        raise DetectorUnavailable(_no_cuda("the CUDA provider did not start"))
    return session


def _no_cuda(reason: str) -> str:
    return (
        f"device `cuda` was asked for and {reason}: install the extra `gpu` and a driver for the card, "
        "or set MODERATION_DEVICE=cpu"
    )


def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True
