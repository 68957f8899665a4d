"""Run a torch network in one fixed shape on one device. Must not fall back to another device in silence."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorUnavailable
from detectors.gpu.batching import OutOfMemory
from detectors.gpu.offline import stay_offline
from detectors.runtime import Device

Precision = Literal["fp32", "fp16", "bf16"]
#: `eager` is the default until `benchmarks/gpu.py` shows on the card at hand that another one wins.
Execution = Literal["eager", "graph", "compile"]

#: Operators that torchvision declares in its compiled part. Where that part does not fit the torch at hand (a build
#: for CPUs), the package cannot even be imported; nothing here calls them, so their names alone are enough.
_TORCHVISION: Final = ("nms", "qnms", "roi_align", "qroi_align", "roi_pool", "ps_roi_align", "ps_roi_pool")
_TORCHVISION_BACKWARD: Final = ("roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
_WARM_UP_RUNS: Final = 3

#: Kept for the life of the process: torch drops the names with the object.
_declared: list[object] = []


@cache
def torch_module() -> Any:
    """Import torch with the hub's libraries offline. Raises DetectorUnavailable with the fix when it is not there."""
    stay_offline()
    try:
        import torch
    except ImportError as error:
        raise DetectorUnavailable(f"torch cannot be imported ({error}); install the extra `torch`") from error
    _declare_torchvision(torch)
    return torch


def _declare_torchvision(torch: Any) -> None:
    if torch.version.cuda is not None or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in (*_TORCHVISION, "deform_conv2d", *(f"_{name}_backward" for name in _TORCHVISION_BACKWARD)):
        library.define(f"{name}(Tensor x) -> Tensor")
    _declared.append(library)


def require_torch_device(device: Device) -> None:
    """Check that torch can use `device`. Raises DetectorUnavailable with the fix when it cannot."""
    torch = torch_module()
    if device == "cuda" and not torch.cuda.is_available():
        raise DetectorUnavailable(
            "device `cuda` was asked for and this torch sees no card: install a CUDA build of torch and a driver, "
            "or set MODERATION_DEVICE=cpu"
        )


class TorchNetwork:
    """A network on a device: uint8 pictures in, float32 rows out, no gradients, one precision, one shape per run.

    Values are scaled on the device: (picture / 255 - mean) / std by channel. Numbers are the same from run to run on
    one card and build; between cards, builds and precisions they may differ (docs/howto/gpu-pack.md states by how
    much). Called by one thread at a time: its batcher's.
    """

    def __init__(
        self,
        module: Any,
        forward: Callable[[Any, Any], Any],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        device: Device = "cpu",
        precision: Precision | None = None,
        execution: Execution = "eager",
        channels_last: bool = True,
    ) -> None:
        """Move `module` to the device. Raises DetectorUnavailable.

        `forward(module, pixels)` gives rows [n, m] for scaled pixels [n, 3, height, width].
        """
        torch = torch_module()
        require_torch_device(device)
        self.device = device
        #: Half precision is for cards; processors have no fast way to it.
        self.precision: Precision = precision or ("fp16" if device == "cuda" else "fp32")
        self.execution: Execution = execution
        self._torch = torch
        self._dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[self.precision]
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        module = module.eval().requires_grad_(requires_grad=False)
        self._module = module.to(device=device, dtype=self._dtype, memory_format=self._format)
        self._mean = torch.tensor(mean, device=device, dtype=torch.float32).view(1, 3, 1, 1)
        self._std = torch.tensor(std, device=device, dtype=torch.float32).view(1, 3, 1, 1)
        if execution == "compile":
            self._module = torch.compile(self._module)
        self._forward = forward
        self._graphs: dict[tuple[int, ...], tuple[Any, Any, Any]] = {}

    def __call__(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Run uint8 [n, 3, height, width] in RGB; float32 [n, m]. Raises OutOfMemory when the card has no room."""
        torch = self._torch
        try:
            with torch.inference_mode():
                rows = self._replayed(pictures) if self.execution == "graph" else self._computed(pictures)
                return np.asarray(rows.float().cpu().numpy(), dtype=np.float32)
        except torch.OutOfMemoryError as error:
            self._graphs.clear()
            torch.cuda.empty_cache()
            raise OutOfMemory(str(error)) from error

    def _computed(self, pictures: NDArray[np.uint8]) -> Any:
        return self._forward(self._module, self._scaled(self._sent(pictures)))

    def _sent(self, pictures: NDArray[np.uint8]) -> Any:
        tensor = self._torch.from_numpy(np.ascontiguousarray(pictures))
        if self.device == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor

    def _scaled(self, pictures: Any) -> Any:
        scaled = (pictures.to(self._torch.float32) / 255 - self._mean) / self._std
        return scaled.to(dtype=self._dtype, memory_format=self._format)

    def _replayed(self, pictures: NDArray[np.uint8]) -> Any:
        """Replay the run as one recorded graph: the fixed shape is what makes that possible."""
        if self.device != "cuda":
            raise DetectorUnavailable("graphs are recorded on cards only")
        if pictures.shape not in self._graphs:
            self._graphs[pictures.shape] = self._recorded(pictures)
        graph, inputs, outputs = self._graphs[pictures.shape]
        inputs.copy_(self._sent(pictures))
        graph.replay()
        return outputs

    def _recorded(self, pictures: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        torch = self._torch
        inputs = self._sent(pictures).clone()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP_RUNS):
                self._forward(self._module, self._scaled(inputs))
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self._forward(self._module, self._scaled(inputs))
        return graph, inputs, outputs
