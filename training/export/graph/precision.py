"""What a level's graph is served as: in single precision, with weights in half the space, in half precision."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxscript.rewriter import RewriteRule

from training.export.errors import ExportError
from training.export.graph.rewriting import Operators, rewrite

SMALL = 64
"""Tensors up to this many values (biases, norm scales) stay in single precision: halving them saves nothing."""
IN_SINGLE = ("InstanceNormalization", "Resize", "Sigmoid", "Softmax")
"""Operators that add up many values, or whose result is the answer.

In half precision the square of a deviation beyond 256 is infinite, and an instance norm with it gone.
"""


def single_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write each instance norm as means axis by axis, which keep single precision over large volumes.

    Runtimes sum the 200,000 voxels of a channel one after another in float32; the error of such a mean is amplified by
    the attention's softmax until probabilities are off by 1e-3. Averaging axis by axis keeps every sum short.
    """
    return rewrite(model, (RewriteRule(_instance_norm, _axis_wise),))[0]


def half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights as float16, cast back to float32 in the graph; ExportError where a weight overflows."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size <= SMALL:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ExportError(f"weight {tensor.name} does not fit into float16; store this model in float32")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        cast = helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT)
        half.graph.node.insert(0, cast)
    onnx.checker.check_model(half)
    return half


def half_precision(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let convolutions compute in float16, for GPUs; inputs and outputs stay float32."""
    named, _ = rewrite(
        model, ()
    )  # a copy: the converter changes its model, and calls casts after the nodes beside them
    blocked = [*DEFAULT_OP_BLOCK_LIST, *IN_SINGLE]
    half: onnx.ModelProto = convert_float_to_float16(named, keep_io_types=True, op_block_list=blocked)
    return half


def half_file(number: int) -> str:
    """Return the name of a level's graph in half precision, in the folder of its model."""
    return f"context_level_{number}.fp16.onnx"


def _instance_norm(op: Operators, x: ir.Value, scale: ir.Value, shift: ir.Value, epsilon: ir.Attr) -> Any:
    return op.InstanceNormalization(x, scale, shift, epsilon=epsilon, _outputs=["normed"])


def _axis_wise(
    op: Operators, x: ir.Value, scale: ir.Value, shift: ir.Value, epsilon: ir.Attr, normed: ir.Value
) -> ir.Value:
    """Write (x - mean) / sqrt(variance + epsilon) * scale + shift, for each channel."""

    def constant(values: npt.ArrayLike, part: str) -> Any:
        return op.initializer(ir.tensor(np.asarray(values)), f"{normed.name}.{part}")

    def mean(values: ir.Value, part: str) -> ir.Value:
        for axis in (4, 3, 2):
            values = op.ReduceMean(values, constant([axis], f"{part}.axis{axis}"), keepdims=1)
        return values  # (N, C, 1, 1, 1)

    def per_channel(weight: ir.Value, part: str) -> Any:
        return constant(np.asarray(weight.const_value).reshape(-1, 1, 1, 1), part)

    centred = op.Sub(x, mean(x, "mean"))  # (N, C, I, J, K)
    variance = mean(op.Mul(centred, centred), "variance")
    deviation = op.Sqrt(op.Add(variance, constant(np.float32(epsilon.as_float()), "epsilon")))
    scaled = op.Mul(centred, op.Div(per_channel(scale, "scale"), deviation))
    shifted: ir.Value = op.Add(scaled, per_channel(shift, "shift"))
    return shifted
