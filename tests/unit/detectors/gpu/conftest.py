"""A face network of the pack's own form, with random weights, small enough to draw here."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def face_repository(tmp_path_factory) -> Path:
    """A folder with `glintr100.onnx`: 112 x 112 in, 512 numbers out, as the real one; and a file nobody asked for."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("auraface")
    weights = {
        "filters": random.standard_normal((8, 3, 7, 7)).astype(np.float32) / 12,
        "matrix": random.standard_normal((8 * 16 * 16, 512)).astype(np.float32) / 40,
    }
    nodes = [
        helper.make_node("Conv", ["input.1", "filters"], ["wide"], strides=[7, 7]),
        helper.make_node("Tanh", ["wide"], ["bent"]),
        helper.make_node("Flatten", ["bent"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["683"]),
    ]
    graph = helper.make_graph(
        nodes,
        "faces",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["n", 3, 112, 112])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, ["n", 512])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    (folder / "glintr100.onnx").write_bytes(model.SerializeToString())
    (folder / "genderage.onnx").write_bytes(b"not asked for")
    return folder
