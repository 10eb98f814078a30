"""The places that requests occupy, from their first byte until their result is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.problems.problem import RETRY_AFTER_S, ProblemError
from app.service.pace import Pace


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
