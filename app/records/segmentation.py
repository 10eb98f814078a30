"""One segmentation as it is accepted, measured and stored, and its row in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.contract.report import Measurement, Report
from app.contract.service import Problem
from app.files import digest
from app.records.tables import SegmentationRow

Status = Literal["queued", "running", "completed", "failed", "cancelled"]
ANYBODY = "anonymous"
"""The owner where callers are not distinguished."""
UNFINISHED: tuple[Status, ...] = ("queued", "running")


@dataclass(frozen=True)
class NewSegmentation:
    """A request at the time of its acceptance."""

    id: str
    created_at: datetime
    request_sha256: str
    input_sha256: str
    model_name: str
    model_version: int
    subject: str | None = None
    gestational_age_weeks: float | None = None
    idempotency_key: str | None = None
    owner: str = ANYBODY
    model_sha256: str | None = None
    spacing_mm: tuple[float, float, float] | None = None


class StoredSegmentation(BaseModel):
    """One segmentation as it is stored in the database; `artifacts` maps file name to SHA-256."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    status: Status
    created_at: datetime
    report: Report | None
    problem: Problem | None
    artifacts: Annotated[Mapping[str, str], BeforeValidator(lambda stored: stored or {})]
    owner: str | None


def find_row(session: Session, segmentation_id: str) -> SegmentationRow | None:
    """Return the row with an id, if there is one."""
    return session.scalars(select(SegmentationRow).where(SegmentationRow.id == segmentation_id)).first()


def find_row_by_key(session: Session, key_sha256: str) -> SegmentationRow | None:
    """Return the row that an idempotency key belongs to, if there is one."""
    return session.scalars(select(SegmentationRow).where(SegmentationRow.key_sha256 == key_sha256)).first()


def digest_key(idempotency_key: str, owner: str) -> str:
    """Return the digest under which a key is stored; it differs between two callers with the same key."""
    text = idempotency_key if owner == ANYBODY else f"{owner}\0{idempotency_key}"
    return digest(text)


def make_row(new: NewSegmentation, key: str | None) -> SegmentationRow:
    """Build the row of an accepted request; `key` is the digest of its idempotency key."""
    return SegmentationRow(
        id=new.id,
        status="queued",
        created_at=new.created_at,
        created_day=new.created_at.astimezone(UTC).date(),
        subject=new.subject,
        gestational_age_weeks=new.gestational_age_weeks,
        request_sha256=new.request_sha256,
        key_sha256=key,
        model_name=new.model_name,
        model_version=new.model_version,
        owner=new.owner,
    )


def fill_row(row: SegmentationRow, measurement: Measurement, hashes: Mapping[str, str]) -> None:
    """Set a row to completed with a measurement and the SHA-256 of its files."""
    row.status = "completed"
    row.verdict = measurement.report.verdict
    row.head_volume_ml = measurement.report.head_volume_ml
    row.report = measurement.report.model_dump(mode="json")
    row.artifacts = dict(hashes)


def read_segmentation(row: SegmentationRow) -> StoredSegmentation:
    """Return the value of a row, without members of a report that only a newer version knows."""
    return StoredSegmentation.model_validate(row, extra="ignore")
