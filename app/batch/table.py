"""One table of a folder for results, to which several calls may write at the same time."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from app.batch.results import BatchResult
from app.batch.rows import Row, RowFormat
from app.files import SpecialFileError, open_regular, read_regular, write_atomically

LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


class ForeignTableError(Exception):
    """A file with the name of a table that something else wrote."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.path = path


class Table:
    """A table in a file; every method is to be called while the folder is locked.

    What is new is appended at once. What takes the place of an earlier row waits for `write`, which replaces the file.

    Raises:
        ForeignTableError: the file is something else.
    """

    def __init__(self, path: Path, form: RowFormat) -> None:
        self._path, self._form = path, form
        self._rows: dict[str, list[Row]] = {}
        self._waiting: list[Row] = []
        self._seen: tuple[int, ...] | None = None
        self._whole = False

    def check(self) -> None:
        """Read the file, if there is one."""
        self._read_again()

    def add(self, result: BatchResult) -> None:
        """Add the row of a result."""
        self._read_again()
        row = self._form.write(result)
        if row in self._rows.get(row.name, ()):
            return
        if not self._put(row) or self._waiting or not self._whole:
            self._waiting.append(row)
            return
        with os.fdopen(open_regular(self._path, os.O_WRONLY | os.O_APPEND), "a", newline="", encoding="utf-8") as file:
            file.write(row.text)
        self._seen = self._stamp()

    def adopt(self, result: BatchResult) -> None:
        """Add a result that is in the folder, unless its row is there."""
        if not self.has_result(result.case.name):
            self._waiting.append(self._form.write(result))
            self._put(self._waiting[-1])

    def has_result(self, name: str) -> bool:
        """Return whether there is a row with a result of this name."""
        self._read_again()
        return any(not row.failed for row in self._rows.get(name, ()))

    def write(self) -> None:
        """Replace the file by one with all rows, where that differs; create a missing one."""
        self._read_again()
        if self._waiting or not self._whole:
            texts = [row.text for rows in self._rows.values() for row in rows]
            write_atomically(self._path, self._form.head + "".join(texts))
            self._seen, self._whole = self._stamp(), True
            self._waiting.clear()

    def _put(self, row: Row) -> bool:
        """Put a row into its place; return whether that is the end of the table."""
        rows = self._rows.setdefault(row.name, [])
        is_new = not rows
        rows[:] = [*(other for other in rows if not row.replaces(other)), row]
        return is_new

    def _read_again(self) -> None:
        """Read what others wrote since; what waits takes its place in it."""
        stamp = self._stamp()
        if stamp == self._seen and self._whole:
            return
        self._rows, self._whole = {}, False
        for row in [*(() if stamp is None else self._read()), *self._waiting]:
            self._put(row)
        self._seen = stamp

    def _read(self) -> list[Row]:
        """Return the rows of the file but for half a row at its end, where whoever wrote it was stopped."""
        try:
            text = read_regular(self._path).decode()
        except (UnicodeDecodeError, SpecialFileError) as error:
            raise ForeignTableError(self._path) from error
        self._whole = text.endswith("\n") or text == self._form.head
        if not text:
            return []
        if self._path.is_symlink() or not text.startswith(self._form.head):
            raise ForeignTableError(self._path)
        lines = LINE.findall(text[len(self._form.head) :])
        if lines and not self._whole:
            lines.pop()
        try:
            return [self._form.read(line) for line in lines]
        except ValueError as error:
            raise ForeignTableError(self._path) from error

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if self._path.is_symlink():
                raise ForeignTableError(self._path) from None
            return None
        if not stat.S_ISREG(found.st_mode):
            raise ForeignTableError(self._path)
        return found.st_ino, found.st_size, found.st_mtime_ns
