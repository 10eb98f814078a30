"""How long computations take on this machine, for the header `Retry-After`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NEWEST_WEIGHT = 0.3


class Pace:
    """The mean time of a computation, and how long the present one will still take. Used by two threads."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._mean_s: float | None = None
        self._began: float | None = None

    @contextmanager
    def measure(self) -> Iterator[None]:
        """Time a computation; recent ones count more."""
        self._began = began = self._clock()
        try:
            yield
        finally:
            took = self._clock() - began
            self._mean_s = took if self._mean_s is None else self._mean_s + NEWEST_WEIGHT * (took - self._mean_s)
            self._began = None

    def rest_s(self) -> float:
        """Return the seconds until the present computation should be done; 0 if nothing is known."""
        began, mean_s = self._began, self._mean_s
        if mean_s is None:
            return 0.0
        return mean_s if began is None else max(0.0, mean_s - (self._clock() - began))
