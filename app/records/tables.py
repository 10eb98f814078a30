"""The tables as SQLAlchemy maps them; `migrations` creates the schema."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import JSON, Date, DateTime, Dialect, Float, ForeignKey, Index, Integer, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """A moment with its time zone, stored as UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the naive UTC moment that is stored; raise ValueError for a moment without a time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs its time zone, got {value.isoformat()}")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored moment with its time zone."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """Base of the tables."""


class SegmentationRow(Base):
    """One accepted request and, once completed, its measurement."""

    __tablename__ = "segmentations"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    status: Mapped[str] = mapped_column(String(16), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    created_day: Mapped[date] = mapped_column(Date)
    subject: Mapped[str | None] = mapped_column(String(64))
    gestational_age_weeks: Mapped[float | None] = mapped_column(Float)
    request_sha256: Mapped[str] = mapped_column(String(64))
    owner: Mapped[str | None] = mapped_column(String(128))
    key_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    model_name: Mapped[str] = mapped_column(String(64))
    model_version: Mapped[int] = mapped_column(Integer)
    verdict: Mapped[str | None] = mapped_column(String(16))
    head_volume_ml: Mapped[float | None] = mapped_column(Float)
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    artifacts: Mapped[dict[str, str] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        Index("ix_segmentations_subject_day", "subject", "created_day"),
        {"sqlite_autoincrement": True},
    )


class EditedMaskRow(Base):
    """One mask that a reader drew in place of the model's; earlier ones stay."""

    __tablename__ = "edited_masks"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    segmentation_id: Mapped[str] = mapped_column(ForeignKey("segmentations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(64))
    sha256: Mapped[str] = mapped_column(String(64))
    head_volume_ml: Mapped[float] = mapped_column(Float)
    findings: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = ({"sqlite_autoincrement": True},)


class DecisionRow(Base):
    """One decision of a reader about a measurement, and the mask it was about; earlier ones stay."""

    __tablename__ = "decisions"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    segmentation_id: Mapped[str] = mapped_column(ForeignKey("segmentations.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(128))
    decision: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500))
    mask_name: Mapped[str | None] = mapped_column(String(64))
    mask_sha256: Mapped[str | None] = mapped_column(String(64))
    head_volume_ml: Mapped[float | None] = mapped_column(Float)

    __table_args__ = ({"sqlite_autoincrement": True},)


class AuditRow(Base):
    """One line of the audit trail; it holds the hash of the line before it, so that no alteration goes unnoticed."""

    __tablename__ = "audit_trail"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str | None] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(32))
    segmentation_id: Mapped[str] = mapped_column(String(36), index=True)
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64), unique=True)
