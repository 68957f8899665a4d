"""Shrink whole pictures with the antialiased filter that image networks were trained behind. Keeps no picture."""

from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from detectors.base import Model
from detectors.runtime import Session

_MODEL: Final = Model(id="antialiased_resize", version="1")


class Resizer:
    """Resize to a square by a triangle filter as wide as the scale: Pillow's "bilinear", within one grey level.

    Plain bilinear sampling skips pixels when it shrinks, and the figures measured for the networks hold for this
    filter. Runs in onnxruntime on the CPU; may be used by several threads.
    """

    def __init__(self, side: int) -> None:
        self._session = Session(_resize_graph(side), model=_MODEL, device="cpu")

    def resize(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 [side, side, 3] for uint8 [height, width, 3], in the same colour order."""
        return cast("NDArray[np.uint8]", self._session.run(np.ascontiguousarray(pixels))["resized"])


def _resize_graph(side: int) -> bytes:
    """Return one ONNX `Resize` node with `antialias`; ONNX operator set 18."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node(
        "Resize",
        ["pixels", "", "", "sizes"],
        ["resized"],
        mode="linear",
        antialias=1,
        # Without it the filter's weights at the picture's edge do not add up to one.
        exclude_outside=1,
        coordinate_transformation_mode="half_pixel",
    )
    graph = helper.make_graph(
        [node],
        "antialiased_resize",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["height", "width", 3])],
        [helper.make_tensor_value_info("resized", TensorProto.UINT8, [side, side, 3])],
        [numpy_helper.from_array(np.array([side, side, 3], dtype=np.int64), "sizes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return bytes(model.SerializeToString())
