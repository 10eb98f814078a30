"""Storage of segmentations and their files: accepted, completed, failed, cancelled, erased."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.contract.report import Measurement
from app.contract.service import Problem
from app.records.artifacts import ArtifactStore
from app.records.audit import (
    SERVICE,
    TIP,
    AuditAnchor,
    AuditEvent,
    Tip,
    append_line,
    describe_completion,
    verify_measurements,
    verify_trail,
)
from app.records.database import forget_deleted, reading, writing
from app.records.errors import DamagedArtifactError, KeyReusedError, UnknownSegmentationError
from app.records.segmentation import (
    ANYBODY,
    UNFINISHED,
    NewSegmentation,
    Status,
    StoredSegmentation,
    digest_key,
    fill_row,
    find_row,
    find_row_by_key,
    make_row,
    read_segmentation,
)
from app.records.tables import SegmentationRow


class Repository:
    """The store of segmentations. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, artifacts: ArtifactStore, anchor: AuditAnchor | None = None) -> None:
        """Use a database and a store of files; `anchor` keeps the end of the audit trail outside the database."""
        self._engine = engine
        self._write_lock = threading.Lock()
        self._artifacts = artifacts
        self._anchor = anchor

    def accept(self, new: NewSegmentation) -> StoredSegmentation:
        """Store an accepted request as queued, or return the earlier one that its idempotency key belongs to.

        Raises:
            KeyReusedError: the key belongs to a request with other content.
        """
        key = None if new.idempotency_key is None else digest_key(new.idempotency_key, new.owner)
        with self.transaction() as session:
            earlier = None if key is None else find_row_by_key(session, key)
            if earlier is not None and earlier.status in ("failed", "cancelled"):
                earlier.key_sha256 = None
                session.flush()
            elif earlier is not None:
                if earlier.request_sha256 != new.request_sha256:
                    raise KeyReusedError
                return read_segmentation(earlier)
            row = make_row(new, key)
            session.add(row)
            detail = {
                "input_sha256": new.input_sha256,
                "model": f"{new.model_name}/{new.model_version}",
                "model_sha256": new.model_sha256,
                "gestational_age_weeks": new.gestational_age_weeks,
                "spacing_mm": None if new.spacing_mm is None else " ".join(f"{step:.6g}" for step in new.spacing_mm),
            }
            append_line(session, AuditEvent(new.owner, "accept", new.id, detail))
            return read_segmentation(row)

    def has_key(self, idempotency_key: str, owner: str = ANYBODY) -> bool:
        """Return whether an owner's key already belongs to a segmentation that neither failed nor was cancelled."""
        with reading(self._engine) as session:
            return _find_by_key(session, idempotency_key, owner) is not None

    def find_by_key(self, idempotency_key: str, request_sha256: str, owner: str = ANYBODY) -> StoredSegmentation | None:
        """Return the segmentation that an owner's key already belongs to, unless it failed or was cancelled.

        Raises:
            KeyReusedError: the key belongs to a request with other content.
        """
        with reading(self._engine) as session:
            row = _find_by_key(session, idempotency_key, owner)
            if row is not None and row.request_sha256 != request_sha256:
                raise KeyReusedError
            return None if row is None else read_segmentation(row)

    def find(self, segmentation_id: str) -> StoredSegmentation:
        """Return the segmentation with an id; raise UnknownSegmentationError where there is none."""
        with reading(self._engine) as session:
            row = find_row(session, segmentation_id)
            if row is None:
                raise UnknownSegmentationError(segmentation_id)
            return read_segmentation(row)

    def start(self, segmentation_id: str) -> bool:
        """Mark a queued segmentation as running; return False if it was cancelled or erased meanwhile."""
        with self.transaction() as session:
            row = find_row(session, segmentation_id)
            if row is None or row.status != "queued":
                return False
            row.status = "running"
            return True

    def complete(self, segmentation_id: str, measurement: Measurement) -> bool:
        """Store the files, then the measurement and its audit line in one transaction.

        Return False, and store nothing, if the segmentation was cancelled or erased meanwhile.
        """
        hashes = self._artifacts.write(segmentation_id, measurement.files)
        try:
            with self.transaction() as session:
                row = find_row(session, segmentation_id)
                if row is None or row.status not in UNFINISHED:
                    self._artifacts.erase(segmentation_id)
                    return False
                fill_row(row, measurement, hashes)
                event = AuditEvent(row.owner or ANYBODY, "complete", segmentation_id, describe_completion(row))
                append_line(session, event)
        except BaseException:
            self._artifacts.erase(segmentation_id)
            raise
        return True

    def fail(self, segmentation_id: str, problem: Problem) -> None:
        """Mark an unfinished segmentation as failed and store its problem."""
        with self.transaction() as session:
            row = find_row(session, segmentation_id)
            if row is not None and row.status in UNFINISHED:
                row.status, row.problem = "failed", problem.model_dump(mode="json", exclude_none=True)
                append_line(session, AuditEvent(SERVICE, "fail", segmentation_id, {"code": problem.code}))

    def remove(self, segmentation_id: str, actor: str = ANYBODY) -> Status:
        """Cancel an unfinished segmentation or erase a finished one with its files; return the status it had.

        The audit line of an erased segmentation stays: it holds hashes and numbers, nothing of the patient.

        Raises:
            UnknownSegmentationError: there is none.
        """
        status = self.find(segmentation_id).status
        if status in UNFINISHED and self.cancel(segmentation_id, actor):
            return status
        if not self.erase(segmentation_id, AuditEvent(actor, "erase", segmentation_id)):
            raise UnknownSegmentationError(segmentation_id)
        forget_deleted(self._engine)
        return status

    def cancel(self, segmentation_id: str, actor: str = ANYBODY) -> bool:
        """Cancel an unfinished segmentation; return False where there is none with this id."""
        with self.transaction() as session:
            row = find_row(session, segmentation_id)
            if row is None or row.status not in UNFINISHED:
                return False
            row.status = "cancelled"
            append_line(session, AuditEvent(actor, "cancel", segmentation_id))
            return True

    def read_artifact(self, segmentation_id: str, name: str) -> bytes:
        """Return the content of one stored file.

        Raises:
            UnknownSegmentationError: there is no such segmentation, or it has no files.
            DamagedArtifactError: the file is not what was stored.
        """
        stored = self.find(segmentation_id)
        if name not in stored.artifacts:
            raise UnknownSegmentationError(segmentation_id)
        try:
            return self._artifacts.read(segmentation_id, name, stored.artifacts[name])
        except DamagedArtifactError:
            self.find(segmentation_id)  # where it was erased between the two reads, it is unknown and not damaged
            raise

    def recover(self, problem: Problem) -> int:
        """Mark as failed what an earlier process left unfinished; return how many."""
        with reading(self._engine) as session:
            unfinished = select(SegmentationRow.id).where(SegmentationRow.status.in_(UNFINISHED))
            left = list(session.scalars(unfinished))
        for segmentation_id in left:
            self.fail(segmentation_id, problem)
        return len(left)

    def erase(self, segmentation_id: str, event: AuditEvent) -> bool:
        """Remove a segmentation and its files in any state; return False where there is none."""
        with self.transaction() as session:
            row = find_row(session, segmentation_id)
            if row is None:
                return False
            session.delete(row)
            append_line(session, event)
        self._artifacts.erase(segmentation_id)
        return True

    def note(self, event: AuditEvent) -> None:
        """Append a line that belongs to no segmentation's progress, such as a change of the served model."""
        with self.transaction() as session:
            append_line(session, event)

    def verify_audit_trail(self, known: Sequence[Tip] = ()) -> Tip:
        """Check that no line and no measurement was altered, and return the end of the audit trail.

        `known` are ends, recorded earlier and elsewhere, that must be lines of it.

        Raises:
            BrokenAuditTrailError: a line was altered or is missing.
            AlteredMeasurementError: a measurement was altered.
        """
        anchored = [] if self._anchor is None else self._anchor.read()
        with reading(self._engine) as session:
            tip = verify_trail(session, [*known, *anchored])
            verify_measurements(session)
            return tip

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that holds the write lock, also for the other parts of the records."""
        with self._write_lock:
            with writing(self._engine) as session:
                yield session
            tip = session.info.get(TIP)
            if tip is not None and self._anchor is not None:
                self._anchor.advance(tip)


def _find_by_key(session: Session, idempotency_key: str, owner: str) -> SegmentationRow | None:
    row = find_row_by_key(session, digest_key(idempotency_key, owner))
    return None if row is None or row.status in ("failed", "cancelled") else row
