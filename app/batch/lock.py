"""The lock of a folder for results: several calls may write into one at the same time, as in a job array."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from app.files import open_regular

LOCK: Final = ".results.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes; on a file system that knows no locks, run without."""
    path = folder / LOCK
    descriptor = _take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _take(path: Path) -> int:
    while True:
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether the file is still there: whoever held it before has removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
