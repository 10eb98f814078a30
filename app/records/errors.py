"""Errors of the records.

RecordsError
├── UnknownSegmentationError     no such id, or it was erased
├── KeyReusedError               an idempotency key was used again with other content
├── NotEditedError               the decision "edit" about a measurement without an edited mask
├── NothingToAcceptError         a decision for a measurement or a mask that was rejected
├── DamageError                  stored content was altered or lost
│   ├── DamagedArtifactError     a stored file is missing or is not what was stored
│   ├── BrokenAuditTrailError    the chain of audit lines was altered, or lost its end
│   ├── AlteredMeasurementError  a measurement differs from the audit trail
│   └── DamagedBackupError       a backup was altered
├── InUseError                   another service uses the records
│   ├── FolderInUseError         it uses the data folder
│   └── DatabaseInUseError       it uses the database, with another data folder
├── BackupRefusedError           a backup would replace something, or is of another version
├── NoRecordsError               there are no records at this place
└── DatabaseUnavailableError     the database cannot be opened or reached
"""

from __future__ import annotations

from pathlib import Path


class RecordsError(Exception):
    """Base of the errors of stored measurements."""


class UnknownSegmentationError(RecordsError):
    """An id that no segmentation has."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"There is no segmentation {segmentation_id}; it never existed, or it was erased.")


class KeyReusedError(RecordsError):
    """An idempotency key that was used before with other content."""

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key belongs to an earlier request with other content; send a new key.")


class NotEditedError(RecordsError):
    """A decision "edit" where no edited mask was stored."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id} has no edited mask; store one, or make another decision.")


class NothingToAcceptError(RecordsError):
    """A decision "accept" about a measurement without a volume, or "edit" with a mask that a check rejected."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id}: the mask has the verdict reject and no volume to accept.")


class DamageError(RecordsError):
    """Stored content that was altered or lost."""


class DamagedArtifactError(DamageError):
    """A stored file that is missing, or whose content is not what was stored."""

    def __init__(self, segmentation_id: str, name: str) -> None:
        super().__init__(f"{name} of segmentation {segmentation_id} is missing or damaged; restore it from a backup.")


class BrokenAuditTrailError(DamageError):
    """An audit trail in which a line was altered, removed or moved, or whose last lines are missing."""

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"Audit line {sequence} is missing, or does not follow from the line before; the trail was altered there."
        )
        self.sequence = sequence


class AlteredMeasurementError(DamageError):
    """A measurement that differs from what the audit trail recorded."""

    def __init__(self, segmentation_id: str) -> None:
        super().__init__(f"Segmentation {segmentation_id} differs from the audit trail; it was altered later.")


class InUseError(RecordsError):
    """Records that another service uses."""


class FolderInUseError(InUseError):
    """A data folder that another service uses."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"FETALHEAD_DATA_DIR {data_dir} is in use by another service; stop that one, or choose another folder."
        )


class DatabaseInUseError(InUseError):
    """A database that another service uses, with a data folder of its own."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"The database {database} is in use by another service, which has another data folder; two would damage "
            "each other's work. Stop that one, or set FETALHEAD_DATABASE_URL to another database."
        )


class BackupRefusedError(RecordsError):
    """A backup or restore that was refused so that nothing is lost; the message says why and what to do."""


class DamagedBackupError(DamageError):
    """A backup that was altered; nothing of it was restored."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"The backup is damaged: {problem} Nothing was restored; take an earlier backup.")


class NoRecordsError(RecordsError):
    """A place without records; nothing was created there."""

    def __init__(self, lacking: str) -> None:
        super().__init__(
            f"There are no records here: {lacking}. Set FETALHEAD_DATA_DIR, as an absolute path, and "
            "FETALHEAD_DATABASE_URL as the service has them; its first start (fetalhead serve) creates the records."
        )


class DatabaseUnavailableError(RecordsError):
    """A database that cannot be opened or reached."""

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(
            f"The database {database} cannot be opened ({reason}); see FETALHEAD_DATA_DIR and FETALHEAD_DATABASE_URL."
        )
