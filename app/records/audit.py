"""The audit trail: who-did-what lines, each chained to the line before it by SHA-256.

A line names the action, the segmentation, the moment and what identifies content (hashes, model version, verdict);
never a text that a client sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.records.errors import BrokenAuditTrailError
from app.records.tables import AuditRow

FIRST_HASH = "0" * 64
SERVICE = "service"
"""Who acts where no caller does."""
AuditDetail = Mapping[str, str | int | float | None]


@dataclass(frozen=True)
class AuditEvent:
    """What a line tells: `actor` did `action`; `segmentation_id` is empty where it concerns none.

    `detail` identifies content and parameters (hashes, versions, verdicts), never a text that a client sent.
    """

    actor: str
    action: str
    segmentation_id: str = ""
    detail: AuditDetail = field(default_factory=dict)


def append_line(session: Session, event: AuditEvent) -> None:
    """Adds one line in the session's transaction, which must hold the database's write lock."""
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
    row.hash = line_hash(row)
    session.add(row)


def verify_trail(session: Session) -> int:
    """Number of lines, once every line was found to follow from the one before it.

    Raises:
        BrokenAuditTrailError: at the first line that does not.
    """
    previous, expected = FIRST_HASH, 1
    for row in session.scalars(select(AuditRow).order_by(AuditRow.sequence)).yield_per(1000):
        if row.sequence != expected or row.previous_hash != previous or row.hash != line_hash(row):
            raise BrokenAuditTrailError(expected)
        previous, expected = row.hash, expected + 1
    return expected - 1


def line_hash(row: AuditRow) -> str:
    """SHA-256 of a line's content and of the hash before it; lines of the first version name no actor."""
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
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
