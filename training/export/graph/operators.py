"""An ONNX graph that can be searched and rewritten: nodes by what they read and write, constants as arrays."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from app.imaging.arrays import Array


class OperatorGraph:
    """A copy of a model's graph; `as_model` gives the model with what was changed, in an order that runs."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = onnx.ModelProto()
        self._model.CopyFrom(model)
        self._nodes = list(self._model.graph.node)
        self._constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._outputs = {value.name for value in model.graph.output}

    def nodes(self, *kinds: str) -> Iterator[NodeProto]:
        """The nodes of these operators."""
        return (node for node in self._nodes if node.op_type in kinds)

    def constant(self, name: str) -> Array | None:
        """The value of a constant, None where this is the result of an operator or an input."""
        return self._constants.get(name)

    def producer(self, name: str) -> NodeProto | None:
        """The node that gives `name`, None where it is a constant or an input."""
        return next((node for node in self._nodes if name in node.output), None)

    def readers(self, name: str) -> list[NodeProto]:
        """The nodes that read `name`, one as often as it does."""
        return [node for node in self._nodes for source in node.input if source == name]

    def only_producer(self, name: str, *kinds: str) -> NodeProto | None:
        """The node of these operators that gives `name`, where a single node reads it; otherwise None."""
        found = self.producer(name)
        if found is None or found.op_type not in kinds or len(self.readers(name)) != 1 or name in self._outputs:
            return None
        return found

    def only_consumer(self, name: str, *kinds: str) -> NodeProto | None:
        """The node of these operators that alone reads `name`; otherwise None."""
        readers = self.readers(name)
        if len(readers) != 1 or readers[0].op_type not in kinds or name in self._outputs:
            return None
        return readers[0]

    def channels(self, name: str) -> int | None:
        """The channels of a result, where the convolution that gives it is near enough to tell."""
        node = self.producer(name)
        while node is not None and node.op_type in {"Relu", "Add", "Sub", "Mul", "InstanceNormalization", "Sigmoid"}:
            node = next((found for source in node.input if (found := self.producer(source)) is not None), None)
        if node is None or node.op_type not in {"Conv", "ConvTranspose"}:
            return None
        weight = self.constant(node.input[1])
        if weight is None:
            return None
        transposed = node.op_type == "ConvTranspose"
        return int(weight.shape[1] * attribute(node, "group", 1) if transposed else weight.shape[0])

    def add_constant(self, name: str, value: Array) -> str:
        """Add a constant in single precision; returns its name."""
        self._constants[name] = np.ascontiguousarray(value, dtype=np.float32)
        return name

    def replace(self, old: Sequence[NodeProto], new: Sequence[NodeProto]) -> None:
        """Put new nodes in the place of the last of the old ones."""
        gone = {id(node) for node in old}
        place = max(index for index, node in enumerate(self._nodes) if id(node) in gone)
        before = [node for node in self._nodes[:place] if id(node) not in gone]
        self._nodes = [*before, *new, *self._nodes[place + 1 :]]

    def as_model(self) -> onnx.ModelProto:
        """The model as it stands; constants that nothing reads are left out."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        used = {name for node in self._nodes for name in node.input}
        del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
        model.graph.node.extend(self._nodes)
        constants = ((name, value) for name, value in self._constants.items() if name in used)
        model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants)
        return model


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    """The value of an attribute, or the operator's default."""
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
