"""The times of the stages of one measurement, announced as they begin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.inference.runtime.stop import Stop

OnStage = Callable[[str], None]


class Clock:
    """A timer of stages, which announces each one and ends the work before it if asked to."""

    def __init__(self, on_stage: OnStage | None = None, stop: Stop | None = None) -> None:
        """Start timing; `on_stage` is called with each stage's name as it begins."""
        self._on_stage = on_stage
        self.stop = stop
        self._began = time.perf_counter()
        self._durations: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce and time a stage; raise `Stopped` instead if `stop` was asked to end the work."""
        if self.stop is not None:
            self.stop.check()
        if self._on_stage is not None:
            self._on_stage(name)
        began = time.perf_counter()
        yield
        self._durations[name] = time.perf_counter() - began

    def timings_s(self) -> dict[str, float]:
        """Return the seconds of every stage, and since the beginning."""
        return {**self._durations, "total": time.perf_counter() - self._began}
