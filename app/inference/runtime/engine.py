"""The interface of a runtime, the same for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.imaging.arrays import Float32
from app.inference.runtime.stop import Stop

CUDA = "CUDAExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
CPU = "CPUExecutionProvider"
FLOAT = "tensor(float)"


Tensors = Mapping[str, Float32]
"""A network's inputs, by name."""


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

    def run(self, tensors: Tensors, output: str, stop: Stop) -> Float32:
        """Return an output; raise `Stopped` soon after `stop` asked for it."""

    def release(self) -> None:
        """Free the memory that runs have allocated; the next run allocates it again."""
