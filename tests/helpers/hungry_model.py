"""A published model that asks for far more memory than any machine has, where a volume is large."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.helpers.makers import publish_threshold_model, threshold_network

MODEST_VOXELS = 66
"""Along the first axis of the network's grid: up to here it is the threshold network."""
VALUES_PER_VOXEL_MORE = (1, 10**4, 10**3, 10**3)
"""Along each axis of what it asks for: each fits 32 bits, in which OpenVINO computes shapes."""


def hungry_network() -> bytes:
    """The threshold network, plus the sum of so many zeros that no machine can hold them all."""
    model = onnx.load_from_string(threshold_network())
    graph = model.graph
    graph.node[-1].output[0] = "answer"
    constants = {"axis": [2], "modest": [MODEST_VOXELS], "none": [0], "greed": VALUES_PER_VOXEL_MORE}
    for name, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    zero = helper.make_tensor("zero_value", TensorProto.FLOAT, [1], [0.0])
    graph.node.extend(
        [
            helper.make_node("Shape", ["volume"], ["shape"]),
            helper.make_node("Gather", ["shape", "axis"], ["length"]),
            helper.make_node("Sub", ["length", "modest"], ["beyond"]),
            helper.make_node("Max", ["beyond", "none"], ["more"]),
            helper.make_node("Mul", ["more", "greed"], ["wanted"]),
            helper.make_node("ConstantOfShape", ["wanted"], ["zeros"], value=zero),
            helper.make_node("ReduceSum", ["zeros"], ["nothing"], keepdims=0),
            helper.make_node("Add", ["answer", "nothing"], ["probability"]),
        ]
    )
    content: bytes = model.SerializeToString()
    return content


def publish_hungry_model(root: Path) -> None:
    """Publish it as version 1."""
    folder = publish_threshold_model(root)
    content = hungry_network()
    (folder / "context_level_1.onnx").write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["levels"][0] |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
