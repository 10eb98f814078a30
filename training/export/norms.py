"""Instance norms that were exported as sums and products, as one operator again.

In half precision the square of a deviation beyond 256 is infinite, and the norm with it gone; one operator squares in
single precision.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper


def fuse_instance_norms(model: onnx.ModelProto) -> int:
    """Replace every (x - mean) / sqrt(variance + epsilon) * scale + shift, per channel; returns how many there were."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    producers = {name: node for node in model.graph.node for name in node.output}
    readers = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    gone: dict[str, NodeProto | None] = {}
    for root in [node for node in model.graph.node if node.op_type == "Reciprocal"]:
        if producers[root.input[0]].op_type != "Sqrt":
            continue
        add = producers[producers[root.input[0]].input[0]]
        variance, epsilon = _split(add, constants)
        square, means = _below_means(variance, producers)
        centred = producers[square.input[0]]
        normed = next(node for node in readers[root.output[0]] if centred.output[0] in node.input)
        (scaled,) = readers[normed.output[0]]
        (shifted,) = readers[scaled.output[0]]
        _, scale = _split(scaled, constants)
        _, shift = _split(shifted, constants)
        _, mean = _below_means(centred.input[1], producers, centred.input[0])
        names = [f"{shifted.output[0]}.{part}" for part in ("scale", "shift")]
        for name, value in zip(names, (scale, shift), strict=True):
            model.graph.initializer.append(numpy_helper.from_array(value.reshape(-1).astype(np.float32), name))
        fused = helper.make_node(
            "InstanceNormalization",
            [centred.input[0], *names],
            [shifted.output[0]],
            name=f"{shifted.output[0]}.norm",
            epsilon=float(epsilon),
        )
        parts = [*mean, centred, square, *means, add, producers[root.input[0]], root, normed, scaled]
        gone |= {node.output[0]: None for node in parts} | {shifted.output[0]: fused}
    nodes = [gone.get(node.output[0], node) for node in model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(node for node in nodes if node is not None)
    return sum(node is not None for node in gone.values())


def _split(node: NodeProto, constants: dict[str, np.ndarray]) -> tuple[str, np.ndarray]:
    """The input that is computed, and the other one's value."""
    (value,) = [constants[name] for name in node.input if name in constants]
    (computed,) = [name for name in node.input if name not in constants]
    return computed, value


def _below_means(
    name: str, producers: dict[str, NodeProto], source: str | None = None
) -> tuple[NodeProto, list[NodeProto]]:
    """The node whose result a chain of means begins with (any node where that is `source`), and the chain."""
    chain = list(_chain(name, producers, source))
    return producers[chain[-1].input[0]], chain


def _chain(name: str, producers: dict[str, NodeProto], source: str | None) -> Iterator[NodeProto]:
    while name != source and producers[name].op_type == "ReduceMean":
        yield producers[name]
        name = producers[name].input[0]
