"""One graph, three ways of serving it: each is the same function, as near as its precision allows."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from app.inference.runtime.session import OnnxSession, RuntimeSettings
from tests.helpers.convolutional_network import convolutional_network
from training.export.errors import ExportError
from training.export.graph.precision import half_precision, half_weights, single_precision

ON_CPU = RuntimeSettings(provider="cpu", threads=1)
VOLUME = np.random.default_rng(1).normal(size=(1, 1, 16, 24, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def large(exported: list[onnx.ModelProto]) -> onnx.ModelProto:
    """A network whose first convolutions give some hundreds, as trained ones may: the norm behind takes any scale."""
    level = onnx.ModelProto()
    level.CopyFrom(exported[0])
    kernels = [t for t in level.graph.initializer if "encoder" in t.name and t.name.endswith("conv.weight")]
    assert kernels
    for tensor in kernels:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(400), tensor.name))
    return level


def run(model: onnx.ModelProto, volume: np.ndarray = VOLUME) -> np.ndarray:
    return OnnxSession(model.SerializeToString(), ("volume",), "probability", ON_CPU).run({"volume": volume})


def count(model: onnx.ModelProto, kind: str) -> int:
    return sum(node.op_type == kind for node in model.graph.node)


def test_norms_over_axes_are_the_same_function(large: onnx.ModelProto) -> None:
    single = single_precision(large)
    norms = count(large, "InstanceNormalization")
    assert (count(single, "InstanceNormalization"), count(single, "ReduceMean")) == (0, 6 * norms)
    assert norms > 0
    np.testing.assert_allclose(run(single), run(large), atol=1e-4)


def test_norms_over_axes_keep_single_precision_over_large_volumes() -> None:
    volume = np.random.default_rng(0).normal(50, 1, (1, 1, 96, 96, 96)).astype(np.float32)
    source, result = (
        helper.make_tensor_value_info(name, 1, [1, 1, "I", "J", "K"]) for name in ("volume", "probability")
    )
    weights = [numpy_helper.from_array(np.full(1, value, np.float32), name) for name, value in (("g", 2), ("b", 3))]
    norm = helper.make_node("InstanceNormalization", ["volume", "g", "b"], ["probability"], epsilon=1e-5)
    graph = helper.make_graph([norm], "norm", [source], [result], weights)
    single = single_precision(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    exact = volume.astype(np.float64)
    expected = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5) * 2 + 3
    np.testing.assert_allclose(run(single, volume), expected, atol=1e-5)


def test_half_precision_survives_deviations_whose_square_it_cannot_hold(large: onnx.ModelProto) -> None:
    assert np.abs(run(half_precision(large)) - run(large)).max() < 0.02


def test_half_precision_stays_near_single_precision() -> None:
    model = onnx.load_from_string(convolutional_network())
    half = half_precision(model)
    weights = {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) == 5}
    assert weights == {onnx.TensorProto.FLOAT16}
    assert 0 < np.abs(run(half) - run(model)).max() < 0.01


def test_half_weights_take_half_the_space_and_run(exported: list[onnx.ModelProto]) -> None:
    smaller = half_weights(exported[0])
    assert smaller.ByteSize() < 0.75 * exported[0].ByteSize()
    assert np.abs(run(smaller) - run(exported[0])).max() < 0.02


def test_a_weight_too_large_for_half_precision_is_named(exported: list[onnx.ModelProto]) -> None:
    large = onnx.ModelProto()
    large.CopyFrom(exported[0])
    tensor = next(t for t in large.graph.initializer if numpy_helper.to_array(t).size > 64)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[0] = 1e6
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    with pytest.raises(ExportError, match=f"weight {tensor.name} does not fit into float16"):
        half_weights(large)
