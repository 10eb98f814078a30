"""One network, loaded into the fastest runtime that can run it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.contract.value import PrecisionChoice, ProviderChoice
from app.imaging.arrays import Float32
from app.inference.errors import DamagedModel, OutOfMemory, RuntimeUnavailable
from app.inference.runtime.engine import CPU, CUDA, FLOAT, OPENVINO, Engine, Port, Tensors
from app.inference.runtime.onnxruntime_engine import OnnxRuntimeEngine, onnxruntime_providers
from app.inference.runtime.openvino_engine import OpenVinoEngine, openvino_providers
from app.inference.runtime.stop import Stop

CANDIDATES: dict[ProviderChoice, tuple[str, ...]] = {
    "auto": (CUDA, OPENVINO, CPU),
    "cuda": (CUDA,),
    "openvino": (OPENVINO,),
    "cpu": (CPU,),
}
EXTERNAL_DATA_KEY = re.compile(rb"(\x0a|\x8a\x80*\x00)(\x08|\x88\x80*\x00)location")
"""How ONNX's protocol buffers encode the key of a tensor's external file, padded numbers included."""
TENSOR_AXES = 5
BF16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Linux's names of the instructions that multiply bf16."""
INSTALL = "install fetalhead[cpu], or fetalhead[gpu] where there is a CUDA device"
MEMORY_MISSING = re.compile(
    r"failed to allocate|can ?not allocate|could not allocate|bad_?alloc|out of memory|out_of_memory|alloc_failed", re.I
)
"""How the runtimes report a lack of memory: ONNX Runtime's arena, OpenVINO, CUDA and cuDNN."""


@dataclass(frozen=True)
class RuntimeSettings:
    """Where and with what precision a network runs. `threads` 0 takes every core that the process may use.

    `precision` "auto" takes the fastest precision that the model's manifest allows. `kept_mb` is how much working
    memory (MB) all networks of a model together keep from one volume to the next.
    """

    provider: ProviderChoice = "auto"
    threads: int = 0
    precision: PrecisionChoice = "auto"
    kept_mb: int = 384

    @property
    def effective_threads(self) -> int:
        """The number of threads to use."""
        return self.threads or len(os.sched_getaffinity(0))


class OnnxSession:
    """A network that maps float32 tensors (1, 1, I, J, K) to a float32 tensor.

    On OpenVINO, `settings.precision` "bf16" allows bf16 in convolutions; everything else is fp32. `precision` is the
    one in use.
    """

    def __init__(self, content: bytes, inputs: tuple[str, ...], output: str, settings: RuntimeSettings) -> None:
        """Load a network from its bytes; raise `DamagedModel` if its inputs and output have other names."""
        if EXTERNAL_DATA_KEY.search(content):
            detail = "the network keeps weights in another file, whose hash was not checked"
            raise DamagedModel("external_data", detail, "export it with its weights inside")
        self._engine = _load(content, settings)
        self.provider = self._engine.provider
        self.precision = "bf16" if self.provider == OPENVINO and allows_bf16(settings.precision) else "fp32"
        self._output = output
        _check_interface(self._engine, inputs, output)

    def run(self, tensors: Tensors, stop: Stop | None = None) -> Float32:
        """Return the output for one tensor per input name; raise `Stopped` between two nodes if `stop` asked for it."""
        try:
            return self._engine.run(tensors, self._output, stop or Stop())
        except Exception as error:  # the runtimes have no exception class for a lack of memory, only messages
            if MEMORY_MISSING.search(str(error)):
                raise OutOfMemory from error
            raise

    def release(self) -> None:
        """Free the memory that runs have allocated; the next run allocates it again."""
        self._engine.release()


def allows_bf16(precision: PrecisionChoice) -> bool:
    """Whether convolutions may be computed in bf16."""
    return precision == "bf16" and processor_has_bf16()


def processor_has_bf16(information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor has bf16 instructions; emulated, bf16 is slower than single precision."""
    if not information.exists():
        return False
    return not BF16_FLAGS.isdisjoint(information.read_text(encoding="utf-8").split())


def is_runtime_installed() -> bool:
    """Whether any runtime is installed."""
    return bool(_installed())


def available_providers() -> tuple[str, ...]:
    """Return the installed providers; raise `RuntimeUnavailable` if there are none."""
    available = _installed()
    if not available:
        raise RuntimeUnavailable("no_runtime", "no runtime for ONNX networks is installed", INSTALL)
    return available


def preferred_provider(choice: ProviderChoice) -> str:
    """Return the provider that should run: the first candidate that is installed."""
    available = available_providers()
    return next((provider for provider in CANDIDATES[choice] if provider in available), CANDIDATES[choice][0])


def _installed() -> tuple[str, ...]:
    return (*onnxruntime_providers(), *openvino_providers())


def _load(content: bytes, settings: RuntimeSettings) -> Engine:
    """Load the network on the first candidate that runs all of it."""
    available = available_providers()
    failures = []
    for provider in CANDIDATES[settings.provider]:
        if provider not in available:
            failures.append(f"{provider} is not part of an installed runtime")
            continue
        try:
            return _open(content, provider, settings)
        except Exception as error:  # the runtimes raise a different class for every fault
            failures.append(f"{provider}: {error}")
    if CPU in CANDIDATES[settings.provider] and CPU in available:
        raise DamagedModel("not_loadable", "; ".join(failures), "export the network again")
    raise RuntimeUnavailable("provider_unavailable", "; ".join(failures), INSTALL)


def _open(content: bytes, provider: str, settings: RuntimeSettings) -> Engine:
    threads = settings.effective_threads
    if provider == OPENVINO:
        return OpenVinoEngine(content, threads, allows_bf16(settings.precision))
    return OnnxRuntimeEngine(content, provider, threads)


def _check_interface(engine: Engine, inputs: tuple[str, ...], output: str) -> None:
    found_inputs, found_outputs = _by_name(engine.inputs, inputs), _by_name(engine.outputs, (output,))
    if set(found_inputs) != set(inputs) or set(found_outputs) != {output}:
        detail = f"the network maps {sorted(found_inputs)} to {sorted(found_outputs)}"
        remedy = f"the manifest says {sorted(inputs)} to ['{output}']"
        raise DamagedModel("interface_mismatch", detail, remedy)
    for name, port in (*found_inputs.items(), *found_outputs.items()):
        if port.type != FLOAT or port.axes != TENSOR_AXES:
            detail = f"{name!r} is {port.type} with {port.axes} axes"
            raise DamagedModel("interface_mismatch", detail, f"expected {FLOAT} (1, 1, I, J, K)")


def _by_name(ports: Iterable[Port], wanted: tuple[str, ...]) -> dict[str, Port]:
    """Return each port by its wanted name, or else by any of its names."""
    return {min(port.names & set(wanted) or port.names, default=""): port for port in ports}
