"""Instance norms as one operator: the same function, and half precision survives large values."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.inference.runtime.session import OnnxSession, RuntimeSettings
from training.export.graph.half import half_levels
from training.export.graph.norms import fuse_instance_norms

ON_CPU = RuntimeSettings(provider="cpu", threads=1)
VOLUME = np.random.default_rng(1).normal(size=(1, 1, 16, 24, 16)).astype(np.float32)


@pytest.fixture
def with_large_values(graphs: list[onnx.ModelProto]) -> onnx.ModelProto:
    """A network whose first convolutions give some hundreds, as trained ones may: the norm behind takes any scale."""
    level = onnx.ModelProto()
    level.CopyFrom(graphs[0])
    kernels = [t for t in level.graph.initializer if "encoder" in t.name and t.name.endswith("conv.weight")]
    assert kernels
    for tensor in kernels:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(400), tensor.name))
    return level


def run(content: bytes) -> np.ndarray:
    return OnnxSession(content, ("volume",), "probability", ON_CPU).run({"volume": VOLUME})


def test_fused_norms_are_the_same_function(with_large_values: onnx.ModelProto) -> None:
    model = with_large_values
    before = run(model.SerializeToString())
    norms = sum(node.op_type == "Reciprocal" for node in model.graph.node)
    assert fuse_instance_norms(model) == norms > 0
    onnx.checker.check_model(model)
    assert {node.op_type for node in model.graph.node}.isdisjoint({"ReduceMean", "Sqrt", "Reciprocal"})
    np.testing.assert_allclose(run(model.SerializeToString()), before, atol=1e-4)


def test_half_precision_survives_deviations_whose_square_it_cannot_hold(with_large_values: onnx.ModelProto) -> None:
    content = with_large_values.SerializeToString()
    (halved,) = half_levels([content])
    assert np.abs(run(halved) - run(content)).max() < 0.02
