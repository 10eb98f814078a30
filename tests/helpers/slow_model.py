"""A published model whose first level takes long, in many steps: to be stopped on its way."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.inference.runtime.session import OnnxSession, RuntimeSettings
from tests.helpers.makers import publish_threshold_model, threshold_network

CHANNELS = 8


def slow_network(steps: int) -> bytes:
    """The threshold network, whose answer waits for a long chain of convolutions that add nothing to it."""
    model = onnx.load_from_string(threshold_network())
    graph = model.graph
    graph.node[-1].output[0] = "answer"
    source = "volume"
    for step in range(steps):
        weights = np.zeros((CHANNELS, 1 if step == 0 else CHANNELS, 3, 3, 3), np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, f"weights_{step}"))
        graph.node.append(helper.make_node("Conv", [source, f"weights_{step}"], [f"step_{step}"], pads=[1] * 6))
        source = f"step_{step}"
    graph.node.append(helper.make_node("ReduceMax", [source], ["nothing"], keepdims=0))
    graph.node.append(helper.make_node("Add", ["answer", "nothing"], ["probability"]))
    content: bytes = model.SerializeToString()
    return content


def publish_slow_model(root: Path, steps: int) -> None:
    """Publishes it as version 1, with a test vector so small that the service is ready soon."""
    folder = publish_threshold_model(root)
    manifest = json.loads((folder / "manifest.json").read_text())
    first, second = slow_network(steps), threshold_network(2)
    manifest["levels"][0] |= _written(folder / "context_level_1.onnx", first)
    manifest["selftest"] |= {"sha256": _written(folder / "selftest.npz", _test_vector(first, second))["sha256"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _test_vector(first: bytes, second: bytes) -> bytes:
    volume = np.random.default_rng(1).random((1, 1, 8, 8, 8), np.float32)
    settings, content = RuntimeSettings("cpu", 1), io.BytesIO()
    context = OnnxSession(first, ("volume",), "probability", settings).run({"volume": volume})
    later = OnnxSession(second, ("volume", "context"), "probability", settings)
    np.savez(content, volume=volume, probability=later.run({"volume": volume, "context": context}))
    return content.getvalue()


def _written(path: Path, content: bytes) -> dict[str, str | int]:
    path.write_bytes(content)
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
