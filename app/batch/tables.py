"""Tables of a folder for results: results.csv for spreadsheets, results.jsonl for programs, both with all its cases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.batch.cases import BatchError, Case
from app.batch.lock import locked
from app.batch.results import BatchResult
from app.batch.rows import CSV_FORMAT, JSONL_FORMAT
from app.batch.table import ForeignTableError, Table
from app.batch.written import CSV, ELSEWHERE, JSONL, find_reports, read_whole
from app.files import SpecialFileError, path_text

PAUSE_S: Final = 1.0
"""Least time between two replacements of the files, which hold all cases of the folder."""


class Tables:
    """Both tables, to which each result is added before the next case begins."""

    def __init__(self, output: Path) -> None:
        """Read both tables of a folder, and add results that are there without a row."""
        self._output = output
        self._tables = (Table(output / JSONL, JSONL_FORMAT), Table(output / CSV, CSV_FORMAT))
        self._written_s = 0.0
        with _checked(output), locked(output):
            for table in self._tables:
                table.check()
            for result in _find_results(output, self._tables):
                for table in self._tables:
                    table.adopt(result)
            self._write()

    def add(self, result: BatchResult) -> None:
        """Add one result to both tables."""
        with _checked(self._output), locked(self._output):
            for table in self._tables:
                table.add(result)
            if time.monotonic() >= self._written_s + PAUSE_S:
                self._write()

    def close(self) -> None:
        """Write what waits to be written."""
        with _checked(self._output), locked(self._output):
            self._write()

    def _write(self) -> None:
        for table in self._tables:
            table.write()
        self._written_s = time.monotonic()


@contextmanager
def open_tables(output: Path) -> Iterator[Tables]:
    """Open both tables in a folder, which is created if it is missing; rows of other cases stay.

    Raises:
        BatchError: a table cannot be written, or a file of its name is something else.
    """
    with _checked(output):
        output.mkdir(parents=True, exist_ok=True)
    tables = Tables(output)
    try:
        yield tables
    finally:
        tables.close()


@contextmanager
def _checked(output: Path) -> Iterator[None]:
    try:
        yield
    except ForeignTableError as error:
        raise BatchError(
            f"{path_text(error.path)} was not written by this command, or was changed since, and is left as it is. "
            + ELSEWHERE
        ) from error
    except SpecialFileError as error:
        raise BatchError(f"{path_text(error.path)} is no regular file, and is left as it is. {ELSEWHERE}") from error
    except OSError as error:
        raise BatchError(f"{path_text(output)} cannot be written: {error.strerror}.") from error


def _find_results(output: Path, tables: Sequence[Table]) -> Iterator[BatchResult]:
    """Yield what is in the folder and not in the tables: a run was stopped between a result and its row."""
    for name, path in find_reports(output):
        if all(table.has_result(name) for table in tables):
            continue
        if (report := read_whole(path)) is not None:
            yield BatchResult(Case(Path(report.file), name), report, "measured")
