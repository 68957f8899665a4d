"""Turn the carriers' weight files into ONNX without the frameworks that wrote them. Exact: no value is rounded twice.

Must not download, and must not carry over any head that the product does not need (no gender, no race).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors.base import DetectorError
from detectors.mobilenet import drawn_network
from detectors.onnx_graph import GraphBuilder

Array = NDArray[np.float32]

#: Both source networks were trained on RGB 0-255 with this mean taken off and this scale.
_MEAN_RGB: Final = np.array([122.782, 117.001, 104.298], dtype=np.float32)
_SCALE: Final = np.float32(1 / 256)


class ConversionError(DetectorError):
    """A weight file does not hold the network it was pinned for."""


def convert(method: str, members: Mapping[str, bytes]) -> bytes:
    """Return the ONNX file made from `members` (base name to content) by the conversion that the pin names.

    Raises ConversionError when the content is not what the conversion expects or the method is unknown.
    """
    try:
        converter = _CONVERTERS[method]
    except KeyError:
        raise ConversionError(f"there is no conversion called {method!r}") from None
    return converter(members)


def _normalised(graph: GraphBuilder, pixels: str) -> str:
    centred = graph.node("Sub", pixels, graph.constant(_MEAN_RGB.reshape(1, 3, 1, 1)))
    return graph.node("Mul", centred, graph.constant(np.asarray(_SCALE)))


def _unchanged(members: Mapping[str, bytes]) -> bytes:
    (content,) = members.values()
    return content


# dlib's face recognition network -------------------------------------------------------------------------------------

#: The residual stages: (channels, whether the first block halves the picture, further blocks).
_DLIB_STAGES: Final = ((32, False, 3), (64, True, 3), (128, True, 2), (256, True, 2), (256, True, 0))
_DLIB_SIDE: Final = 150
_DLIB_WIDTH: Final = 128


class _DlibTensors:
    """Reads the tensors of a dlib `serialize()`d network in file order, each of a size known beforehand.

    dlib/cuda/tensor.h: a tensor is the version 2, then its four sizes, all as variable-length integers (a count byte,
    then that many little-endian bytes), then the values as little-endian float32. What lies between the tensors
    (layer settings, empty gradients) is skipped by looking for the exact header of the next one.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def take(self, rows: int, columns: int = 1) -> Array:
        header = b"".join(_variable_length(value) for value in (2, rows, columns, 1, 1))
        start = self._content.find(header, self._position)
        end = start + len(header) + 4 * rows * columns
        if start < 0 or end > len(self._content):
            raise ConversionError(f"no tensor of {rows} x {columns} values after byte {self._position}")
        values = np.frombuffer(self._content, "<f4", rows * columns, start + len(header)).astype(np.float32)
        if not np.isfinite(values).all():
            raise ConversionError(f"the tensor at byte {start} holds values that are no numbers")
        self._position = end
        return values.reshape(rows, columns)


def _variable_length(value: int) -> bytes:
    body = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(body)]) + body


class _DlibNetwork:
    """The layers of dlib's `anet_type` (dnn_face_recognition_ex.cpp) as ONNX nodes, weights taken in file order."""

    def __init__(self, tensors: _DlibTensors) -> None:
        self.tensors = tensors
        self.graph = GraphBuilder("dlib_face_recognition", "rgb", (3, _DLIB_SIDE, _DLIB_SIDE))

    def convolution(self, value: str, channels: tuple[int, int], kernel: int, stride: int) -> str:
        """Convolve; dlib's affine layer (scale and shift per channel) is folded into weights and bias."""
        inside, outside = channels
        size = outside * inside * kernel * kernel
        parameters = self.tensors.take(size + outside).ravel()
        affine = self.tensors.take(2 * outside).ravel()
        scale, shift = affine[:outside], affine[outside:]
        weights = parameters[:size].reshape(outside, inside, kernel, kernel) * scale[:, None, None, None]
        padding = kernel // 2 if stride == 1 else 0
        return self.graph.node(
            "Conv",
            value,
            self.graph.constant(weights),
            self.graph.constant(parameters[size:] * scale + shift),
            strides=[stride, stride],
            pads=[padding] * 4,
            kernel_shape=[kernel, kernel],
        )

    def residual(self, value: str, channels: int) -> str:
        inner = self.graph.node("Relu", self.convolution(value, (channels, channels), 3, 1))
        outer = self.convolution(inner, (channels, channels), 3, 1)
        return self.graph.node("Relu", self.graph.node("Add", outer, value))

    def halving(self, value: str, channels: tuple[int, int], side: int) -> tuple[str, int]:
        """Halve the picture; the shortcut is an average pool, and dlib adds unequal shapes by padding with zeros."""
        inside, outside = channels
        inner = self.graph.node("Relu", self.convolution(value, channels, 3, 2))
        outer = self.convolution(inner, (outside, outside), 3, 1)
        shortcut = self.graph.node("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
        convolved, pooled = (side - 3) // 2 + 1, (side - 2) // 2 + 1
        outer = self.padded(outer, 0, pooled - convolved)
        shortcut = self.padded(shortcut, outside - inside, 0)
        return self.graph.node("Relu", self.graph.node("Add", outer, shortcut)), pooled

    def padded(self, value: str, channels: int, pixels: int) -> str:
        if not channels and not pixels:
            return value
        ends = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], dtype=np.int64)
        return self.graph.node("Pad", value, self.graph.constant(ends))


def _dlib_face_recognition(members: Mapping[str, bytes]) -> bytes:
    """Convert `dlib_face_recognition_resnet_model_v1.dat`; input "rgb" [N, 3, 150, 150] 0-255, output 128 values.

    King, "Dlib-ml: A machine learning toolkit" (2009) and dlib's face recognition example (2017).
    """
    (content,) = members.values()
    network = _DlibNetwork(_DlibTensors(content))
    graph = network.graph
    value = graph.node("Relu", network.convolution(_normalised(graph, "rgb"), (3, 32), 7, 2))
    value = graph.node("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2])
    side, channels = ((_DLIB_SIDE - 7) // 2 + 1 - 3) // 2 + 1, 32
    for outside, halves, blocks in _DLIB_STAGES:
        if halves:
            value, side = network.halving(value, (channels, outside), side)
        for _ in range(blocks):
            value = network.residual(value, outside)
        channels = outside
    pooled = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    projection = network.tensors.take(channels, _DLIB_WIDTH)
    graph.node("MatMul", pooled, graph.constant(projection), output="embedding")
    return graph.serialise("embedding", _DLIB_WIDTH)


# face-api's age network ----------------------------------------------------------------------------------------------

_FACEAPI_SIDE: Final = 112
_FACEAPI_HEADS_NOT_WANTED: Final = "fc/gender/"


def _faceapi_weights(members: Mapping[str, bytes]) -> dict[str, Array]:
    """Read a TensorFlow.js weights manifest and its shards; 8-bit weights are restored as scale * byte + min."""
    manifest = next(content for name, content in members.items() if name.endswith(".json"))
    weights: dict[str, Array] = {}
    for group in json.loads(manifest):
        content, position = b"".join(members[path] for path in group["paths"]), 0
        for spec in group["weights"]:
            values, position = _faceapi_tensor(content, position, spec)
            if not spec["name"].startswith(_FACEAPI_HEADS_NOT_WANTED):
                weights[spec["name"]] = values
        if position != len(content):
            raise ConversionError(f"{len(content) - position} bytes are left over in {group['paths']}")
    return weights


def _faceapi_tensor(content: bytes, position: int, spec: Mapping[str, Any]) -> tuple[Array, int]:
    count = int(np.prod(spec["shape"]))
    quantisation = spec.get("quantization")
    kind = np.dtype("u1" if quantisation else "<f4")
    end = position + count * kind.itemsize
    if end > len(content):
        raise ConversionError(f"the shards end before {spec['name']}")
    values = np.frombuffer(content, kind, count, position).astype(np.float32)
    if quantisation:
        values = values * np.float32(quantisation["scale"]) + np.float32(quantisation["min"])
    return cast("Array", values.reshape(spec["shape"])), end


class _FaceApiNetwork:
    """The layers of face-api's TinyXception as ONNX nodes; TensorFlow's layouts are transposed, padding is "same"."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.weights = weights
        self.graph = GraphBuilder("faceapi_age", "rgb", (3, _FACEAPI_SIDE, _FACEAPI_SIDE))

    def convolution(self, value: str, filters: str, bias: str = "", *, stride: int = 1, depthwise: bool = False) -> str:
        kernel = self.weights[filters]
        height, width, inside, outside = kernel.shape
        if depthwise:
            weights = kernel.transpose(2, 3, 0, 1).reshape(inside * outside, 1, height, width)
        else:
            weights = kernel.transpose(3, 2, 0, 1)
        return self.graph.node(
            "Conv",
            value,
            self.graph.constant(weights),
            *([self.graph.constant(self.weights[bias])] if bias else []),
            strides=[stride, stride],
            auto_pad="SAME_UPPER",
            group=inside if depthwise else 1,
            kernel_shape=[height, width],
        )

    def separable(self, value: str, name: str) -> str:
        deep = self.convolution(value, f"{name}/depthwise_filter", depthwise=True)
        return self.convolution(deep, f"{name}/pointwise_filter", f"{name}/bias")

    def reduction(self, value: str, name: str, *, activated: bool = True) -> str:
        inner = self.graph.node("Relu", value) if activated else value
        inner = self.separable(inner, f"{name}/separable_conv0")
        inner = self.separable(self.graph.node("Relu", inner), f"{name}/separable_conv1")
        inner = self.graph.node("MaxPool", inner, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
        expansion = f"{name}/expansion_conv"
        outer = self.convolution(value, f"{expansion}/filters", f"{expansion}/bias", stride=2)
        return self.graph.node("Add", inner, outer)

    def main(self, value: str, name: str) -> str:
        inner = value
        for index in range(3):
            inner = self.separable(self.graph.node("Relu", inner), f"{name}/separable_conv{index}")
        return self.graph.node("Add", inner, value)


def _faceapi_age(members: Mapping[str, bytes]) -> bytes:
    """Convert face-api's `age_gender_model` without its gender head; "rgb" [N, 3, 112, 112] 0-255 to "age" in years."""
    try:
        network = _FaceApiNetwork(_faceapi_weights(members))
        return _faceapi_graph(network)
    except (KeyError, ValueError, StopIteration) as error:
        raise ConversionError(f"the age weights are not laid out as expected: {error!r}") from error


def _faceapi_graph(network: _FaceApiNetwork) -> bytes:
    graph = network.graph
    value = network.convolution(
        _normalised(graph, "rgb"), "entry_flow/conv_in/filters", "entry_flow/conv_in/bias", stride=2
    )
    value = network.reduction(graph.node("Relu", value), "entry_flow/reduction_block_0", activated=False)
    value = network.reduction(value, "entry_flow/reduction_block_1")
    for index in range(2):
        value = network.main(value, f"middle_flow/main_block_{index}")
    value = network.reduction(value, "exit_flow/reduction_block")
    value = graph.node("Relu", network.separable(value, "exit_flow/separable_conv"))
    value = graph.node("Flatten", graph.node("GlobalAveragePool", value))
    value = graph.node("MatMul", value, graph.constant(network.weights["fc/age/weights"]))
    graph.node("Add", value, graph.constant(network.weights["fc/age/bias"]), output="age")
    return graph.serialise("age", 1)


def _nsfwjs_drawn(members: Mapping[str, bytes]) -> bytes:
    try:
        return drawn_network(members)
    except (KeyError, ValueError, StopIteration) as error:
        raise ConversionError(f"the drawn network's weights are not laid out as expected: {error!r}") from error


_CONVERTERS: Final[dict[str, Callable[[Mapping[str, bytes]], bytes]]] = {
    "none": _unchanged,
    "dlib_face_recognition": _dlib_face_recognition,
    "faceapi_age": _faceapi_age,
    "nsfwjs_drawn": _nsfwjs_drawn,
}
