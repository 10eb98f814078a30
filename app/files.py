"""Writing of files completely or not at all, flushed to the disk; digests of their content, and names as text.

What is no regular file, such as a named pipe, is not opened: that may wait for ever, or do anything.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

PARTIAL_SUFFIX: Final = ".partial"
FOR_ALL: Final = 0o666
FOR_THE_OWNER: Final = 0o600
"""Modes of new files, before the process's umask."""
NO_TEXT: Final = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")
"""Control characters, and bytes of a file's name that are no character."""


class SpecialFileError(OSError):
    """A pipe, a device, a socket or a folder where a file was expected."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EEXIST, "it is no regular file", os.fspath(path))
        self.path = path


def open_regular(path: Path, flags: int, mode: int = FOR_ALL) -> int:
    """Open a regular file and return its descriptor; raise a SpecialFileError for anything else."""
    with suppress(FileNotFoundError):
        _require_regular(path, path.stat())
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        _require_regular(path, os.fstat(descriptor))
    except SpecialFileError:
        os.close(descriptor)
        raise
    return descriptor


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file; raise a SpecialFileError for anything else."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read()


def write_atomically(path: Path, content: bytes | str, mode: int = FOR_ALL) -> None:
    """Replace a file: a reader, or a machine that loses power, sees the old content or all of the new content."""
    partial = write_partial(path, content, mode)
    try:
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    flush(path.parent)


def write_partial(path: Path, content: bytes | str, mode: int = FOR_ALL) -> Path:
    """Write what a file shall hold beside it, under a name of its own; return that path, to be renamed."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}{PARTIAL_SUFFIX}")
    try:
        write_and_flush(partial, content, mode)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return partial


def write_and_flush(path: Path, content: bytes | str, mode: int = FOR_ALL) -> None:
    """Write a file, text in UTF-8, and wait until its content is on the disk."""
    with os.fdopen(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(content: bytes | str) -> str:
    """Return the SHA-256 of a content, of text in UTF-8, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_regular(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SpecialFileError(path)


def path_text(path: str | os.PathLike[str]) -> str:
    r"""Return a path as text that every encoding of Unicode takes: what is no character stands as %, and its byte.

    >>> path_text("M\udcfcller.nii.gz")
    'M%FCller.nii.gz'
    """
    return NO_TEXT.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", os.fspath(path))
