"""Writing of files completely or not at all, flushed to the disk; digests of their content, and names as text."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from pathlib import Path
from typing import Final

PARTIAL_SUFFIX: Final = ".partial"
FOR_ALL: Final = 0o666
FOR_THE_OWNER: Final = 0o600
"""Modes of new files, before the process's umask."""
NO_TEXT: Final = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")
"""Control characters, and bytes of a file's name that are no character."""


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
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def path_text(path: str | os.PathLike[str]) -> str:
    r"""Return a path as text that every encoding of Unicode takes: what is no character stands as %, and its byte.

    >>> path_text("M\udcfcller.nii.gz")
    'M%FCller.nii.gz'
    """
    return NO_TEXT.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", os.fspath(path))
