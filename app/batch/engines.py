"""Who measures: the model on this machine, or a service somewhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.contract.report import Measurement
from app.contract.upload import Upload

Work = Callable[[], Measurement]


class EngineError(Exception):
    """The service that shall measure cannot be asked."""


class Engine(Protocol):
    """Measures uploads."""

    model_sha256: tuple[str, ...]
    """The hashes of the model that measures: a result of another model is not kept."""

    def prepare(self, upload: Upload) -> Work:
        """Do what may run beside other cases, in a thread of its own; give the rest, to be done one at a time."""
        ...
