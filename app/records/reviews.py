"""Readers' reviews of measurements: edited masks, and decisions to accept, edit or reject."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Engine, ScalarResult, func, select
from sqlalchemy.orm import Session

from app.contract.findings import EditFindings
from app.contract.report import MASK, segmentation_path
from app.contract.review import Decision, Edit, NewDecision, Review
from app.records.artifacts import EDITED_MASK, ArtifactStore
from app.records.audit import AuditDetail, AuditEvent, append_line
from app.records.database import reading
from app.records.errors import NotEditedError, NothingToAcceptError, UnknownSegmentationError
from app.records.repository import Repository
from app.records.segmentation import find_row
from app.records.tables import DecisionRow, EditedMaskRow, SegmentationRow

Row = TypeVar("Row", EditedMaskRow, DecisionRow)


class Reviews:
    """The store of reviews. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, repository: Repository, artifacts: ArtifactStore) -> None:
        self._engine = engine
        self._repository = repository
        self._artifacts = artifacts

    def latest(self, segmentation_ids: Sequence[str]) -> dict[str, Review]:
        """Return the review of each segmentation that has one."""
        with reading(self._engine) as session:
            edits = {row.segmentation_id: _read_edit(row) for row in _newest(session, EditedMaskRow, segmentation_ids)}
            made = {row.segmentation_id: _read_decision(row) for row in _newest(session, DecisionRow, segmentation_ids)}
        return {name: Review(decision=made.get(name), edit=edits.get(name)) for name in edits.keys() | made.keys()}

    def history(self, segmentation_id: str) -> list[Decision]:
        """Return every decision about a segmentation, oldest first."""
        query = select(DecisionRow).where(DecisionRow.segmentation_id == segmentation_id).order_by(DecisionRow.sequence)
        with reading(self._engine) as session:
            return [_read_decision(row) for row in session.scalars(query)]

    def read_edited_mask(self, segmentation_id: str) -> tuple[Edit, bytes] | None:
        """Return the newest edited mask, or None.

        Raises:
            DamagedArtifactError: the mask is not what was stored.
        """
        with reading(self._engine) as session:
            row = _newest(session, EditedMaskRow, [segmentation_id]).first()
            if row is None:
                return None
            return _read_edit(row), self._artifacts.read(segmentation_id, row.name, row.sha256)

    def read_valid_mask(self, segmentation_id: str) -> bytes | None:
        """Return the edited mask that counts now: the decided one, else the newest; None where the model's does.

        Raises:
            DamagedArtifactError: the mask is not what was stored.
        """
        with reading(self._engine) as session:
            decision = _newest(session, DecisionRow, [segmentation_id]).first()
            edit = _newest(session, EditedMaskRow, [segmentation_id]).first()
            if decision is not None:
                name, sha256 = (
                    (decision.mask_name, decision.mask_sha256) if decision.decision == "edit" else (None, None)
                )
            else:
                name, sha256 = (None, None) if edit is None else (edit.name, edit.sha256)
            return None if name is None or sha256 is None else self._artifacts.read(segmentation_id, name, sha256)

    def store_mask(
        self,
        segmentation_id: str,
        content: bytes,
        head_volume_ml: float,
        actor: str,
        findings: EditFindings = EditFindings(),  # noqa: B008  # immutable
    ) -> Edit:
        """Store an edited mask beside the original and the earlier ones, with its audit line.

        Raises:
            UnknownSegmentationError: there is no such completed segmentation.
        """
        with self._repository.transaction() as session:
            measured = _require_completed(session, segmentation_id)
            earlier = select(func.count()).where(EditedMaskRow.segmentation_id == segmentation_id)
            number = 1 + session.scalars(earlier).one()
            name = EDITED_MASK.format(number=number)
            sha256 = self._artifacts.add(segmentation_id, name, content)
            row = EditedMaskRow(
                segmentation_id=segmentation_id,
                at=datetime.now(UTC),
                actor=actor,
                name=name,
                sha256=sha256,
                head_volume_ml=head_volume_ml,
                findings=findings.model_dump(mode="json"),
            )
            session.add(row)
            detail: AuditDetail = {
                "sha256": sha256,
                "head_volume_ml": head_volume_ml,
                "original_sha256": (measured.artifacts or {}).get(MASK),
                "original_head_volume_ml": measured.head_volume_ml,
            }
            append_line(session, AuditEvent(actor, "edit_mask", segmentation_id, detail))
            return _read_edit(row)

    def decide(self, segmentation_id: str, new: NewDecision, actor: str) -> Decision:
        """Record a decision, with the mask that it concerns and its audit line.

        Raises:
            UnknownSegmentationError: there is no such completed segmentation.
            NotEditedError: "edit" without an edited mask.
            NothingToAcceptError: "accept" of a measurement, or "edit" with a mask, that a check rejected.
        """
        with self._repository.transaction() as session:
            measured = _require_completed(session, segmentation_id)
            row = DecisionRow(
                segmentation_id=segmentation_id,
                at=datetime.now(UTC),
                actor=actor,
                decision=new.decision,
                reason=new.reason.strip(),
            )
            if new.decision == "accept":
                if measured.head_volume_ml is None:
                    raise NothingToAcceptError(segmentation_id)
                row.mask_name, row.head_volume_ml = MASK, measured.head_volume_ml
                row.mask_sha256 = (measured.artifacts or {}).get(MASK)
            elif new.decision == "edit":
                edit = _newest(session, EditedMaskRow, [segmentation_id]).first()
                if edit is None:
                    raise NotEditedError(segmentation_id)
                if _read_edit(edit).findings.verdict == "reject":
                    raise NothingToAcceptError(segmentation_id)
                row.mask_name, row.mask_sha256, row.head_volume_ml = edit.name, edit.sha256, edit.head_volume_ml
            session.add(row)
            detail = {name: getattr(row, name) for name in ("decision", "mask_sha256", "head_volume_ml")}
            append_line(session, AuditEvent(actor, "decide", segmentation_id, detail))
            return _read_decision(row)

    def find_decided(self) -> list[tuple[DecisionRow, SegmentationRow]]:
        """Return each measurement whose latest decision is accept or edit, after that decision, oldest first."""
        newest = select(func.max(DecisionRow.sequence)).group_by(DecisionRow.segmentation_id)
        query = (
            select(DecisionRow, SegmentationRow)
            .join(SegmentationRow, SegmentationRow.id == DecisionRow.segmentation_id)
            .where(DecisionRow.sequence.in_(newest), DecisionRow.mask_name.is_not(None))
            .order_by(DecisionRow.sequence)
        )
        with reading(self._engine) as session:
            return [(decision, measured) for decision, measured in session.execute(query)]

    def read_mask(self, decision: DecisionRow) -> bytes:
        """Return the mask that a decision chose.

        Raises:
            DamagedArtifactError: the mask is not what was stored.
        """
        return self._artifacts.read(decision.segmentation_id, decision.mask_name or "", decision.mask_sha256 or "")


def _require_completed(session: Session, segmentation_id: str) -> SegmentationRow:
    row = find_row(session, segmentation_id)
    if row is None or row.status != "completed":
        raise UnknownSegmentationError(segmentation_id)
    return row


def _newest(session: Session, table: type[Row], segmentation_ids: Sequence[str]) -> ScalarResult[Row]:
    """Return the newest row of each segmentation that has one."""
    named = table.segmentation_id.in_(segmentation_ids)
    newest = select(func.max(table.sequence)).where(named).group_by(table.segmentation_id)
    return session.scalars(select(table).where(table.sequence.in_(newest)))


def _read_edit(row: EditedMaskRow) -> Edit:
    return Edit(
        at=row.at,
        by=row.actor,
        head_volume_ml=row.head_volume_ml,
        sha256=row.sha256,
        mask=f"{segmentation_path(row.segmentation_id)}/mask?version=edited",
        findings=EditFindings() if row.findings is None else EditFindings.model_validate(row.findings),
    )


def _read_decision(row: DecisionRow) -> Decision:
    return Decision(
        decision=row.decision,
        reason=row.reason,
        at=row.at,
        by=row.actor,
        head_volume_ml=row.head_volume_ml,
        mask_sha256=row.mask_sha256,
    )
