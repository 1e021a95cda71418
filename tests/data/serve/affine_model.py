#!/usr/bin/env python3
"""Makes affine.onnx, which tests of the service run: y = x @ w + b for x [batch, 3], w [3, 2]; and square, y * y."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

w = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
b = np.array([0.5, -0.5], dtype=np.float32)
graph = helper.make_graph(
    [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["y"]),
        helper.make_node("Mul", ["y", "y"], ["square"]),
    ],
    "affine",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
    [
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("square", TensorProto.FLOAT, ["batch", 2]),
    ],
    [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model)
onnx.save(model, pathlib.Path(__file__).parent / "affine.onnx")
