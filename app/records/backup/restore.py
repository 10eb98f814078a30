"""A backup back into a database and a data folder: compared with its digests first, then put in place as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.records.artifacts import ArtifactStore, write_and_flush
from app.records.audit import AuditEvent, Tip, append_line, verify_trail
from app.records.backup.backup import (
    BESIDE,
    DATABASE,
    MANIFEST,
    BackupManifest,
    Progress,
    flaws_of,
    sha256_of,
)
from app.records.backup.portable import is_empty, replace_rows, stored_files
from app.records.database import open_database, writing
from app.records.errors import BackupRefusedError, DamagedArtifactError, DamagedBackupError, RecordsError
from app.records.opening import ANCHOR, ARTIFACTS, Records

SCRATCH = "restore.partial"


@dataclass(frozen=True)
class Backup:
    """A backup that was found to be what was backed up; `source` is a copy of its database in today's schema."""

    folder: Path
    manifest: BackupManifest
    source: Engine

    @property
    def files(self) -> ArtifactStore:
        """Its masks and pictures."""
        return ArtifactStore(self.folder / ARTIFACTS, make=False)


@contextmanager
def checked_backup(
    folder: Path, scratch: Path, known: Sequence[Tip] = (), progress: Progress = lambda _: None
) -> Iterator[Backup]:
    """A backup, once every digest, the audit trail and each measurement were compared. `known`: ends of the trail.

    A copy of its database is worked on below the folder `scratch`, so that the backup stays as it is.

    Raises:
        BackupRefusedError: it is no backup, or one of a newer version.
        DamagedBackupError: something in it was altered or is gone since it was made.
    """
    manifest = _manifest(folder)
    for name, sha256 in manifest.sha256.items():
        if name not in (DATABASE, *BESIDE) or not (folder / name).is_file() or sha256_of(folder / name) != sha256:
            raise DamagedBackupError(f"{name} is missing or was altered.")
    place = scratch / SCRATCH
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    try:
        shutil.copy(folder / DATABASE, place)
        source = open_database(f"sqlite:///{(place / DATABASE).resolve()}")
        try:
            backup = Backup(folder, manifest, source)
            _check(backup, known, progress)
            yield backup
        finally:
            source.dispose()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def restore(backup: Backup, records: Records, data_dir: Path, actor: str, replace: bool = False) -> Tip:
    """Puts a backup in place of what is there; the caller holds the folder's lock. Gives the audit trail's end.

    The files come first, then all rows in one transaction: whenever it is killed, the database has the files it names,
    and a restore with `replace` completes it.

    Raises:
        BackupRefusedError: there are records already, and they shall not be replaced.
        DamagedArtifactError: a file cannot be read any more.
    """
    if not replace and not (is_empty(records.engine) and not records.artifacts.ids()):
        raise BackupRefusedError(
            "There are records already; restore into an empty database and data folder, or replace them by --force."
        )
    _copy_files(backup, records.artifacts)
    (data_dir / ANCHOR).unlink(missing_ok=True)
    with writing(records.engine) as session:
        replace_rows(backup.source, session)
        append_line(session, AuditEvent(actor, "restore", detail={"tip": backup.manifest.audit_tip}))
    records.housekeeping.repair(remove_strangers=True)
    for name in BESIDE:
        if name in backup.manifest.sha256:
            write_and_flush(data_dir / name, (backup.folder / name).read_bytes())
    with Session(records.engine) as session:
        tip = verify_trail(session)
    records.anchor.advance(tip)
    return tip


def _manifest(folder: Path) -> BackupManifest:
    try:
        return BackupManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupRefusedError(f"{folder} is no backup: it has no {MANIFEST} that can be read.") from error
    except ValidationError as error:
        raise BackupRefusedError(f"{folder / MANIFEST} is damaged, or of another version of fetalhead.") from error


def _check(backup: Backup, known: Sequence[Tip], progress: Progress) -> None:
    found = list(flaws_of(backup.source))
    with Session(backup.source) as session:
        try:
            verify_trail(session, [Tip.parsed(backup.manifest.audit_tip), *known])
        except (RecordsError, ValueError) as error:
            found.append(str(error))
    for number, file in enumerate(stored_files(backup.source), start=1):
        try:
            backup.files.read(file.segmentation_id, file.name, file.sha256)
        except DamagedArtifactError as error:
            found.append(str(error))
        progress(number)
    if new := [flaw for flaw in found if flaw not in backup.manifest.flaws]:
        raise DamagedBackupError(new[0])


def _copy_files(backup: Backup, target: ArtifactStore) -> None:
    for file in stored_files(backup.source):
        if target.holds_content(file.segmentation_id, file.name, file.sha256):
            continue
        try:
            content = backup.files.read(file.segmentation_id, file.name, file.sha256)
        except DamagedArtifactError as error:
            if str(error) not in backup.manifest.flaws:
                raise
        else:
            target.add(file.segmentation_id, file.name, content)
