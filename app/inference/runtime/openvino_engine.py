"""A network on a CPU in OpenVINO, whose own package can end a run between two nodes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from app.imaging.arrays import Float32
from app.inference.runtime.engine import FLOAT, OPENVINO, Port, Tensors
from app.inference.runtime.stop import Stop
from app.inference.runtime.telemetry import forbid_telemetry

DEVICE = "CPU"


class OpenVinoEngine:
    """A network whose convolutions compute in single precision, or in bf16 on request."""

    provider = OPENVINO

    def __init__(self, content: bytes, threads: int, bf16: bool) -> None:
        """Load a network from its bytes; the caller handles what OpenVINO raises."""
        self._runtime = _import_openvino()
        self._content = content
        self._config = {
            # Always given: OpenVINO would otherwise use bf16 units where the processor has them.
            "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,
        }
        network = self._network = self._open()
        self.inputs = tuple(self._port(port) for port in network.inputs)
        self.outputs = tuple(self._port(port) for port in network.outputs)

    def run(self, tensors: Tensors, output: str, stop: Stop) -> Float32:
        """Return an output; raise `Stopped` within one node of the network.

        An interrupted run leaves some nodes with the shapes of one volume and others with those of another, from
        which OpenVINO does not recover: the next run loads the network again.
        """
        network = self._network = self._network or self._open()
        try:
            return self._run(network, tensors, output, stop)
        except Exception:
            self._network = None
            network.release_memory()  # the exception keeps the network itself until it is handled
            raise

    def release(self) -> None:
        """Free the memory of the largest run so far, which OpenVINO keeps for the next one."""
        if self._network is not None:
            self._network.release_memory()

    def _open(self) -> Any:
        core = self._runtime.Core()
        return core.compile_model(core.read_model(self._content), DEVICE, self._config)

    def _run(self, network: Any, tensors: Tensors, output: str, stop: Stop) -> Float32:
        request = network.create_infer_request()  # a new one each time: it would keep the tensors of the last run
        inputs = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
        for name, values in inputs.items():
            request.set_tensor(name, self._runtime.Tensor(values, shared_memory=True))
        with stop.ending(request.cancel):
            request.start_async()
            if stop.reason is not None:
                request.cancel()  # a request to stop before the start had nothing to cancel
            request.wait()
        answer: Float32 = request.get_tensor(output).data.copy()
        return answer

    def _port(self, port: Any) -> Port:
        kind = FLOAT if port.element_type == self._runtime.Type.f32 else port.element_type.get_type_name()
        return Port(frozenset(port.names), kind, port.partial_shape.rank.get_length())


def openvino_providers() -> tuple[str, ...]:
    """Return OpenVINO's name if it is installed."""
    try:
        _import_openvino()
    except ImportError:
        return ()
    return (OPENVINO,)


def _import_openvino() -> ModuleType:
    forbid_telemetry()
    import openvino  # noqa: PLC0415 - the runtime is an extra

    module: ModuleType = openvino
    return module
