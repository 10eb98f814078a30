"""The machine's ceiling: its matrix products per second, and the number of products in a network."""

from __future__ import annotations

import math
import time

import onnx
import torch
from onnx import shape_inference

SIZE = 2048
ROUNDS = 5


def measure_matmul(precision: str, threads: int, size: int = SIZE) -> float:
    """Measure the best of a few square matrix products, in 10^9 floating-point operations per second."""
    torch.set_num_threads(threads)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(size, size).to(kind) for _ in range(2))
    best = math.inf
    for _ in range(ROUNDS):
        began = time.perf_counter()
        torch.matmul(a, b)
        best = min(best, time.perf_counter() - began)
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


def count_column_bytes(model: onnx.ModelProto, shape: tuple[int, ...]) -> int:
    """Count the bytes of ONNX Runtime's largest convolution on the CPU, which unrolls its whole input (im2col)."""
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    used = (weights[node.input[1]] for node in model.graph.node if node.op_type == "Conv")
    full_size = max(math.prod(dims[1:]) for dims in used if dims[2:] == (3, 3, 3))
    unrolled: int = 4 * full_size * math.prod(shape)
    return unrolled
