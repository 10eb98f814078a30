"""The end of the audit trail, kept in a file outside of the database: what is cut off the trail's end is missed."""

from __future__ import annotations

import os
from pathlib import Path

from app.records.artifacts import write_and_flush
from app.records.audit import Tip


class AuditAnchor:
    """One small file, replaced after each transaction that added lines.

    A process that dies in between leaves an older end in it, which is a line of the trail as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self) -> list[Tip]:
        """The end that was noted last; none where the file is missing or damaged."""
        try:
            return [Tip.parsed(self._path.read_text("utf-8"))]
        except (OSError, ValueError):
            return []

    def advance(self, tip: Tip) -> None:
        """Notes a later end."""
        if any(known.sequence >= tip.sequence for known in self.known()):
            return
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.partial")
        write_and_flush(partial, f"{tip}\n".encode())
        partial.replace(self._path)

    def sweep(self) -> None:
        """Removes what processes that died in between left behind; at the start of the service, which is alone then."""
        for partial in self._path.parent.glob(f"{self._path.name}.*.partial"):
            partial.unlink(missing_ok=True)
