"""Ending work that is under way: between its stages, and within a network's run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

Reason = Literal["cancelled", "timeout", "shutdown"]


class Stopped(Exception):  # noqa: N818
    """The work was ended, for this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"the work was stopped: {reason}")
        self.reason: Reason = reason


class Stop:
    """A request to end one piece of work, by any thread at any time; the first reason counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: Reason | None = None
        self._end: Callable[[], object] | None = None

    @property
    def reason(self) -> Reason | None:
        """Why the work must end, or None."""
        return self._reason

    def ask(self, reason: Reason) -> None:
        """Ask the work to end: at its next `check`, or between two nodes of the running network."""
        with self._lock:
            self._reason = self._reason or reason
            if self._end is not None:
                self._end()

    def check(self) -> None:
        """Raise Stopped if the work must end."""
        if self._reason is not None:
            raise Stopped(self._reason)

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Let `end` interrupt a run from any thread; raise Stopped if it did, or if the run must not begin."""
        with self._lock:
            self.check()
            self._end = end
        try:
            yield
        except Exception:
            self.check()  # the runtimes have no exception class for a run that was ended
            raise
        finally:
            with self._lock:
                self._end = None
        self.check()
