"""Each rule: on random weights and odd shapes the new graph gives what the old one gives."""

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from app.inference.runtime.session import OnnxSession, RuntimeSettings
from training.export.graph.reparameterize import reparameterize

SHAPES = [(5, 7, 9), (1, 4, 3), (11, 2, 6)]
ON_CPU = RuntimeSettings(provider="cpu", threads=1)


class Sketch:
    """A small graph from `volume` to `probability`, written node by node; weights are random."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def constant(self, values: np.ndarray) -> str:
        name = f"constant{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def random(self, *shape: int) -> str:
        scale = 1 / math.sqrt(max(1, math.prod(shape[1:])))
        return self.constant((self.rng.normal(size=shape) * scale).astype(np.float32))

    def add(self, kind: str, *sources: str, to: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, sources, [to], name=to, **attributes))
        return to

    def conv(self, source: str, channels: tuple[int, int], kernel: int, to: str, bias: bool = True) -> str:
        c_in, c_out = channels
        weights = [self.random(c_out, c_in, *[kernel] * 3)] + [self.random(c_out)] * bias
        return self.add("Conv", source, *weights, to=to, pads=[kernel // 2] * 6)

    def model(self) -> onnx.ModelProto:
        dims = [1, None, "I", "J", "K"]
        inputs = [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, 1, *dims[2:]])]
        outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, dims)]
        graph = helper.make_graph(self.nodes, "sketch", inputs, outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model: onnx.ModelProto, shape: tuple[int, ...]) -> np.ndarray:
    volume = np.random.default_rng(1).normal(size=(1, 1, *shape)).astype(np.float32)
    session = OnnxSession(model.SerializeToString(), ("volume",), "probability", ON_CPU)
    return session.run({"volume": volume})


def assert_same(before: onnx.ModelProto, after: onnx.ModelProto) -> None:
    for shape in SHAPES:
        np.testing.assert_allclose(run(after, shape), run(before, shape), atol=1e-5, rtol=1e-5)


def weights(model: onnx.ModelProto) -> int:
    return sum(math.prod(tensor.dims) for tensor in model.graph.initializer)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("convolved", [(1,), (0,), (0, 1), (1, 2)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_convolutions_into_a_concatenation_take_their_share_of_the_pointwise_one(
    convolved: tuple[int, ...], kernel: int
) -> None:
    sketch = Sketch(kernel)
    parts = []
    for number in range(max(convolved) + 1 + (convolved == (0,))):
        part = sketch.add("Relu", sketch.conv("volume", (1, 5), 3, f"in{number}"), to=f"part{number}")
        parts.append(sketch.conv(part, (5, 8), kernel, f"wide{number}") if number in convolved else part)
    sketch.add("Concat", *parts, to="joined", axis=1)
    total = sum(8 if number in convolved else 5 for number in range(len(parts)))
    sketch.add("Softmax", sketch.conv("joined", (total, 4), 1, "shrunk"), to="probability", axis=1)
    changed, applied = reparameterize(sketch.model())
    assert applied == "compose_pointwise 1x"
    assert "Concat" not in kinds(changed)
    assert weights(changed) < weights(sketch.model())
    assert_same(sketch.model(), changed)


@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_before_a_pointwise_one_becomes_one_with_it(bias: bool) -> None:
    sketch = Sketch()
    features = sketch.add("Relu", sketch.conv("volume", (1, 6), 3, "in"), to="features")
    sketch.conv(sketch.conv(features, (6, 8), 3, "wide", bias), (8, 1), 1, "logit", bias)
    sketch.add("Sigmoid", "logit", to="probability")
    changed, applied = reparameterize(sketch.model())
    assert applied == "compose_pointwise 1x"
    assert kinds(changed).count("Conv") == 2
    assert_same(sketch.model(), changed)


@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_to_one_channel_becomes_taps_and_shifts(bias: bool) -> None:
    sketch = Sketch()
    features = sketch.add("Relu", sketch.conv("volume", (1, 20), 3, "in"), to="features")
    sketch.add("Sigmoid", sketch.conv(features, (20, 1), 3, "logit", bias), to="probability")
    changed, applied = reparameterize(sketch.model())
    assert applied == "split_off_shifts 1x"
    first, taps, shifts = (numpy_helper.to_array(w) for w in changed.graph.initializer if len(w.dims) == 5)
    assert (first.shape[0], taps.shape, shifts.shape) == (20, (9, 20, 1, 1, 3), (1, 9, 3, 3, 1))
    assert_same(sketch.model(), changed)


def few_channels(sketch: Sketch, wide: str) -> None:
    sketch.conv(wide, (8, 1), 3, "probability")


def a_larger_kernel(sketch: Sketch, wide: str) -> None:
    sketch.conv(sketch.conv(sketch.add("Relu", wide, to="active"), (8, 20), 3, "wider"), (20, 1), 5, "probability")


def steps_of_two(sketch: Sketch, wide: str) -> None:
    wider = sketch.conv(sketch.add("Relu", wide, to="active"), (8, 20), 3, "wider")
    sketch.add("Conv", wider, sketch.random(1, 20, 3, 3, 3), to="probability", pads=[1] * 6, strides=[2] * 3)


def something_between(sketch: Sketch, wide: str) -> None:
    sketch.conv(sketch.add("Relu", wide, to="active"), (8, 1), 1, "probability")


def read_twice(sketch: Sketch, wide: str) -> None:
    sketch.add("Add", sketch.conv(wide, (8, 1), 1, "logit"), wide, to="probability")


def wider_after(sketch: Sketch, wide: str) -> None:
    sketch.conv(wide, (8, 30), 1, "probability")


@pytest.mark.parametrize(
    "rest", [something_between, read_twice, wider_after, few_channels, a_larger_kernel, steps_of_two]
)
def test_what_would_not_be_exact_or_cheaper_is_left_alone(rest: object) -> None:
    sketch = Sketch()
    rest(sketch, sketch.conv("volume", (1, 8), 3, "wide"))  # type: ignore[operator]
    changed, applied = reparameterize(sketch.model())
    assert applied == "nothing to compose"
    assert kinds(changed) == kinds(sketch.model())


def test_the_whole_network_keeps_its_function(exported: list[onnx.ModelProto]) -> None:
    before = exported[1]
    changed, applied = reparameterize(before)
    assert applied == "compose_pointwise 4x"
    names = ("volume", "context")
    rng = np.random.default_rng(0)
    for shape in ((16, 8, 24), (8, 16, 8)):
        tensors = {name: rng.random((1, 1, *shape)).astype(np.float32) for name in names}
        old, new = (OnnxSession(m.SerializeToString(), names, "probability", ON_CPU) for m in (before, changed))
        np.testing.assert_allclose(new.run(tensors), old.run(tensors), atol=1e-5)
