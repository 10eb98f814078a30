"""A network in ONNX Runtime: on a GPU, or on its own CPU provider."""

from __future__ import annotations

from functools import partial
from types import ModuleType
from typing import Any

from app.imaging.arrays import Float32
from app.inference.runtime.engine import CPU, CUDA, Port, Tensors
from app.inference.runtime.stop import Stop
from app.inference.runtime.telemetry import forbid_telemetry

ERRORS_ONLY = 3
OPTIONS: dict[str, dict[str, str]] = {
    CPU: {},
    CUDA: {
        "cudnn_conv_algo_search": "HEURISTIC",
        "cudnn_conv_use_max_workspace": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "do_copy_in_default_stream": "1",
        "use_tf32": "0",
    },
}


class OnnxRuntimeEngine:
    """A network that runs entirely on one provider."""

    def __init__(self, content: bytes, provider: str, threads: int) -> None:
        """Load a network from its bytes; the caller handles what ONNX Runtime raises."""
        self._runtime = _import_onnxruntime()
        self._content, self.provider, self._threads = content, provider, threads
        session = self._session = self._open()
        self.inputs = tuple(_port(value) for value in session.get_inputs())
        self.outputs = tuple(_port(value) for value in session.get_outputs())

    def run(self, tensors: Tensors, output: str, stop: Stop) -> Float32:
        """Return an output; raise `Stopped` within one node."""
        session = self._session = self._session or self._open()
        options = self._runtime.RunOptions()
        with stop.ending(partial(setattr, options, "terminate", True)):
            (found,) = session.run([output], dict(tensors), options)
        answer: Float32 = found
        return answer

    def release(self) -> None:
        """Close a CPU session, the only way to free its memory; a GPU session stays, its memory is the GPU's."""
        if self.provider == CPU:
            self._session = None

    def _open(self) -> Any:
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [(self.provider, OPTIONS[self.provider])]
        session = self._runtime.InferenceSession(self._content, options, providers=providers)
        session.disable_fallback()
        if session.get_providers()[0] != self.provider:
            raise RuntimeError(f"it was replaced by {session.get_providers()[0]}")
        return session


def onnxruntime_providers() -> tuple[str, ...]:
    """Return the installed providers of ONNX Runtime that are supported here."""
    try:
        available = _import_onnxruntime().get_available_providers()
    except ImportError:
        return ()
    return tuple(provider for provider in OPTIONS if provider in available)


def _port(value: Any) -> Port:
    return Port(frozenset({value.name}), value.type, len(value.shape))


def _import_onnxruntime() -> ModuleType:
    forbid_telemetry()
    import onnxruntime  # noqa: PLC0415 - the runtime is an extra: one of several packages, or none

    module: ModuleType = onnxruntime
    return module
