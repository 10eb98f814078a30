"""What a runtime has to offer, so that the rest need not know which one runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.imaging.arrays import Float32
from app.inference.runtime.stop import Stop

CUDA = "CUDAExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
CPU = "CPUExecutionProvider"
FLOAT = "tensor(float)"


class Held(ABC):
    """A float32 tensor where a network runs: in a GPU's memory, or in the process's own."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Its size in bytes."""

    @abstractmethod
    def numpy(self) -> Float32:
        """Return it in the process's memory."""


Tensors = Mapping[str, Float32 | Held]
"""What a network takes, by the names of its inputs."""


@dataclass(frozen=True)
class Port:
    """An input or output of a network: its names (a runtime may know several), its type and number of axes."""

    names: frozenset[str]
    type: str
    axes: int


class Engine(Protocol):
    """A network loaded into a runtime, for one thread at a time."""

    provider: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    def hold(self, tensor: Float32) -> Held:
        """Return a tensor put where the network runs."""

    def run(self, tensors: Tensors, output: str, stop: Stop) -> Held:
        """Return an output, where the network runs; raise `Stopped` soon after `stop` asked for it."""

    def release(self) -> None:
        """Give back the memory that runs have taken; the next run takes it anew."""
