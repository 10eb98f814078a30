"""Networks that compute in half precision, for GPUs: a further set of files that must pass a gate."""

from collections.abc import Sequence

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

from training.export.graph.norms import fuse_instance_norms
from training.export.graph.operators import OperatorGraph

IN_SINGLE = ("InstanceNormalization", "ReduceMean", "ReduceSum", "Resize", "Sigmoid", "Softmax")
"""Operators that add up many values, or whose result is the answer."""


def half_levels(levels: Sequence[bytes]) -> tuple[bytes, ...]:
    """The graphs of all levels with convolutions in float16; inputs and outputs stay float32."""
    return tuple(_halved(content) for content in levels)


def with_single_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with weights stored in half precision turned to single precision once and for all."""
    graph = OperatorGraph(model)
    for cast in list(graph.nodes("Cast")):
        value = graph.constant(cast.input[0])
        if value is not None:
            graph.add_constant(cast.output[0], value)
            graph.replace([cast], [])
    return graph.as_model()


def _halved(content: bytes) -> bytes:
    single = with_single_weights(onnx.load_from_string(content))
    fuse_instance_norms(single)
    for number, node in enumerate(single.graph.node):
        node.name = node.name or f"node_{number}"  # the converter calls its casts after the nodes beside them
    model = convert_float_to_float16(
        single,
        keep_io_types=True,
        op_block_list=[*DEFAULT_OP_BLOCK_LIST, *IN_SINGLE],
    )
    halved: bytes = model.SerializeToString()
    return halved
