"""A small network with what USegNet is made of."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CHANNELS = 16


def convolutional_network() -> bytes:
    """A small network with what USegNet is made of, so that a provider's arithmetic can be compared."""
    rng = np.random.default_rng(0)
    nodes, weights = [], []

    def weight(name: str, shape: tuple[int, ...], scale: float) -> str:
        values = (rng.normal(size=shape) * scale).astype(np.float32)
        weights.append(numpy_helper.from_array(values, name))
        return name

    def convolution(source: str, target: str, inputs: int, outputs: int, size: int) -> None:
        scale = (2 / (inputs * size**3)) ** 0.5
        kernel = weight(f"{target}_kernel", (outputs, inputs, size, size, size), scale)
        bias = weight(f"{target}_bias", (outputs,), 0.1)
        nodes.append(helper.make_node("Conv", [source, kernel, bias], [target], pads=[size // 2] * 6))

    convolution("volume", "first", 1, CHANNELS, 3)
    nodes.append(helper.make_node("Relu", ["first"], ["first_on"]))
    nodes.append(helper.make_node("MaxPool", ["first_on"], ["pooled"], kernel_shape=[2] * 3, strides=[2] * 3))
    convolution("pooled", "deep", CHANNELS, CHANNELS, 5)
    nodes.append(helper.make_node("Relu", ["deep"], ["deep_on"]))
    kernel = weight("up_kernel", (CHANNELS, CHANNELS, 2, 2, 2), 0.2)
    nodes.append(helper.make_node("ConvTranspose", ["deep_on", kernel], ["up"], strides=[2] * 3))
    nodes.append(helper.make_node("Concat", ["first_on", "up"], ["joined"], axis=1))
    nodes.append(helper.make_node("Softmax", ["joined"], ["attention"], axis=1))
    nodes.append(helper.make_node("Mul", ["joined", "attention"], ["attended"]))
    convolution("attended", "logit", 2 * CHANNELS, 1, 3)
    nodes.append(helper.make_node("Sigmoid", ["logit"], ["probability"]))
    dims: list[str | int | None] = [1, 1, "I", "J", "K"]
    inputs = [helper.make_tensor_value_info("volume", TensorProto.FLOAT, dims)]
    outputs = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, dims)]
    graph = helper.make_graph(nodes, "small", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content
