"""Housekeeping of the records: erasure of a subject, retention, and repair after a killed process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Engine, select

from app.records.artifacts import ArtifactStore
from app.records.audit import AuditEvent
from app.records.database import forget_deleted, reading
from app.records.repository import Repository
from app.records.segmentation import UNFINISHED
from app.records.tables import AuditRow, SegmentationRow

RETENTION = "retention"
"""The actor who erases measurements that are too old."""


@dataclass(frozen=True)
class Repair:
    """The result of a repair: the numbers of half-written and of orphaned folders that were removed.

    `orphaned` are folders that were kept: the database has no record of them, and may be the wrong database.
    `incomplete` are completed measurements that lack a file, which only a backup can restore.
    """

    half_written: int
    removed: int
    orphaned: tuple[str, ...]
    incomplete: tuple[str, ...]


class Housekeeping:
    """Operations on the records as a whole. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, artifacts: ArtifactStore, repository: Repository) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._repository = repository

    def erase_subject(self, subject: str, actor: str) -> list[str]:
        """Erase every segmentation of a subject, unfinished ones included, and return their ids.

        The audit trail keeps one line for each, which says who erased which id, but not whose it was.
        """
        return self._erase([SegmentationRow.subject == subject], actor, "erase")

    def purge(self, days: int, actor: str = RETENTION) -> list[str]:
        """Erase the measurements that are older than so many days and return their ids."""
        limit = datetime.now(UTC) - timedelta(days=days)
        finished = SegmentationRow.status.not_in(UNFINISHED)
        return self._erase([SegmentationRow.created_at < limit, finished], actor, "purge")

    def repair(self, at_work: bool = False, remove_orphans: bool = False) -> Repair:
        """Remove the files that a killed process left without their measurement.

        `at_work` says that a service is running, whose unfinished work is left alone. A measurement cannot lose its
        files in this way, since they are on the disk before it is committed.
        """
        half_written = 0 if at_work else self._artifacts.sweep()
        stored = self._artifacts.ids()  # before the query: what is completed meanwhile must not look orphaned
        with reading(self._engine) as session:
            rows = session.execute(select(SegmentationRow.id, SegmentationRow.status, SegmentationRow.artifacts)).all()
            known = set(session.scalars(select(AuditRow.segmentation_id).distinct()))
        files = {row.id: row.artifacts or {} for row in rows if row.status == "completed"}
        owned = set(files) | {row.id for row in rows if at_work and row.status in UNFINISHED}
        orphaned = [name for name in stored if name not in owned]
        removed = [name for name in orphaned if remove_orphans or name in known]
        for segmentation_id in removed:
            self._artifacts.erase(segmentation_id)
        incomplete = [name for name, names in files.items() if not self._artifacts.holds(name, names)]
        kept = set(orphaned) - set(removed)
        return Repair(half_written, len(removed), tuple(sorted(kept)), tuple(sorted(incomplete)))

    def _erase(self, conditions: Sequence[ColumnElement[bool]], actor: str, action: str) -> list[str]:
        with reading(self._engine) as session:
            ids = list(session.scalars(select(SegmentationRow.id).where(*conditions)))
        erased = [name for name in ids if self._repository.erase(name, AuditEvent(actor, action, name))]
        if erased:
            forget_deleted(self._engine)
        return erased
