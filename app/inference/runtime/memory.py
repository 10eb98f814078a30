"""What this process holds in memory, and giving back to the system what nothing needs any more."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

RESIDENT_PAGES = 1
"""Which number of /proc/self/statm it is."""


def resident_bytes(statm: Path = Path("/proc/self/statm")) -> int:
    """Return how much memory the process holds now; 0 where the system does not say."""
    if not statm.exists():
        return 0
    return int(statm.read_text(encoding="ascii").split()[RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE")


def give_back() -> None:
    """Return freed memory to the system; the C library otherwise keeps what lies between blocks still in use.

    Does nothing where the C library is not glibc.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
