"""The machine's ceiling: its matrix products per second, and the number of products in a network."""

from __future__ import annotations

import math

import onnx
import torch
from onnx import shape_inference

from benchmarks.measurement import time_call

SIZE = 2048
ROUNDS = 5


def measure_matmul(precision: str, threads: int, size: int = SIZE) -> float:
    """Measure the best of a few square matrix products, in 10^9 floating-point operations per second."""
    torch.set_num_threads(threads)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(size, size).to(kind) for _ in range(2))
    best = min(time_call(lambda: torch.matmul(a, b))[1] for _ in range(ROUNDS))
    return 2 * size**3 / best / 1e9


def count_network_gflop(model: onnx.ModelProto, shape: tuple[int, ...]) -> float:
    """Count 10^9 floating-point operations of all convolutions in one run on a volume of this shape (I, J, K)."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in (*sized.graph.input, *sized.graph.output):
        for dimension, length in zip(value.type.tensor_type.shape.dim[2:], shape, strict=True):
            dimension.dim_value = length
    inferred = shape_inference.infer_shapes(sized, data_prop=True).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*inferred.value_info, *inferred.input, *inferred.output)
    }
    weights = {tensor.name: math.prod(tensor.dims) for tensor in inferred.initializer}
    products = 0
    for node in inferred.node:
        if node.op_type in ("Conv", "ConvTranspose"):
            grid = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
            products += math.prod(grid[2:]) * weights[node.input[1]]
    return 2 * products / 1e9
