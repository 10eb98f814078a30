"""How long the stages of one measurement take, and who wants to know that they begin."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.inference.runtime.stop import Stop

OnStage = Callable[[str], None]


class Clock:
    """Times stages and announces them; ends the work before a stage where that is wished."""

    def __init__(self, on_stage: OnStage | None = None, stop: Stop | None = None) -> None:
        """`on_stage` hears each stage's name as it begins."""
        self._on_stage = on_stage
        self.stop = stop
        self._began = time.perf_counter()
        self._durations: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """While a stage runs; raises `Stopped` instead where `stop` asked for it."""
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
