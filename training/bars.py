"""Progress bars on standard error."""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0


class _Lines:
    """A stream for bars where nobody can see them move: each state is a line of its own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write what a bar shows, without what would move the cursor."""
        if shown := text.strip("\r\n "):
            self._stream.write(shown + "\n")

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()


def progress_bar(items: Iterable[Any] | None = None, **options: Any) -> "tqdm[Any]":
    """A bar over items or by hand, with tqdm's options; a line every half minute where no terminal shows it."""
    if sys.stderr.isatty():
        return tqdm(items, **options)
    return tqdm(items, **options, file=_Lines(sys.stderr), mininterval=SECONDS_BETWEEN_LINES, miniters=1)
