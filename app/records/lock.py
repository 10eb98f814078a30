"""The lock of a data folder: two services would each take the other's work for leftovers of a killed process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from app.records.errors import FolderInUseError

FILE = "service.lock"


class FolderLock:
    """A lock that is held from its construction until `close`, or until the process ends in any way."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock; raise FolderInUseError where another process holds it."""
        data_dir.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(data_dir / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise FolderInUseError(data_dir) from error

    def close(self) -> None:
        """Release the folder for other processes."""
        os.close(self._descriptor)
