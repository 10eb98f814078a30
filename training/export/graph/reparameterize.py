"""Exact algebra on an exported graph: fewer operations or faster ones, the same function up to rounding.

The attention modules have no non-linearity between their last convolution and the 1^3 convolution behind it, so both
are one convolution. Each rule finds a pattern of operators, whatever network it belongs to, and replaces it only where
that is exact and faster; a graph without these patterns is left as it is.

The k^3 convolution must come first and the 1^3 one second: then zero padding changes nothing at the border. Two linear
k^3 convolutions in a row stay two: one of (2k - 1)^3 would cost more and differ at the border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnxscript.rewriter import RewriteRule

from app.imaging.arrays import Float64
from training.export.graph.rewriting import Operators, rewrite

VECTOR = 16
"""Single-precision numbers in the widest vectors of today's processors, and output channels in a block."""

Rule = Callable[[Operators, "Convolution", str], ir.Value | None]
"""Write what computes the same as a convolution, in new nodes of this name; None where that is no better."""


def reparameterize(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Apply every rule until none finds its pattern; return a new graph, and text such as `compose_pointwise 4x`."""
    changed, times = rewrite(model, [_make_rule(rule) for rule in RULES])
    applied = [f"{rule.__name__} {found}x" for rule, found in zip(RULES, times, strict=True) if found]
    return changed, ", ".join(applied) or "nothing to compose"


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution without groups: kernel (C_out, C_in, k, k, k) and bias (C_out) in double precision."""

    source: ir.Value
    kernel: Float64
    bias: Float64
    attributes: Mapping[str, ir.Attr]

    @classmethod
    def find(cls, value: ir.Value) -> Convolution | None:
        """Return the convolution with constant weights and without groups that gives a value; None if none does."""
        node = value.producer()
        if node is None or node.op_type != "Conv" or node.attributes.get_int("group", 1) != 1:
            return None
        source, *constants = (given for given in node.inputs if given is not None)
        tensors = [constant.const_value for constant in constants]
        weights = [tensor.numpy().astype(np.float64) for tensor in tensors if tensor is not None]
        if len(weights) < len(constants):
            return None
        return cls(source, weights[0], weights[1] if weights[1:] else np.zeros(len(weights[0])), node.attributes)

    def values(self, attribute: str) -> set[int]:
        """Return the values that strides, dilations or pads have along the axes."""
        given = self.attributes.get(attribute)
        return {int(attribute != "pads")} if given is None else set(given.as_ints())

    @property
    def is_pointwise(self) -> bool:
        """Whether this is a 1^3 convolution with stride 1 and no padding."""
        return set(self.kernel.shape[2:]) == self.values("strides") == {1} and self.values("pads") == {0}

    def then(self, pointwise: Convolution) -> Convolution:
        """Return this convolution and the 1^3 one behind it as one."""
        matrix = pointwise.kernel.reshape(len(pointwise.kernel), -1)
        kernel = np.tensordot(matrix, self.kernel, axes=1)
        return replace(self, kernel=kernel, bias=matrix @ self.bias + pointwise.bias)

    def pad(self, *padding: int) -> Convolution:
        """Return this convolution with these zeros before and after each axis."""
        return replace(self, attributes={**self.attributes, "pads": ir.AttrInt64s("pads", padding * 2)})

    def write(self, op: Operators, name: str) -> ir.Value:
        """Write this convolution; a bias of zeros is left out."""
        weights = {"weight": self.kernel} | ({"bias": self.bias} if self.bias.any() else {})
        tensors = {f"{name}.{part}": ir.tensor(values.astype(np.float32)) for part, values in weights.items()}
        attributes = {key: value for key, value in self.attributes.items() if key != "kernel_shape"}
        constants = [op.initializer(tensor, name) for name, tensor in tensors.items()]
        result: ir.Value = op.Conv(self.source, *constants, **attributes)
        return result


def compose_pointwise(op: Operators, pointwise: Convolution, name: str) -> ir.Value | None:
    """Make one of a convolution, or each of a concatenation, and the linear 1^3 convolution behind it, where cheaper.

    This is SAM's last convolution before the UAM's linear 1^3, 64 -> 64 and 96 -> 32 become 64 -> 32 and 32 -> 32; and
    the last UAM's before the main head, 64 -> 64, k^3 and 64 -> 1, 1^3 become 64 -> 1, k^3.
    """
    shares = _divide(pointwise)
    better = [_compose(share) or share for share in shares]
    if better == shares:
        return None
    total: ir.Value = reduce(op.Add, (part.write(op, f"{name}.part{n}") for n, part in enumerate(better)))
    return total


def split_off_shifts(op: Operators, whole: Convolution, name: str) -> ir.Value | None:
    """Split a k^3 convolution to one channel: k along the last axis to k^2 channels, then k^2 shifts that add them up.

    Processors compute output channels by the vector, 16 at once: of one channel alone they throw 15 away. So the k^2
    taps of the first two axes become channels of their own, and a convolution of zeros and ones puts them in place.
    """
    outputs, channels, *kernel = whole.kernel.shape
    k, p = kernel[-1], kernel[-1] // 2
    same = kernel == [k] * 3 and whole.values("pads") == {p}
    plain = whole.values("strides") == whole.values("dilations") == {1}
    if outputs != 1 or k == 1 or k * k > VECTOR or channels < VECTOR or not (same and plain):
        return None
    taps = whole.kernel[0].transpose(1, 2, 0, 3).reshape(k * k, channels, 1, 1, k)
    shifts = np.eye(k * k).reshape(1, k * k, k, k, 1)
    along = replace(whole, kernel=taps, bias=np.zeros(k * k)).pad(0, 0, p).write(op, f"{name}.taps")
    return replace(whole, source=along, kernel=shifts).pad(p, p, 0).write(op, f"{name}.shifts")


def _divide(pointwise: Convolution) -> list[Convolution]:
    """Return what a convolution makes of each part of a concatenation of channels; the result is their sum."""
    concat = pointwise.source.producer()
    if concat is None or concat.op_type != "Concat" or not _is_read_once(pointwise.source):
        return [pointwise]
    parts = [part for part in concat.inputs if part is not None]
    widths = [width for part in parts if part.shape and isinstance(width := part.shape[1], int)]
    if sum(widths) != pointwise.kernel.shape[1]:
        return [pointwise]
    kernels = np.split(pointwise.kernel, np.cumsum(widths)[:-1], axis=1)
    biases = [pointwise.bias, *[np.zeros_like(pointwise.bias)] * (len(parts) - 1)]
    return [replace(pointwise, source=s, kernel=k, bias=b) for s, k, b in zip(parts, kernels, biases, strict=True)]


def _compose(pointwise: Convolution) -> Convolution | None:
    """Return a 1^3 convolution and the one before it, which nothing else reads, as one where that costs less."""
    first, outputs = Convolution.find(pointwise.source), len(pointwise.kernel)
    if first is None or not pointwise.is_pointwise or not _is_read_once(pointwise.source):
        return None
    pays = outputs * first.kernel[0].size < first.kernel.size + outputs * len(first.kernel)
    return first.then(pointwise) if pays else None


def _is_read_once(value: ir.Value) -> bool:
    return len(value.uses()) == 1 and not value.is_graph_output()


def _make_rule(rule: Rule) -> RewriteRule:
    """Let a rule see every convolution of a graph."""

    def pattern(op: Operators, source: ir.Value) -> Any:
        return op.Conv(source, _allow_other_inputs=True, _outputs=["result"])

    def replacement(op: Operators, source: ir.Value, result: ir.Value) -> ir.Value | None:
        found = Convolution.find(result)
        return None if found is None else rule(op, found, str(result.name))

    return RewriteRule(pattern, replacement)


RULES: tuple[Rule, ...] = (compose_pointwise, split_off_shifts)
