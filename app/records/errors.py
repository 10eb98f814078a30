"""Errors of the records.

RecordsError
├── UnknownSegmentationError     no such id, or it was erased
├── KeyReusedError               an idempotency key came back with other content
├── DamagedArtifactError         a stored file is missing or is not what was stored
└── BrokenAuditTrailError        the chain of audit lines was altered
"""

from __future__ import annotations


class RecordsError(Exception):
    """Base of what can go wrong with stored measurements."""


class UnknownSegmentationError(RecordsError):
    """No segmentation has this id."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"There is no segmentation {segmentation_id}; it was never made, or it was erased.")
        self.segmentation_id = segmentation_id


class KeyReusedError(RecordsError):
    """An idempotency key was used before, with other content."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key belongs to an earlier request with other content; send a new key.")


class DamagedArtifactError(RecordsError):
    """A stored file is missing, or its content is not what was stored."""

    def __init__(self, segmentation_id: str, name: str) -> None:
        super().__init__(f"{name} of segmentation {segmentation_id} is missing or damaged; restore it from a backup.")


class BrokenAuditTrailError(RecordsError):
    """An audit line was altered or removed."""

    def __init__(self, sequence: int) -> None:
        super().__init__(f"Audit line {sequence} does not follow from the line before it; the trail was altered there.")
        self.sequence = sequence


class DatabaseUnavailableError(RecordsError):
    """The database cannot be opened."""

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(
            f"The database {database} cannot be opened ({reason}); see FETALHEAD_DATA_DIR and FETALHEAD_DATABASE_URL."
        )
