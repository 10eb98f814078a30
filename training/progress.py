"""Progress on standard error: a bar on a terminal, else a line every half minute."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from time import monotonic
from typing import Self, TypeVar

from rich.progress import TextColumn

from app.progress import progress_bar

SECONDS_BETWEEN_LINES = 30.0

T = TypeVar("T")


class ProgressBar:
    """The progress of one task, with a note."""

    def __init__(self, title: str) -> None:
        self._bar = progress_bar(TextColumn("{task.fields[note]}"))
        self._task = self._bar.add_task(title, total=1.0, note="")
        self._title, self._begun = title, monotonic()
        self._written_at, self._unwritten = -SECONDS_BETWEEN_LINES, ""

    def show(self, share: float, note: str) -> None:
        """Show the finished share, 0 to 1, and the note."""
        self._bar.update(self._task, completed=share, note=note)
        spent = timedelta(seconds=round(monotonic() - self._begun))
        self._unwritten = f"{self._title}: {100 * share:.0f} % in {spent}, {note}"
        if monotonic() - self._written_at >= SECONDS_BETWEEN_LINES:
            self._write()

    def _write(self) -> None:
        if self._bar.disable and self._unwritten:
            print(self._unwritten, file=sys.stderr, flush=True)
        self._written_at, self._unwritten = monotonic(), ""

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._write()


def with_progress(items: Iterable[T], total: int, title: str) -> Iterator[T]:
    """Yield the items and show the number of finished ones."""
    with ProgressBar(title) as bar:
        bar.show(0.0, f"0 of {total}")
        for done, item in enumerate(items, start=1):
            yield item
            bar.show(done / max(1, total), f"{done} of {total}")
