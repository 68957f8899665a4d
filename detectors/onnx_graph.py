"""Compose an ONNX graph node by node, for the weight conversions. Knows nothing of any particular network."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_OPSET: Final = 18
#: The oldest file format that carries this opset: what older runtimes still read.
_IR_VERSION: Final = 9


class GraphBuilder:
    """Nodes and constants of one float32 graph with one input. Values are referred to by name.

    The same calls give the same bytes: names are numbered and nothing of the machine or the time is written.
    """

    def __init__(self, name: str, input_name: str, input_shape: Sequence[int]) -> None:
        """`input_shape` is without the batch axis, which stays free."""
        self._name = name
        self._input = input_name
        self._input_shape: list[str | int] = ["N", *input_shape]
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Append one node with one output and return that output's name."""
        from onnx import helper

        name = output or f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def serialise(self, output: str, output_width: int) -> bytes:
        """Return the checked model; `output` is float32 [N, output_width]."""
        import onnx
        from onnx import TensorProto, helper

        model = helper.make_model(
            helper.make_graph(
                self._nodes,
                self._name,
                [helper.make_tensor_value_info(self._input, TensorProto.FLOAT, self._input_shape)],
                [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", output_width])],
                self._constants,
            ),
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        model.ir_version = _IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))
