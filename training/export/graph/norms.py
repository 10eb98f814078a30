"""Instance norms that were exported as sums and products, as one operator again.

In half precision the square of a deviation beyond 256 is infinite, and the norm with it gone; one operator squares in
single precision.
"""

import onnx
from onnx import NodeProto, helper

from app.imaging.arrays import Array
from training.export.graph.operators import OperatorGraph


def fuse_instance_norms(model: onnx.ModelProto) -> int:
    """Replace every (x - mean) / sqrt(variance + epsilon) * scale + shift, per channel; returns how many there were."""
    graph = OperatorGraph(model)
    roots = [node for node in graph.nodes("Reciprocal") if _given(graph, node.input[0]).op_type == "Sqrt"]
    for root in roots:
        _fuse(graph, root)
    model.CopyFrom(graph.as_model())
    return len(roots)


def _fuse(graph: OperatorGraph, root: NodeProto) -> None:
    """Put one operator in the place of the norm around 1 / sqrt(variance + epsilon)."""
    sqrt = _given(graph, root.input[0])
    add = _given(graph, sqrt.input[0])
    variance, epsilon = _split(graph, add)
    means_of_squares = _means(graph, variance)
    square = _given(graph, means_of_squares[-1].input[0])
    centred = _given(graph, square.input[0])
    source, mean = centred.input
    normed = next(node for node in graph.readers(root.output[0]) if centred.output[0] in node.input)
    (scaled,) = graph.readers(normed.output[0])
    (shifted,) = graph.readers(scaled.output[0])
    result = shifted.output[0]
    parts = (("scale", scaled), ("shift", shifted))
    names = [graph.add_constant(f"{result}.{part}", _split(graph, node)[1].reshape(-1)) for part, node in parts]
    fused = helper.make_node(
        "InstanceNormalization", [source, *names], [result], name=f"{result}.norm", epsilon=float(epsilon)
    )
    chains = (*_means(graph, mean, source), *means_of_squares)
    graph.replace([*chains, centred, square, add, sqrt, root, normed, scaled, shifted], [fused])


def _split(graph: OperatorGraph, node: NodeProto) -> tuple[str, Array]:
    """The input that is computed, and the other one's value."""
    first, second = node.input
    value = graph.constant(second)
    if value is not None:
        return first, value
    value = graph.constant(first)
    if value is None:
        raise ValueError(f"{node.name} has no constant input")
    return second, value


def _means(graph: OperatorGraph, name: str, source: str | None = None) -> list[NodeProto]:
    """The chain of means that gives `name`, the last one first, down to `source` where that is given."""
    chain: list[NodeProto] = []
    while name != source and (node := _given(graph, name)).op_type == "ReduceMean":
        chain.append(node)
        name = node.input[0]
    return chain


def _given(graph: OperatorGraph, name: str) -> NodeProto:
    """The node that gives a result; ValueError where none does."""
    node = graph.producer(name)
    if node is None:
        raise ValueError(f"{name} is not the result of an operator")
    return node
