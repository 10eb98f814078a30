"""The places that requests occupy until their result is stored, and the time until one is likely to be free."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from app.problems.problem import RETRY_AFTER_S, ProblemError

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


class Places:
    """All places: for the waiting requests and the one being measured together."""

    def __init__(self, count: int, pace: Pace) -> None:
        """Open so many places; `pace` says when the next one is likely to be free."""
        self._count = count
        self._pace = pace
        self._taken = 0
        self.is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether no request has a place."""
        return self._taken == 0

    def close(self) -> None:
        """Give no more places; a request that has one keeps it."""
        self.is_closed = True

    def require_open(self) -> None:
        """Raise the problem `stopping` once they are closed."""
        if self.is_closed:
            raise ProblemError("stopping")

    @contextmanager
    def take(self) -> Iterator[ExitStack]:
        """Give one request a place, given back at the end of the block or, after `pop_all`, by the new owner.

        Raises:
            ProblemError: `queue_full` or `stopping`.
        """
        self.require_open()
        if self._taken >= self._count:
            wait_s = max(RETRY_AFTER_S, math.ceil(self._pace.rest_s()))
            got, headers = f"{self._taken} requests held", {"Retry-After": str(wait_s)}
            raise ProblemError("queue_full", got=got, headers=headers)
        self._taken += 1
        with ExitStack() as place:
            place.callback(self._release)
            yield place

    def _release(self) -> None:
        self._taken -= 1
