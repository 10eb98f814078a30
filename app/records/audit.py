"""The audit trail: lines that say who did what, each chained to the line before it by SHA-256.

A line names the action, the segmentation, the time and what identifies content (hashes, model version, verdict);
never a text that a client sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.files import digest, write_atomically
from app.records.errors import AlteredMeasurementError, BrokenAuditTrailError
from app.records.tables import AuditRow, SegmentationRow

FIRST_HASH = "0" * 64
SERVICE = "service"
"""The actor where the service acts by itself."""
AuditDetail = Mapping[str, str | int | float | None]


TIP = "audit tip"
"""The key of a session's `info` under which the last line added in it is kept."""


@dataclass(frozen=True)
class Tip:
    """The end of the trail: the last line's number and hash, which show later that no line up to it was lost."""

    sequence: int = 0
    hash: str = FIRST_HASH

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Tip:
        """Parse what `str` wrote.

        Raises:
            ValueError: the text is not a tip.
        """
        number, _, digest = text.strip().partition(":")
        if not number.isdecimal() or len(digest) != len(FIRST_HASH):
            raise ValueError("expected the number of a line, a colon and its hash")
        return cls(int(number), digest)


@dataclass(frozen=True)
class AuditEvent:
    """The content of a line: `actor` did `action`; `segmentation_id` is empty where no segmentation is concerned.

    `detail` identifies content and parameters (hashes, versions, verdicts), never a text that a client sent.
    """

    actor: str
    action: str
    segmentation_id: str = ""
    detail: AuditDetail = field(default_factory=dict)


def append_line(session: Session, event: AuditEvent) -> None:
    """Append one line in the session's transaction, which must hold the database's write lock."""
    last = session.scalars(select(AuditRow).order_by(AuditRow.sequence.desc()).limit(1)).first()
    row = AuditRow(
        sequence=1 if last is None else last.sequence + 1,
        at=datetime.now(UTC),
        actor=event.actor,
        action=event.action,
        segmentation_id=event.segmentation_id,
        detail=dict(event.detail),
        previous_hash=FIRST_HASH if last is None else last.hash,
    )
    row.hash = hash_line(row)
    session.add(row)
    session.flush()  # the next line of this transaction follows from this one
    session.info[TIP] = Tip(row.sequence, row.hash)


def verify_trail(session: Session, known: Sequence[Tip] = ()) -> Tip:
    """Check that every line follows from the one before it and that the trail contains `known`; return its end.

    Raises:
        BrokenAuditTrailError: at the first line that does not follow, was altered, or is missing.
    """
    tip, wanted = Tip(), {tip.sequence: tip for tip in known if tip.sequence}
    for row in session.scalars(select(AuditRow).order_by(AuditRow.sequence)).yield_per(1000):
        expected = tip.sequence + 1
        if row.sequence != expected or row.previous_hash != tip.hash or row.hash != hash_line(row):
            raise BrokenAuditTrailError(expected)
        tip = Tip(row.sequence, row.hash)
        if wanted.pop(tip.sequence, tip) != tip:
            raise BrokenAuditTrailError(tip.sequence)
    if wanted:
        raise BrokenAuditTrailError(tip.sequence + 1)
    return tip


def verify_measurements(session: Session) -> None:
    """Compare each completed measurement with the audit line of its completion.

    Raises:
        AlteredMeasurementError: for the first measurement that differs from its line, or has none.
    """
    lines = select(AuditRow.segmentation_id, AuditRow.detail).where(AuditRow.action == "complete")
    recorded = {row.segmentation_id: row.detail for row in session.execute(lines).yield_per(1000)}
    completed = select(SegmentationRow).where(SegmentationRow.status == "completed")
    for row in session.scalars(completed).yield_per(1000):
        if recorded.get(row.id) != describe_completion(row):
            raise AlteredMeasurementError(row.id)


def describe_completion(row: SegmentationRow) -> dict[str, str | int | float | None]:
    """Return what the audit trail records of a completed measurement."""
    files = {f"sha256 {name}": digest for name, digest in (row.artifacts or {}).items()}
    return {"verdict": row.verdict, "head_volume_ml": row.head_volume_ml, **files}


def hash_line(row: AuditRow) -> str:
    """Return the SHA-256 of a line's content and of the hash before it; lines of the first version name no actor."""
    content: list[object] = [
        row.sequence,
        row.at.isoformat(),
        row.action,
        row.segmentation_id,
        row.detail,
        row.previous_hash,
    ]
    if row.actor is not None:
        content.append(row.actor)
    return digest(json.dumps(content, sort_keys=True))


class AuditAnchor:
    """A small file with the end of the trail, replaced after each transaction that appended lines.

    A process that dies in between leaves an older end in it, which is a line of the trail as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Tip]:
        """Return the end that was recorded last; an empty list where the file is missing or damaged."""
        try:
            return [Tip.parse(self._path.read_text("utf-8"))]
        except (OSError, ValueError):
            return []

    def advance(self, tip: Tip) -> None:
        """Record a later end."""
        if any(known.sequence >= tip.sequence for known in self.read()):
            return
        write_atomically(self._path, f"{tip}\n")

    def sweep(self) -> None:
        """Remove the partial files of processes that died; only at the start of the service, which is alone then."""
        for partial in self._path.parent.glob(f"{self._path.name}.*.partial"):
            partial.unlink(missing_ok=True)
