"""Instance norms as one operator: the same function, and half precision survives large values."""

import numpy as np
import onnx
import torch

from app.inference.runtime.session import OnnxSession, RuntimeSettings
from training.config.presets import load_config
from training.export.graph.half import half_levels
from training.export.graph.norms import fuse_instance_norms
from training.export.graph.onnx import export_level
from training.fitting.cascade import new_level

ON_CPU = RuntimeSettings(provider="cpu", threads=1)
VOLUME = np.random.default_rng(1).normal(size=(1, 1, 16, 24, 16)).astype(np.float32)


def level_with_large_values() -> onnx.ModelProto:
    """A network whose first convolutions give some hundreds, as trained ones may: the norm behind takes any scale."""
    torch.manual_seed(5)
    level = new_level(load_config("smoke")).eval()
    with torch.no_grad():
        for name, value in level.named_parameters():
            if "encoder" in name and value.dim() == 5:
                value.mul_(400)
    return export_level(level, 1)


def run(content: bytes) -> np.ndarray:
    return OnnxSession(content, ("volume",), "probability", ON_CPU).run({"volume": VOLUME})


def test_fused_norms_are_the_same_function() -> None:
    model = level_with_large_values()
    before = run(model.SerializeToString())
    norms = sum(node.op_type == "Reciprocal" for node in model.graph.node)
    assert fuse_instance_norms(model) == norms > 0
    onnx.checker.check_model(model)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"ReduceMean", "Sqrt", "Reciprocal"})
    np.testing.assert_allclose(run(model.SerializeToString()), before, atol=1e-4)


def test_half_precision_survives_deviations_whose_square_it_cannot_hold() -> None:
    content = level_with_large_values().SerializeToString()
    (halved,) = half_levels([content])
    assert np.abs(run(halved) - run(content)).max() < 0.02
