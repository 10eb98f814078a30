"""Memory that a measurement needed, given back to the system when it is over."""

from __future__ import annotations

import ctypes
import ctypes.util

MMAP_THRESHOLD_OPTION = -3
LARGE_BYTES = 1 << 20


def return_large_blocks() -> None:
    """From now on the C library gives freed blocks of a mebibyte and more back at once, instead of keeping them."""
    if (library := _c_library()) is not None:
        library.mallopt(MMAP_THRESHOLD_OPTION, LARGE_BYTES)


def release_free_memory() -> None:
    """Give back what the C library keeps for later; nothing happens where it is not glibc."""
    if (library := _c_library()) is not None:
        library.malloc_trim(0)


def _c_library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("c")
    library = None if name is None else ctypes.CDLL(name)
    return library if hasattr(library, "malloc_trim") else None
