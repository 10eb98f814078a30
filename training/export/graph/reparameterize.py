"""Exact algebra on an exported graph: fewer operations or faster ones, the same function up to rounding.

The attention modules have no non-linearity between their last convolution and the 1^3 convolution behind it, so both
are one convolution. Each rule finds a pattern of operators, whatever network it belongs to, and replaces it only where
that is exact and faster; a graph without these patterns is left as it is.

The k^3 convolution must come first and the 1^3 one second: then zero padding changes nothing at the border. Two linear
k^3 convolutions in a row stay two: one of (2k - 1)^3 would cost more and differ at the border.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto, helper

from app.imaging.arrays import Array
from training.export.graph.operators import OperatorGraph, attribute

Rule = Callable[[OperatorGraph], bool]
"""Applies itself at one place; tells whether it found one."""


@dataclass(frozen=True)
class Reparameterized:
    """The new graph, and how often each rule was applied, by its name."""

    model: onnx.ModelProto
    applied: tuple[tuple[str, int], ...]

    def __str__(self) -> str:
        """For a model card, such as `compose_through_concat 3x`."""
        return ", ".join(f"{name} {times}x" for name, times in self.applied) or "nothing to compose"


def reparameterize(model: onnx.ModelProto) -> Reparameterized:
    """Apply every rule until none finds its pattern; the given graph is not changed."""
    graph = OperatorGraph(model)
    applied = []
    for rule in RULES:
        times = 0
        while rule(graph):
            times += 1
        if times:
            applied.append((rule.__name__, times))
    changed = graph.as_model()
    onnx.checker.check_model(changed)
    return Reparameterized(changed, tuple(applied))


def compose_through_concat(graph: OperatorGraph) -> bool:
    """Convolutions into a concatenation, then 1^3: each part gets its own share of the 1^3, composed where cheaper.

    This is SAM's last convolution before the UAM's linear 1^3: 64 -> 64 and 96 -> 32 become 64 -> 32 and 32 -> 32.
    """
    for concat in graph.nodes("Concat"):
        pointwise = graph.only_consumer(concat.output[0], "Conv")
        if pointwise is None or not _is_pointwise(graph, pointwise) or attribute(concat, "axis", 0) != 1:
            continue
        if len(concat.input) == 1:
            continue
        parts = [graph.only_producer(name, "Conv") for name in concat.input]
        widths = [graph.channels(name) for name in concat.input]
        total = int(_weight_and_bias(graph, pointwise)[0].shape[1])
        if sum(width is None for width in widths) > 1:
            continue
        known = [total - sum(w for w in widths if w is not None) if width is None else width for width in widths]
        cheaper = [part is not None and _composing_pays(graph, part, pointwise) for part in parts]
        if not any(cheaper):
            continue
        new = list(_shares(graph, concat, pointwise, list(zip(known, cheaper, strict=True))))
        old = [part for part, composed in zip(parts, cheaper, strict=True) if composed and part is not None]
        graph.replace([*old, concat, pointwise], new)
        return True
    return False


def compose_pointwise(graph: OperatorGraph) -> bool:
    """A convolution, then a linear 1^3: one convolution, where that is cheaper.

    This is the last UAM's convolution before the main head: 64 -> 64, k^3 and 64 -> 1, 1^3 become 64 -> 1, k^3.
    """
    for pointwise in graph.nodes("Conv"):
        if not _is_pointwise(graph, pointwise):
            continue
        first = graph.only_producer(pointwise.input[0], "Conv")
        if first is None or not _composing_pays(graph, first, pointwise):
            continue
        weights = _composed(_weight_and_bias(graph, first), _weight_and_bias(graph, pointwise))
        graph.replace([first, pointwise], [_convolution(graph, first, weights, pointwise.output[0], pointwise)])
        return True
    return False


def split_off_shifts(graph: OperatorGraph) -> bool:
    """A k^3 convolution to one channel: k along the last axis to k^2 channels, then k^2 shifts that add them up.

    Processors compute output channels by the vector, 16 at once: of one channel alone they throw 15 away. So the k^2
    taps of the first two axes become channels of their own, and a convolution of zeros and ones puts them in place.
    """
    for conv in graph.nodes("Conv"):
        if not _is_constant(graph, conv) or attribute(conv, "group", 1) != 1:
            continue
        weight, bias = _weight_and_bias(graph, conv)
        outputs, channels, *kernel = weight.shape
        k = kernel[0]
        same = len(kernel) == 3 and set(kernel) == {k} and list(attribute(conv, "pads", ())) == [k // 2] * 6
        plain = all(set(attribute(conv, name, (1,))) == {1} for name in ("strides", "dilations"))
        if outputs != 1 or k == 1 or k * k > VECTOR or channels < VECTOR or not (same and plain):
            continue
        taps = weight[0].transpose(1, 2, 0, 3).reshape(k * k, channels, 1, 1, k)
        shifts = np.eye(k * k).reshape(1, k * k, k, k, 1)
        parts, p = f"{conv.output[0]}.taps", k // 2
        along = _convolution(graph, conv, (taps, np.zeros(k * k)), parts)
        across = _convolution(graph, conv, (shifts, bias), conv.output[0], source=parts)
        for node, pads in ((along, [0, 0, p, 0, 0, p]), (across, [p, p, 0, p, p, 0])):
            kept = [a for a in node.attribute if a.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute("pads", pads)])
        graph.replace([conv], [along, across])
        return True
    return False


RULES: tuple[Rule, ...] = (
    compose_through_concat,
    compose_pointwise,
    split_off_shifts,
)
VECTOR = 16
"""Single-precision numbers in the widest vectors of today's processors, and output channels in a block."""

Weights = tuple[Array, Array]
"""Kernel (C_out, C_in, k, k, k) and bias (C_out), float64."""


def _shares(
    graph: OperatorGraph, concat: NodeProto, pointwise: NodeProto, parts: list[tuple[int, bool]]
) -> Iterator[NodeProto]:
    """The convolutions of the parts (channels, whether composed), and their sum under the 1^3's old name."""
    weight, bias = _weight_and_bias(graph, pointwise)
    output, start, sums = pointwise.output[0], 0, []
    for number, (name, (channels, composed)) in enumerate(zip(concat.input, parts, strict=True)):
        share = weight[:, start : start + channels]
        weights = (share, bias if number == 0 else np.zeros_like(bias))
        first = graph.only_producer(name, "Conv") if composed else None
        result = f"{output}.part{number}"
        if first is None:
            yield _convolution(graph, pointwise, weights, result, source=name)
        else:
            yield _convolution(graph, first, _composed(_weight_and_bias(graph, first), weights), result, pointwise)
        sums.append(result)
        start += channels
    for number, result in enumerate(sums[1:], start=1):
        last = number == len(sums) - 1
        total = output if last else f"{output}.sum{number}"
        before = sums[0] if number == 1 else f"{output}.sum{number - 1}"
        yield helper.make_node("Add", [before, result], [total], name=f"{total}.add")


def _composed(first: Weights, second: Weights) -> Weights:
    """The 1^3 convolution `second` after `first`, as one."""
    matrix = second[0].reshape(len(second[0]), -1)
    return np.tensordot(matrix, first[0], axes=1), matrix @ first[1] + second[1]


def _composing_pays(graph: OperatorGraph, first: NodeProto, pointwise: NodeProto) -> bool:
    """Whether one convolution to the 1^3's outputs costs less than both; a depthwise one cannot be composed."""
    if attribute(first, "group", 1) != 1 or not _is_constant(graph, first):
        return False
    outputs = len(_weight_and_bias(graph, pointwise)[0])
    weight = _weight_and_bias(graph, first)[0]
    return bool(outputs * weight[0].size < weight.size + outputs * len(weight))


def _is_pointwise(graph: OperatorGraph, node: NodeProto) -> bool:
    """Whether this is a 1^3 convolution with stride 1, no padding and no groups."""
    if not _is_constant(graph, node) or attribute(node, "group", 1) != 1:
        return False
    weight = _weight_and_bias(graph, node)[0]
    plain: bool = all(set(attribute(node, name, (value,))) == {value} for name, value in (("strides", 1), ("pads", 0)))
    return plain and set(weight.shape[2:]) == {1}


def _is_constant(graph: OperatorGraph, node: NodeProto) -> bool:
    return all(graph.constant(name) is not None for name in node.input[1:])


def _weight_and_bias(graph: OperatorGraph, node: NodeProto) -> Weights:
    """Kernel and bias in double precision; a convolution without bias has zeros."""
    constants = [graph.constant(name) for name in node.input[1:]]
    weight, *bias = (constant.astype(np.float64) for constant in constants if constant is not None)
    return weight, bias[0] if bias else np.zeros(len(weight))


def _convolution(
    graph: OperatorGraph,
    like: NodeProto,
    weights: Weights,
    output: str,
    second: NodeProto | None = None,
    source: str | None = None,
) -> NodeProto:
    """A convolution with `like`'s attributes; `second` names the one that was composed into it."""
    stem = like.input[1] if second is None else f"{like.input[1]}+{second.input[1]}"
    names = [graph.add_constant(f"{stem}@{output}", weights[0])]
    if weights[1].any():
        names.append(graph.add_constant(f"{stem}@{output}.bias", weights[1]))
    node = helper.make_node("Conv", [source or like.input[0], *names], [output], name=f"{stem}@{output}.node")
    node.attribute.extend(a for a in like.attribute if a.name != "kernel_shape")
    return node
