"""Restore of a backup into a database and a data folder: verified first, then put in place as a whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.files import digest_file, write_and_flush
from app.records.artifacts import ArtifactStore
from app.records.audit import AuditEvent, Tip, append_line, verify_trail
from app.records.backup.backup import BESIDE, DATABASE, MANIFEST, BackupManifest, find_flaws
from app.records.backup.portable import is_empty, list_files, replace_rows
from app.records.database import open_database, writing
from app.records.errors import BackupRefusedError, DamagedArtifactError, DamagedBackupError
from app.records.opening import ANCHOR, ARTIFACTS, Records

SCRATCH = "restore.partial"


@dataclass(frozen=True)
class Backup:
    """A verified backup; `source` is a copy of its database in this version's schema."""

    folder: Path
    manifest: BackupManifest
    source: Engine

    @property
    def files(self) -> ArtifactStore:
        """The masks and pictures of the backup."""
        return ArtifactStore(self.folder / ARTIFACTS, make=False)


@contextmanager
def open_backup(folder: Path, scratch: Path, known: Sequence[Tip] = ()) -> Iterator[Backup]:
    """Verify every digest, the audit trail and each measurement of a backup, then yield it.

    `known` are ends that the trail must contain. A copy of the database is made below the folder `scratch`, so that
    the backup itself stays unchanged.

    Raises:
        BackupRefusedError: the folder is no backup, or one of a newer version.
        DamagedBackupError: something in it was altered or removed since it was made.
    """
    manifest = _read_manifest(folder)
    for name, sha256 in manifest.sha256.items():
        if name not in (DATABASE, *BESIDE) or not (folder / name).is_file() or digest_file(folder / name) != sha256:
            raise DamagedBackupError(f"{name} is missing or was altered.")
    place = scratch / SCRATCH
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True)
    try:
        shutil.copy(folder / DATABASE, place)
        source = open_database((place / DATABASE).resolve())
        try:
            backup = Backup(folder, manifest, source)
            _check(backup, known)
            yield backup
        finally:
            source.dispose()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def restore(backup: Backup, records: Records, data_dir: Path, actor: str, replace: bool = False) -> Tip:
    """Replace all records by a backup and return the audit trail's end; the caller holds the folder's lock.

    The files come first, then all rows in one transaction: whenever the process is killed, the database has the files
    that it names, and a restore with `replace` completes the work.

    Raises:
        BackupRefusedError: there are records already, and `replace` is not set.
        DamagedArtifactError: a file of the backup cannot be read any more.
    """
    if not replace and not (is_empty(records.engine) and not records.artifacts.ids()):
        raise BackupRefusedError(
            "There are records already; restore into an empty database and data folder, or replace them with --force."
        )
    _copy_files(backup, records.artifacts)
    (data_dir / ANCHOR).unlink(missing_ok=True)
    with writing(records.engine) as session:
        replace_rows(backup.source, session)
        append_line(session, AuditEvent(actor, "restore", detail={"tip": backup.manifest.audit_tip}))
    records.housekeeping.repair(remove_orphans=True)
    for name in BESIDE:
        if name in backup.manifest.sha256:
            write_and_flush(data_dir / name, (backup.folder / name).read_bytes())
    with Session(records.engine) as session:
        tip = verify_trail(session)
    records.anchor.advance(tip)
    return tip


def _read_manifest(folder: Path) -> BackupManifest:
    try:
        return BackupManifest.model_validate_json((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupRefusedError(f"{folder} is not a backup: it has no readable {MANIFEST}.") from error
    except ValidationError as error:
        raise BackupRefusedError(f"{folder / MANIFEST} is damaged, or from another version of fetalhead.") from error


def _check(backup: Backup, known: Sequence[Tip]) -> None:
    found = list(find_flaws(backup.source, [Tip.parse(backup.manifest.audit_tip), *known]))
    for file in list_files(backup.source):
        try:
            backup.files.read(file.segmentation_id, file.name, file.sha256)
        except DamagedArtifactError as error:
            found.append(str(error))
    if new := [flaw for flaw in found if flaw not in backup.manifest.flaws]:
        raise DamagedBackupError(new[0])


def _copy_files(backup: Backup, target: ArtifactStore) -> None:
    for file in list_files(backup.source):
        with suppress(DamagedArtifactError):  # what is there already was stored by an earlier attempt
            target.read(file.segmentation_id, file.name, file.sha256)
            continue
        try:
            content = backup.files.read(file.segmentation_id, file.name, file.sha256)
        except DamagedArtifactError as error:
            if str(error) not in backup.manifest.flaws:
                raise
        else:
            target.add(file.segmentation_id, file.name, content)
