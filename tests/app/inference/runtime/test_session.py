from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.inference.errors import DamagedModel, OutOfMemory, RuntimeUnavailable
from app.inference.runtime.engine import CPU, CUDA, OPENVINO
from app.inference.runtime.session import OnnxSession, RuntimeSettings, available_providers, is_runtime_installed
from tests.helpers.convolutional_network import convolutional_network
from tests.helpers.hungry_model import MODEST_VOXELS, hungry_network
from tests.helpers.makers import threshold_network
from tests.helpers.runtimes import needs, providers

CHANNELS = 16
ON_CPU = RuntimeSettings(provider="cpu", threads=1)


def load(content: bytes, settings: RuntimeSettings = ON_CPU, inputs: tuple[str, ...] = ("volume",)) -> OnnxSession:
    return OnnxSession(content, inputs, "probability", settings)


@needs(OPENVINO)
@pytest.mark.parametrize("shape", [(24, 16, 32), (16, 16, 16), (8, 40, 24)])
def test_openvino_computes_in_single_precision_at_every_shape(shape: tuple[int, ...]) -> None:
    content = convolutional_network()
    reference, fast = load(content), load(content, RuntimeSettings(provider="openvino", threads=1))
    assert (reference.provider, fast.provider) == (CPU, OPENVINO)
    volume = np.random.default_rng(1).normal(size=(1, 1, *shape)).astype(np.float32)
    difference = np.abs(reference.run({"volume": volume}) - fast.run({"volume": volume}))
    assert difference.max() < 1e-4


@needs(OPENVINO)
def test_auto_takes_the_fastest_provider_that_runs() -> None:
    session = load(convolutional_network(), RuntimeSettings(threads=1))
    assert session.provider in {OPENVINO, CUDA}


def test_a_level_with_context_takes_two_tensors() -> None:
    session = load(threshold_network(2), inputs=("volume", "context"))
    volume = np.linspace(0, 10, 64, dtype=np.float32).reshape(1, 1, 4, 4, 4)
    result = session.run({"volume": volume, "context": np.ones_like(volume)})
    assert result.shape == volume.shape
    assert result.min() == pytest.approx(0.5)


@pytest.mark.parametrize("provider", providers())
@pytest.mark.parametrize(
    ("content", "inputs", "output"),
    [
        (threshold_network(1), ("volume", "context"), "probability"),
        (threshold_network(2), ("volume",), "probability"),
        (threshold_network(1), ("image",), "probability"),
        (threshold_network(1), ("volume",), "mask"),
    ],
)
def test_other_inputs_and_outputs_than_promised_are_refused(
    content: bytes, inputs: tuple[str, ...], output: str, provider: Any
) -> None:
    with pytest.raises(DamagedModel) as caught:
        OnnxSession(content, inputs, output, RuntimeSettings(provider, 1))
    assert caught.value.code == "interface_mismatch"


def network_of_other_type(kind: int, axes: int) -> bytes:
    dims = [1] * axes
    inputs = [helper.make_tensor_value_info("volume", kind, dims)]
    outputs = [helper.make_tensor_value_info("probability", kind, dims)]
    graph = helper.make_graph([helper.make_node("Abs", ["volume"], ["probability"])], "other", inputs, outputs)
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()
    return content


@pytest.mark.parametrize("provider", providers())
@pytest.mark.parametrize(("kind", "axes"), [(TensorProto.DOUBLE, 5), (TensorProto.FLOAT, 4)])
def test_other_tensors_than_promised_are_refused(kind: int, axes: int, provider: Any) -> None:
    with pytest.raises(DamagedModel) as caught:
        load(network_of_other_type(kind, axes), RuntimeSettings(provider, 1))
    assert caught.value.code == "interface_mismatch"


def test_weights_in_another_file_are_refused(tmp_path: Any) -> None:
    model = onnx.load_from_string(convolutional_network())
    path = tmp_path / "network.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(DamagedModel) as caught:
        load(path.read_bytes())
    assert caught.value.code == "external_data"


@pytest.mark.parametrize("content", [b"", b"no network", convolutional_network()[:500]])
@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_what_is_no_network_is_refused(content: bytes, provider: Any) -> None:
    with pytest.raises(DamagedModel) as caught:
        load(content, RuntimeSettings(provider=provider, threads=1))
    assert caught.value.code == "not_loadable"


@pytest.mark.skipif(CUDA in available_providers(), reason="CUDA is there")
def test_a_provider_that_was_asked_for_is_not_replaced() -> None:
    with pytest.raises(RuntimeUnavailable) as caught:
        load(threshold_network(), RuntimeSettings(provider="cuda"))
    assert caught.value.code == "provider_unavailable"
    assert CUDA in caught.value.detail


@pytest.mark.parametrize("provider", providers())
def test_missing_memory_is_told_apart_and_the_next_run_is_right(provider: Any) -> None:
    session = load(hungry_network(), RuntimeSettings(provider, 1))
    modest = {"volume": np.full((1, 1, MODEST_VOXELS, 8, 8), 100, np.float32)}
    before = session.run(modest)
    with pytest.raises(OutOfMemory):
        session.run({"volume": np.ones((1, 1, MODEST_VOXELS + 14, 8, 8), np.float32)})
    np.testing.assert_array_equal(session.run(modest), before)


class TestMissingPackages:
    @needs(OPENVINO)
    def test_without_openvino_the_plain_provider_runs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        assert OPENVINO not in available_providers()
        assert load(threshold_network(), RuntimeSettings("auto", 1)).provider in {CPU, CUDA}
        with pytest.raises(RuntimeUnavailable) as caught:
            load(threshold_network(), RuntimeSettings("openvino", 1))
        assert caught.value.code == "provider_unavailable"

    @needs(OPENVINO)
    def test_openvino_runs_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        assert available_providers() == (OPENVINO,)
        assert load(threshold_network(), RuntimeSettings("auto", 1)).provider == OPENVINO
        with pytest.raises(RuntimeUnavailable) as caught:
            load(threshold_network(), RuntimeSettings("cpu", 1))
        assert caught.value.code == "provider_unavailable"

    def test_without_both_the_remedy_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert is_runtime_installed()
        for name in ("onnxruntime", "openvino"):
            monkeypatch.setitem(sys.modules, name, None)
        assert not is_runtime_installed()
        with pytest.raises(RuntimeUnavailable, match=r"install fetalhead\[cpu\]") as caught:
            load(threshold_network())
        assert caught.value.code == "no_runtime"


def test_all_cores_of_the_process_are_used_by_default() -> None:
    assert RuntimeSettings().effective_threads >= 1
    assert RuntimeSettings(threads=3).effective_threads == 3
