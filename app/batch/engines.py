"""Engines of a batch: the model on this machine, or a service elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.contract.report import Measurement
from app.contract.upload import Upload

Work = Callable[[], Measurement]


class EngineError(Exception):
    """A service that cannot be reached or cannot measure."""


class BatchEngine(Protocol):
    """What a batch needs to measure uploads."""

    model_sha256: tuple[str, ...]
    """The hashes of the model that measures; results of another model are measured again."""

    def prepare(self, upload: Upload) -> Work:
        """Do the part that may run beside other cases, in its own thread; return the rest, to be run one at a time."""
