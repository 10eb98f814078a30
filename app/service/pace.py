"""How long computations take here: what `Retry-After` names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NEWEST_WEIGHT = 0.3


class Pace:
    """How long a computation takes here, and for how long the present one will go on. Used by two threads."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mean_s: float | None = None
        self._began: float | None = None

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Times a computation; recent ones count more."""
        self._began = began = self._clock()
        try:
            yield
        finally:
            took = self._clock() - began
            self._mean_s = took if self._mean_s is None else self._mean_s + NEWEST_WEIGHT * (took - self._mean_s)
            self._began = None

    def rest_s(self) -> float:
        """Seconds until the present computation is expected to be done; 0 where nothing is known."""
        began, mean_s = self._began, self._mean_s
        if mean_s is None:
            return 0.0
        return mean_s if began is None else max(0.0, mean_s - (self._clock() - began))
