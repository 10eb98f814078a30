"""What keeps the records in order: erasure of a subject, retention, and the repair of what a killed process left."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from app.records.artifacts import ArtifactStore
from app.records.audit import AuditEvent
from app.records.database import reading
from app.records.repository import Repository
from app.records.segmentation import UNFINISHED
from app.records.tables import AuditRow, SegmentationRow

RETENTION = "retention"
"""Who acts where a measurement has become too old."""


@dataclass(frozen=True)
class Repair:
    """What was found: folders half written and folders of no measurement were removed.

    `strangers` are folders that this database never heard of: left alone, as it may be the wrong database.
    `incomplete` are completed measurements that lack a file: only a backup brings it back.
    """

    half_written: int
    orphans: int
    strangers: tuple[str, ...]
    incomplete: tuple[str, ...]


class Housekeeping:
    """Works on the records as a whole. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, artifacts: ArtifactStore, repository: Repository) -> None:
        self._engine = engine
        self._artifacts = artifacts
        self._repository = repository

    def erase_subject(self, subject: str, actor: str) -> list[str]:
        """Erases every segmentation of a subject, unfinished ones included; gives their identifiers.

        The audit trail keeps one line for each, which says who erased which identifier, but not whose it was.
        """
        return self._erase(self._repository.of_subject(subject), actor, "erase")

    def purge(self, days: int, actor: str = RETENTION) -> list[str]:
        """Erases what was measured more than so many days ago; gives the identifiers."""
        limit = datetime.now(UTC) - timedelta(days=days)
        return self._erase(self._repository.finished_before(limit), actor, "purge")

    def repair(self, at_work: bool = False, remove_strangers: bool = False) -> Repair:
        """Removes what a killed process left behind: files without their measurement.

        `at_work` says that a service is running, whose unfinished work is left alone. A measurement without its files
        cannot come about, since they are on the disk before it is committed.
        """
        half_written = 0 if at_work else self._artifacts.sweep()
        stored = self._artifacts.ids()  # first: what is completed meanwhile is no orphan
        with reading(self._engine) as session:
            rows = session.execute(select(SegmentationRow.id, SegmentationRow.status, SegmentationRow.artifacts)).all()
            known = set(session.scalars(select(AuditRow.segmentation_id).distinct()))
        files = {row.id: row.artifacts or {} for row in rows if row.status == "completed"}
        rightful = set(files) | {row.id for row in rows if at_work and row.status in UNFINISHED}
        stray = [name for name in stored if name not in rightful]
        removed = [name for name in stray if remove_strangers or name in known]
        for segmentation_id in removed:
            self._artifacts.erase(segmentation_id)
        lacking = [name for name, names in files.items() if not self._artifacts.holds(name, names)]
        left = set(stray) - set(removed)
        return Repair(half_written, len(removed), tuple(sorted(left)), tuple(sorted(lacking)))

    def _erase(self, ids: list[str], actor: str, action: str) -> list[str]:
        erased = [name for name in ids if self._repository.erase(name, AuditEvent(actor, action, name))]
        if erased:
            self._repository.forget_erased()
        return erased
