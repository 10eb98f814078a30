"""Errors of the records.

RecordsError
├── UnknownSegmentationError     no such id, or it was erased
├── KeyReusedError               an idempotency key came back with other content
├── NotEditedError               the decision "edit" was made of a measurement without an edited mask
├── NothingToAcceptError         the decision "accept" was made of a measurement without a volume
├── DamagedArtifactError         a stored file is missing or is not what was stored
├── BrokenAuditTrailError        the chain of audit lines was altered, or lost its end
├── AlteredMeasurementError      a measurement is not what the audit trail says
├── FolderInUseError             another service works in the data folder
├── BackupRefusedError           a backup would replace something, or is none of this version's
├── DamagedBackupError           a backup is not what was backed up
├── NoRecordsError               no service ever kept records where they were looked for
└── DatabaseUnavailableError     the database cannot be opened or reached
"""

from __future__ import annotations

from pathlib import Path


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


class NotEditedError(RecordsError):
    """The decision "edit" needs an edited mask."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id} has no edited mask; store one, or decide otherwise.")


class NothingToAcceptError(RecordsError):
    """The decision "accept" needs a measurement that has a volume."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id} has the verdict reject: it has no volume to accept.")


class DamagedArtifactError(RecordsError):
    """A stored file is missing, or its content is not what was stored."""

    def __init__(self, segmentation_id: str, name: str) -> None:
        super().__init__(f"{name} of segmentation {segmentation_id} is missing or damaged; restore it from a backup.")


class BrokenAuditTrailError(RecordsError):
    """An audit line was altered, removed or moved, or the last ones are gone."""

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"Audit line {sequence} is gone, or does not follow from the line before it; the trail was altered there."
        )
        self.sequence = sequence


class AlteredMeasurementError(RecordsError):
    """A measurement is not what the audit trail says of it."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id} is not what the audit trail says; it was altered since.")
        self.segmentation_id = segmentation_id


class FolderInUseError(RecordsError):
    """Another service works in the data folder."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"FETALHEAD_DATA_DIR {data_dir} is in use by another service; stop that one, or choose another folder."
        )


class BackupRefusedError(RecordsError):
    """A backup is not made or not restored, so that nothing is lost by it; the text says why and what to do."""


class DamagedBackupError(RecordsError):
    """A backup is not what was backed up; nothing of it was restored."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The backup is damaged: {problem} Nothing was restored; take an earlier backup.")


class NoRecordsError(RecordsError):
    """There are no records where they were looked for; nothing was made there."""

    def __init__(self, lacking: str) -> None:
        super().__init__(
            f"There are no records here: {lacking}. Set FETALHEAD_DATA_DIR, as an absolute path, and "
            "FETALHEAD_DATABASE_URL to what the service has; its first start (fetalhead serve) makes them."
        )


class DatabaseUnavailableError(RecordsError):
    """The database cannot be opened, or is away."""

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(
            f"The database {database} cannot be opened ({reason}); see FETALHEAD_DATA_DIR and FETALHEAD_DATABASE_URL."
        )
