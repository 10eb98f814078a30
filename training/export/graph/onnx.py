"""One ONNX graph per context level: opset 18, dynamic I, J, K, only the main head, sigmoid inside."""

import copy
import logging
import warnings

import onnx
import onnx_ir as ir
import torch
from torch import nn

from training.export.errors import ExportError
from training.export.graph.rewriting import serialize
from training.networks.attention import AttentionModule
from training.networks.cascade import ContextLevel

OPSET = 18
INPUT, CONTEXT, OUTPUT = "volume", "context", "probability"
AXES = ("I", "J", "K")


class LevelGraph(nn.Module):
    """(volume, context or None), both (1, 1, I, J, K), -> what `ContextLevel.served` gives; they are joined inside."""

    def __init__(self, level: ContextLevel) -> None:
        super().__init__()
        self.level = level

    def forward(self, volume: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Return the main head's probability, and places in the head where the level tells them."""
        return self.level.served(volume, context)


def export_level(level: ContextLevel, context_level: int, divisor: int = 8) -> onnx.ModelProto:
    """Export one level (1-based) in single precision, each norm one operator; I, J, K are multiples of `divisor`."""
    names = [INPUT] if context_level == 1 else [INPUT, CONTEXT]
    axes = {2 + n: divisor * torch.export.Dim(f"{axis}{divisor}", min=1, max=256) for n, axis in enumerate(AXES)}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(action="ignore"):  # axis names, optional packages that are absent
        program = torch.onnx.export(
            LevelGraph(_without_temperature(level)).cpu().float().eval(),
            tuple(torch.zeros(1, 1, 2 * divisor, 3 * divisor, 4 * divisor) for _ in names),
            input_names=names,
            output_names=[OUTPUT],
            opset_version=OPSET,
            dynamo=True,
            dynamic_shapes=tuple(axes for _ in names),
            verbose=False,
        )
    if program is None:
        raise ExportError("torch gave no ONNX program for this network; check its torch version against pyproject.toml")
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        channels = 1 if value.shape is None else value.shape[1]  # 4 where it tells places in the head
        value.shape = ir.Shape((1, channels, *AXES))
    return serialize(program.model)


def _without_temperature(level: ContextLevel) -> ContextLevel:
    """Return a copy whose attention convolutions have absorbed their temperature: one operation less to serve."""
    folded = copy.deepcopy(level)
    for module in folded.modules():
        if isinstance(module, AttentionModule):
            module.absorb_temperature()
    return folded
