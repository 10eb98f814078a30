"""Ctrl-C at any moment: at once where nothing is left to finish, in order where something is.

Imports nothing that takes time, so that it is there before what does.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

STOPPED = "Stopped."


class AtOnce:
    """Inside, Ctrl-C ends the process with a line and exit code 130, whatever is being imported or loaded."""

    def __enter__(self) -> None:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            _handle(_leave)

    def __exit__(self, *_: object) -> None:
        if self._before is signal.default_int_handler:
            _handle(self._before)


class InOrder:
    """Inside, the first Ctrl-C raises KeyboardInterrupt, so that what was begun is finished; the second is `AtOnce`.

    Some libraries lose an exception that is raised while they are imported or call back; `check` raises it then.
    """

    def __init__(self) -> None:
        self._is_asked = False

    def check(self) -> None:
        """Raise KeyboardInterrupt where the user asked for it."""
        if self._is_asked:
            raise KeyboardInterrupt

    def __enter__(self) -> InOrder:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before in (signal.default_int_handler, _leave):
            _handle(self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before in (signal.default_int_handler, _leave):
            _handle(self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._is_asked:
            _leave(number, frame)
        self._is_asked = True
        raise KeyboardInterrupt


def stop_at_once() -> None:
    """Have Ctrl-C end the process without a traceback from now on."""
    _handle(_leave)


def _handle(handler: object) -> None:
    """Set what Ctrl-C does; nothing can be set, or need be, from any thread but the main one."""
    try:
        signal.signal(signal.SIGINT, handler)  # type: ignore[arg-type]  # what `getsignal` returned, or a function here
    except ValueError:
        return


def _leave(_: int, __: FrameType | None) -> None:
    code = 128 + signal.SIGINT
    line = f'{{"error": "{STOPPED}", "exit_code": {code}}}' if "--json" in sys.argv else f"fetalhead: {STOPPED}"
    os.write(2, f"{line}\n".encode())
    os._exit(code)
