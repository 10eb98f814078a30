"""The memory of this process, and returning freed memory to the system."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

RESIDENT_PAGES = 1
"""Its position in /proc/self/statm."""


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Return the resident memory of the process in bytes; 0 if the system does not say."""
    if not statm.exists():
        return 0
    return int(statm.read_text(encoding="ascii").split()[RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return freed memory to the system; glibc otherwise keeps free blocks between those in use.

    Does nothing with another C library.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
