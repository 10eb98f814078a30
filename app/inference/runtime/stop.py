"""Ending work that is under way: between its steps, and within a network's run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Reason = Literal["cancelled", "timeout", "shutdown"]


class Stopped(Exception):  # noqa: N818
    """The work was ended; `reason` says by what."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the work was stopped: {reason}")
        self.reason: Reason = reason


class Stop:
    """A wish to end one piece of work, made by any thread at any time; the first reason counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: Reason | None = None
        self._end: Callable[[], object] | None = None

    @property
    def reason(self) -> Reason | None:
        """Why the work shall end, None where it shall not."""
        return self._reason

    def ask(self, reason: Reason) -> None:
        """Has the work end: at its next `check`, or between two nodes of the network that is running."""
        with self._lock:
            self._reason = self._reason or reason
            if self._end is not None:
                self._end()

    def check(self) -> None:
        """Raises Stopped where the work shall end."""
        if self._reason is not None:
            raise Stopped(self._reason)

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """While a network runs, which `end` ends from any thread; raises Stopped where it did, or shall not begin."""
        with self._lock:
            self.check()
            self._end = end
        try:
            yield
        except Exception:
            self.check()  # the runtimes have no class of their own for a run that was ended
            raise
        finally:
            with self._lock:
                self._end = None
        self.check()
