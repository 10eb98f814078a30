"""One network, loaded into ONNX Runtime on the fastest execution provider that really runs it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.inference.errors import DamagedModel, OutOfMemory, RuntimeUnavailable
from app.inference.stop import Stop

ProviderChoice = Literal["auto", "cuda", "openvino", "cpu"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Float32 = NDArray[np.float32]

CUDA = "CUDAExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
CPU = "CPUExecutionProvider"
CANDIDATES: dict[ProviderChoice, tuple[str, ...]] = {
    "auto": (CUDA, OPENVINO, CPU),
    "cuda": (CUDA,),
    "openvino": (OPENVINO,),
    "cpu": (CPU,),
}
EXTERNAL_DATA_KEY = re.compile(rb"(\x0a|\x8a\x80*\x00)(\x08|\x88\x80*\x00)location")
"""How ONNX's protocol buffers spell the key that names a tensor's external file, padded numbers included."""
TENSOR_AXES = 5
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""What Linux calls the instructions that multiply bf16."""
INSTALL = "install fetalhead[cpu], or fetalhead[gpu] where there is a CUDA device"
ERRORS_ONLY = 3
MEMORY_MISSING = re.compile(
    r"failed to allocate|can ?not allocate|could not allocate|bad_?alloc|out of memory|out_of_memory|alloc_failed", re.I
)
"""How the providers say that memory is missing: the CPU's arena, OpenVINO, CUDA and cuDNN."""


@dataclass(frozen=True)
class RuntimeSettings:
    """Where and how exactly a network runs. `threads` 0 takes every core that the process may use.

    `precision` "auto" takes the fastest arithmetic that the model's manifest vouches for, int8 excepted. `kept_mb` is
    how much working memory (MB) all networks of a model together keep from one volume to the next.
    """

    provider: ProviderChoice = "auto"
    threads: int = 0
    precision: PrecisionChoice = "auto"
    kept_mb: int = 384

    @property
    def effective_threads(self) -> int:
        """The number of threads that are really asked for."""
        return self.threads or len(os.sched_getaffinity(0))


@dataclass(frozen=True, eq=False)
class Held:
    """A float32 tensor where a network runs: in a GPU's memory, or in the process's own."""

    value: Any

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        count: int = math.prod(self.value.shape())
        return count * np.dtype(np.float32).itemsize

    def numpy(self) -> Float32:
        """Return a copy in the process's memory."""
        return np.array(self.value.numpy(), dtype=np.float32)


Tensors = Mapping[str, Float32 | Held]
"""What a network takes, by the names of its inputs."""


class OnnxSession:
    """A network that takes and gives float32 tensors (1, 1, I, J, K).

    `settings.precision` is what its convolutions may use on OpenVINO: "bf16" and "int8" allow bf16, all else is fp32.
    `precision` tells the arithmetic of a graph of floating-point weights.
    """

    def __init__(self, content: bytes, inputs: tuple[str, ...], output: str, settings: RuntimeSettings) -> None:
        """Load the very bytes given; raise `DamagedModel` where their inputs and output are not those named."""
        if EXTERNAL_DATA_KEY.search(content):
            detail = "the network keeps weights in another file, whose hash nobody checked"
            raise DamagedModel("external_data", detail, "export it with its weights inside")
        runtime = _import_runtime()
        self._session, self.provider = _load(runtime, content, settings)
        self._device = "cuda" if self.provider == CUDA else "cpu"
        self.precision = "bf16" if self.provider == OPENVINO and allows_bf16(settings.precision) else "fp32"
        self._inputs, self._output = inputs, output
        self._check_interface()

    def hold(self, tensor: Float32) -> Held:
        """Return a tensor put where this network runs, so that several runs can take it from there."""
        runtime = _import_runtime()
        return Held(runtime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(tensor), self._device, 0))

    def run(self, tensors: Tensors, stop: Stop | None = None) -> Float32:
        """Return the output for one tensor per input name, in the process's memory; as `run_held` does."""
        return self.run_held(tensors, stop).numpy()

    def run_held(self, tensors: Tensors, stop: Stop | None = None) -> Held:
        """Return the output for one tensor per input name; raise `Stopped` where `stop` asked for it meanwhile.

        The output stays where the network runs: another network takes it from there, without a way over the host.
        CPU and CUDA providers end between two nodes of the network; OpenVINO runs the network as one node, to its end.
        """
        if stop is None:
            return self._answer(tensors, None)
        options = _import_runtime().RunOptions()
        with stop.ending(options):
            return self._answer(tensors, options)

    def _answer(self, tensors: Tensors, options: Any) -> Held:
        try:
            binding = self._session.io_binding()
            for name, tensor in tensors.items():
                binding.bind_ortvalue_input(name, self._here(tensor).value)
            binding.bind_output(self._output, self._device, 0)
            self._session.run_with_iobinding(binding, options)
            return Held(binding.get_outputs()[0])
        except Exception as error:  # the runtime has no class of its own for memory that is missing, only words
            if MEMORY_MISSING.search(str(error)):
                raise OutOfMemory from error
            raise

    def _here(self, tensor: Float32 | Held) -> Held:
        if isinstance(tensor, Held):
            return tensor if tensor.value.device_name() == self._device else self.hold(tensor.numpy())
        return self.hold(tensor)

    def _check_interface(self) -> None:
        session = self._session
        found_inputs = {value.name: value for value in session.get_inputs()}
        found_outputs = {value.name: value for value in session.get_outputs()}
        if set(found_inputs) != set(self._inputs) or set(found_outputs) != {self._output}:
            detail = f"the network maps {sorted(found_inputs)} to {sorted(found_outputs)}"
            remedy = f"the manifest says {sorted(self._inputs)} to ['{self._output}']"
            raise DamagedModel("interface_mismatch", detail, remedy)
        for value in (*found_inputs.values(), *found_outputs.values()):
            if value.type != "tensor(float)" or len(value.shape) != TENSOR_AXES:
                detail = f"{value.name!r} is {value.type} {value.shape}"
                raise DamagedModel("interface_mismatch", detail, "expected tensor(float) (1, 1, I, J, K)")


def allows_bf16(precision: PrecisionChoice) -> bool:
    """Whether convolutions may be computed in bf16; what int8 leaves in floating point may, too."""
    return precision in ("bf16", "int8") and processor_has_bf16()


def processor_has_bf16(information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies bf16; elsewhere it would be emulated, and slower than single precision."""
    if not information.exists():
        return False
    return not BF16_FLAGS.isdisjoint(information.read_text(encoding="utf-8").split())


def installed_runtime() -> str | None:
    """Return ONNX Runtime's version, None where none is installed."""
    try:
        return str(_import_runtime().__version__)
    except RuntimeUnavailable:
        return None


def preferred_provider(choice: ProviderChoice) -> str:
    """Return the provider that should run: the first candidate that the installed runtime was built for."""
    available = _import_runtime().get_available_providers()
    return next((provider for provider in CANDIDATES[choice] if provider in available), CANDIDATES[choice][0])


def _import_runtime() -> ModuleType:
    try:
        import onnxruntime  # noqa: PLC0415 - the runtime is an extra: one of several packages, or none
    except ImportError as error:
        raise RuntimeUnavailable("no_runtime", "no ONNX Runtime is installed", INSTALL) from error
    module: ModuleType = onnxruntime
    return module


def _load(runtime: ModuleType, content: bytes, settings: RuntimeSettings) -> tuple[Any, str]:
    """Return a session and the provider that runs it: the first candidate that takes the whole network."""
    available = runtime.get_available_providers()
    failures = []
    for provider in CANDIDATES[settings.provider]:
        if provider not in available:
            failures.append(f"{provider} is not part of the installed runtime")
            continue
        try:
            session = _open(runtime, content, provider, settings)
        except Exception as error:  # the runtime raises a class of its own for every fault
            failures.append(f"{provider}: {error}")
            continue
        if session.get_providers()[0] == provider:
            return session, provider
        failures.append(f"{provider} was replaced by {session.get_providers()[0]}")
    if CPU in CANDIDATES[settings.provider] and CPU in available:
        raise DamagedModel("not_loadable", "; ".join(failures), "export the network again")
    raise RuntimeUnavailable("provider_unavailable", "; ".join(failures), INSTALL)


def _open(runtime: ModuleType, content: bytes, provider: str, settings: RuntimeSettings) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.effective_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider == OPENVINO:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    session = runtime.InferenceSession(content, options, providers=[(provider, _provider_options(provider, settings))])
    session.disable_fallback()
    return session


def _provider_options(provider: str, settings: RuntimeSettings) -> dict[str, str]:
    if provider == OPENVINO:
        # The hint is always given: processors with bf16 units would otherwise be free to use them.
        config = {
            "INFERENCE_PRECISION_HINT": "bf16" if allows_bf16(settings.precision) else "f32",
            "INFERENCE_NUM_THREADS": str(settings.effective_threads),
            "ENABLE_CPU_PINNING": "NO",
        }
        return {"device_type": "CPU", "load_config": json.dumps({"CPU": config})}
    if provider == CUDA:
        return {
            "cudnn_conv_algo_search": "HEURISTIC",
            "cudnn_conv_use_max_workspace": "1",
            "arena_extend_strategy": "kSameAsRequested",
            "do_copy_in_default_stream": "1",
            "use_tf32": "0",
        }
    return {}
