"""Graphs changed by rules of the rewriter, and written without a note of the machine that made them."""

from collections.abc import Sequence
from typing import Any

import onnx
import onnx_ir as ir
from onnx_ir.passes import common as passes
from onnxscript.rewriter import RewriteRule

Operators = Any
"""What a rule is given to write operators with."""


def rewrite(model: onnx.ModelProto, rules: Sequence[RewriteRule]) -> tuple[onnx.ModelProto, tuple[int, ...]]:
    """Apply each rule until it finds its pattern no more; return a changed copy, and how often each was applied."""
    graph = ir.serde.deserialize_model(model)
    passes.ShapeInferencePass()(graph)
    times = tuple(_apply(rule, graph) for rule in rules)
    return serialize(graph), times


def serialize(graph: ir.Model) -> onnx.ModelProto:
    """Return a graph's valid model, without the shapes of what it computes and without notes."""
    passes.ClearMetadataAndDocStringPass()(graph)
    graph.producer_name, graph.producer_version = "fetalhead", None
    model = ir.serde.serialize_model(graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def _apply(rule: RewriteRule, graph: ir.Model) -> int:
    times = 0
    while found := rule.apply_to_model(graph):
        passes.RemoveUnusedNodesPass()(graph)
        passes.DeduplicateInitializersPass()(graph)
        times += found
    return times
