"""A process that is really killed, at a chosen line of the code under test."""

import os
import signal
import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any


def killed_at(line: int, work: Callable[[], object], is_counted: Callable[[CodeType], bool]) -> bool:
    """Does the work in a process of its own, which dies at its n-th counted line; False where it has fewer."""
    child = os.fork()
    if child == 0:
        sys.settrace(_tracer(line, is_counted))
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def _tracer(line: int, is_counted: Callable[[CodeType], bool]) -> Any:
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not is_counted(frame.f_code):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace
