"""Turn nsfwjs' MobileNetV2 into an ONNX file that says one thing: how drawn, rather than photographed, a picture is.

Must not hand out what else the network knows: its other classes go no further than the last sum.
"""

import base64
import math
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from detectors.onnx_graph import GraphBuilder

Array = NDArray[np.float32]

SIDE: Final = 224
#: Keras' default; with it the quantised variances are made whole.
_EPSILON: Final = 1e-3
#: MobileNetV2's stages (Sandler et al. 2018, table 2) after the first block: stride of the first block, blocks.
_STAGES: Final = ((2, 2), (2, 3), (2, 4), (1, 3), (2, 3), (1, 1))
#: The classes in order; the first two are drawn.
_CLASSES: Final = ("drawing", "hentai", "neutral", "porn", "sexy")
_DRAWN: Final = slice(0, 2)

_BUNDLE: Final = re.compile(rb'exports="([A-Za-z0-9+/=]+)"')
_SPEC: Final = re.compile(
    rb'\{name:"(?P<name>[^"]+)",shape:\[(?P<shape>[0-9,]*)\],dtype:"float32",'
    rb'quantization:\{min:(?P<min>[-+.0-9e]+),scale:(?P<scale>[-+.0-9e]+),dtype:"uint8"\}\}'
)


class _Spec(NamedTuple):
    name: str
    shape: tuple[int, ...]
    low: float
    scale: float


def drawn_network(members: Mapping[str, bytes]) -> bytes:
    """Convert `mobilenet_v2`; input "rgb" [N, 3, 224, 224] 0-255, output "drawn" [N, 1], 0-1.

    Raises KeyError or ValueError when the members do not hold that network.
    """
    network = _Network(_weights(members))
    value = network.features()
    graph = network.graph
    for name in ("dense_1", "dense_2", "dense_3"):
        value = network.dense(value, name, activated=name != "dense_3")
    shares = graph.node("Softmax", value, axis=1)
    wanted = np.zeros((len(_CLASSES), 1), np.float32)
    wanted[_DRAWN] = 1
    graph.node("MatMul", shares, graph.constant(wanted), output="drawn")
    return graph.serialise("drawn", 1)


def _weights(members: Mapping[str, bytes]) -> dict[str, Array]:
    """Read the weights out of nsfwjs' two scripts: the list of tensors, and their 8-bit values in base64."""
    listing = next(content for name, content in members.items() if name.startswith("model."))
    bundle = _BUNDLE.search(next(content for name, content in members.items() if name.startswith("group1-")))
    if bundle is None:
        raise ValueError("the script of weights holds no base64 text")
    content = np.frombuffer(base64.b64decode(bundle[1], validate=True), np.uint8)
    weights: dict[str, Array] = {}
    position = 0
    for spec in _specs(listing):
        end = position + math.prod(spec.shape)
        values = content[position:end].astype(np.float32) * np.float32(spec.scale) + np.float32(spec.low)
        weights[spec.name] = cast("Array", values.reshape(spec.shape))
        position = end
    if position != len(content):
        raise ValueError(f"{len(content)} bytes of weights for a list of {position}")
    return weights


def _specs(listing: bytes) -> list[_Spec]:
    """Return the tensors in file order; every one must have been understood, or bytes would go to the wrong layer."""
    start = listing.index(b"weightsManifest")
    found = [match.groupdict() for match in _SPEC.finditer(listing, start)]
    if len(found) != listing.count(b"{name:", start):
        raise ValueError("the list of weights holds entries of another form")
    return [
        _Spec(
            name=fields["name"].decode(),
            shape=tuple(int(side) for side in fields["shape"].split(b",")),
            low=float(fields["min"]),
            scale=float(fields["scale"]),
        )
        for fields in found
    ]


class _Network:
    """The layers of Keras' MobileNetV2 as ONNX nodes; batch normalisation is folded into the convolutions."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.graph = GraphBuilder("drawn", "rgb", (3, SIDE, SIDE))

    def features(self) -> str:
        """Return the 1,280 numbers that MobileNetV2 makes of the picture."""
        graph = self.graph
        value = graph.node("Mul", "rgb", graph.constant(np.asarray(np.float32(1 / 255))))
        value = self.convolution(value, "Conv1/kernel", "bn_Conv1", stride=2)
        value = self.block(value, "expanded_conv", stride=1, expands=False, adds=False)
        number = 0
        for stride, blocks in _STAGES:
            for index in range(blocks):
                number += 1
                first = index == 0
                value = self.block(
                    value, f"block_{number}", stride=stride if first else 1, expands=True, adds=not first
                )
        value = self.convolution(value, "Conv_1/kernel", "Conv_1_bn")
        return graph.node("Flatten", graph.node("GlobalAveragePool", value))

    def block(self, value: str, name: str, *, stride: int, expands: bool, adds: bool) -> str:
        """Widen, convolve each channel, narrow; add the input where shapes allow it."""
        inner = value
        if expands:
            inner = self.convolution(inner, f"{name}_expand/kernel", f"{name}_expand_BN")
        inner = self.convolution(inner, f"{name}_depthwise/depthwise_kernel", f"{name}_depthwise_BN", stride=stride)
        inner = self.convolution(inner, f"{name}_project/kernel", f"{name}_project_BN", activated=False)
        return self.graph.node("Add", inner, value) if adds else inner

    def convolution(self, value: str, kernel: str, norm: str, *, stride: int = 1, activated: bool = True) -> str:
        """Convolve with "same" padding, normalise, and cut to 0-6 unless told not to."""
        weights = self.weights[kernel]
        height, width, inside, outside = weights.shape
        depthwise = "depthwise" in kernel
        layout = weights.transpose(2, 3, 0, 1) if depthwise else weights.transpose(3, 2, 0, 1)
        scale, shift = self.normalisation(norm)
        options: dict[str, Any] = {"auto_pad": "SAME_UPPER", "kernel_shape": [height, width]}
        value = self.graph.node(
            "Conv",
            value,
            self.graph.constant(layout.reshape(-1, 1 if depthwise else inside, height, width) * scale),
            self.graph.constant(shift),
            strides=[stride, stride],
            group=inside * outside if depthwise else 1,
            **options,
        )
        if not activated:
            return value
        low, high = (self.graph.constant(np.asarray(np.float32(edge))) for edge in (0, 6))
        return self.graph.node("Clip", value, low, high)

    def normalisation(self, name: str) -> tuple[Array, Array]:
        """Return scale (float32 [n, 1, 1, 1]) and shift (float32 [n]) of a batch normalisation."""
        gamma, beta, mean, variance = (
            self.weights[f"{name}/{part}"].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + _EPSILON)
        return scale.astype(np.float32).reshape(-1, 1, 1, 1), (beta - mean * scale).astype(np.float32)

    def dense(self, value: str, name: str, *, activated: bool) -> str:
        """Multiply and add; keep what is positive where activated."""
        graph = self.graph
        product = graph.node("MatMul", value, graph.constant(self.weights[f"{name}/kernel"]))
        value = graph.node("Add", product, graph.constant(self.weights[f"{name}/bias"]))
        return graph.node("Relu", value) if activated else value
