"""One ONNX graph per context level: opset 18, dynamic I, J, K, only the main head, sigmoid inside."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from training.export.errors import ExportError
from training.export.graph.statistics import with_axis_wise_statistics
from training.networks.attention import AttentionModule
from training.networks.cascade import ContextLevel

OPSET = 18
INPUT, CONTEXT, OUTPUT = "volume", "context", "probability"
AXES = ("I", "J", "K")
SMALL = 64
"""Tensors up to this many values (biases, norm scales) stay in single precision: halving them saves nothing."""


class FirstLevelGraph(nn.Module):
    """volume (1, 1, I, J, K) -> probability (1, 1, I, J, K)."""

    def __init__(self, level: ContextLevel) -> None:
        super().__init__()
        self.level = level

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """The main head's probability."""
        return self.level.probability(volume)


class HigherLevelGraph(FirstLevelGraph):
    """(volume, context) -> probability; volume and context are joined inside."""

    def forward(self, volume: torch.Tensor, context: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        """The main head's probability."""
        return self.level.probability(volume, context)


def export_level(level: ContextLevel, context_level: int, divisor: int = 8) -> onnx.ModelProto:
    """Export one level (1-based) with single-precision weights inside the file; I, J, K are multiples of `divisor`."""
    folded = with_axis_wise_statistics(_without_temperature(level))
    graph: nn.Module = (FirstLevelGraph if context_level == 1 else HigherLevelGraph)(folded).cpu().float().eval()
    names = [INPUT] if context_level == 1 else [INPUT, CONTEXT]
    examples = tuple(torch.zeros(1, 1, 2 * divisor, 3 * divisor, 4 * divisor) for _ in names)
    axes = {2 + n: divisor * torch.export.Dim(f"{axis}{divisor}", min=1, max=256) for n, axis in enumerate(AXES)}
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            examples,
            input_names=names,
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=tuple(axes for _ in names),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch gave no ONNX program for this network; check its torch version against pyproject.toml")
    return _tidied(program.model_proto)


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large weights as float16, cast back to float32 in the graph; ExportError where a weight overflows."""
    half = onnx.ModelProto()
    half.CopyFrom(model)
    casts = []
    for tensor in half.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size <= SMALL:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ExportError(f"weight {tensor.name} does not fit into float16; store this model in float32")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    nodes = list(half.graph.node)
    del half.graph.node[:]
    half.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(half)
    return half


def _without_temperature(level: ContextLevel) -> ContextLevel:
    """A copy whose attention convolutions have absorbed their temperature: one operation less to serve."""
    folded = copy.deepcopy(level)
    for module in folded.modules():
        if isinstance(module, AttentionModule):
            module.absorb_temperature()
    return folded


def _tidied(model: onnx.ModelProto) -> onnx.ModelProto:
    """Name the dynamic axes I, J, K, and drop the exporter's notes about the machine it ran on."""
    graph = model.graph
    for value in (*graph.input, *graph.output):
        for dimension, name in zip(value.type.tensor_type.shape.dim[2:], AXES, strict=True):
            dimension.dim_param = name
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    model.producer_name, model.producer_version = "fetalhead", ""
    onnx.checker.check_model(model)
    return model


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter's notes (axis names, optional packages that are absent) out of the output."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
