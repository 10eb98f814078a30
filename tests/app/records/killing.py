"""A process that is really killed, at a chosen line of the records."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import app.records
from app.records.opening import Records

ROOM = str(Path(app.records.__file__).parent)


def killed_at(line: int, work: Any, records: Records, segmentation_id: str) -> bool:
    """Does the work in a process of its own, which dies at its n-th line; False where the work has fewer."""
    records.close()  # each process opens connections of its own
    child = os.fork()
    if child == 0:
        sys.settrace(tracer(line))
        work(records, segmentation_id)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def tracer(line: int) -> Any:
    left = line

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace
