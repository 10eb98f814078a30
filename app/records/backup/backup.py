"""Backup of all records into one folder while the service works: the database, the masks and what belongs to them.

`records.sqlite` is the database (of PostgreSQL, too), `artifacts/` its files, `active_model.json` the model that was
activated last, `backup.json` the manifest of the copy. Each file's SHA-256 is in the database, the database's in
`backup.json`. Uploads are never stored, so a backup has none.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict
from sqlalchemy import URL, Engine, create_engine, func, select
from sqlalchemy.orm import Session

from app.files import digest_file, flush, write_and_flush
from app.records.artifacts import ArtifactStore
from app.records.audit import AuditEvent, Tip, verify_measurements, verify_trail
from app.records.backup.portable import list_files, read_schema_revision, write_portable
from app.records.errors import BackupRefusedError, DamagedArtifactError, DamageError, UnknownSegmentationError
from app.records.opening import ARTIFACTS, Records
from app.records.tables import AuditRow, SegmentationRow

DATABASE = "records.sqlite"
MANIFEST = "backup.json"
BESIDE = ("active_model.json",)
"""Files of the data folder that belong to the records."""
ATTEMPTS = 10
CopyProgress = Callable[[int], None]
"""A callback that receives the number of files copied or compared so far."""


class BackupManifest(BaseModel):
    """The manifest of a backup. `flaws` existed when the backup was made: a restore has them as well."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    made_at: datetime
    made_by: str
    schema_revision: str
    audit_tip: Annotated[str, AfterValidator(lambda text: str(Tip.parse(text)))]
    segmentations: int
    files: int
    sha256: dict[str, str]
    flaws: tuple[str, ...] = ()


def back_up(
    records: Records, data_dir: Path, out: Path, actor: str, progress: CopyProgress = lambda _: None
) -> BackupManifest:
    """Write a backup under a temporary name, flush it to the disk and rename it; the audit trail records it.

    Raises:
        BackupRefusedError: `out` exists already, or measurements were erased faster than they were copied.
        OSError: `out` cannot be written.
    """
    if out.exists():
        raise BackupRefusedError(f"{out} exists already; name a new folder.")
    partial = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700, parents=True)
    try:
        records.repository.note(AuditEvent(actor, "backup"))
        manifest = _fill(records, data_dir, partial, progress)
        write_and_flush(partial / MANIFEST, manifest.model_dump_json(indent=2).encode())
        flush(partial)
        partial.rename(out)
        flush(out.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def find_flaws(engine: Engine, known: Sequence[Tip] = ()) -> tuple[str, ...]:
    """Return what is wrong with the audit trail, which must contain `known`, and with the measurements."""
    found = []
    with Session(engine) as session:
        for check in (partial(verify_trail, known=known), verify_measurements):
            try:
                check(session)
            except DamageError as error:
                found.append(str(error))
    return tuple(found)


def open_read_only(path: Path) -> Engine:
    """Open a backup's database without creating files beside it."""
    name = quote(os.fsencode(path.resolve()))
    return create_engine(
        URL.create("sqlite", database=f"file:{name}", query={"mode": "ro", "immutable": "1", "uri": "true"})
    )


def _fill(records: Records, data_dir: Path, folder: Path, progress: CopyProgress) -> BackupManifest:
    for _ in range(ATTEMPTS):
        write_portable(records.engine, folder / DATABASE)
        shutil.rmtree(folder / ARTIFACTS, ignore_errors=True)
        lacking = list(_copy_files(records, folder, progress))
        if not any(_is_erased(records, name) for name, _ in lacking):
            break
    else:
        raise BackupRefusedError("Measurements were erased while they were copied; try again when that has finished.")
    digests = {DATABASE: digest_file(folder / DATABASE)}
    for name in BESIDE:
        if (data_dir / name).is_file():
            write_and_flush(folder / name, (data_dir / name).read_bytes())
            digests[name] = digest_file(folder / name)
    return _make_manifest(folder, digests, [flaw for _, flaw in lacking])


def _copy_files(records: Records, folder: Path, progress: CopyProgress) -> Iterator[tuple[str, str]]:
    """Copy the files that the copied database names; yield each id with a missing or damaged file and its message."""
    copied = ArtifactStore(folder / ARTIFACTS)
    engine = open_read_only(folder / DATABASE)
    for number, file in enumerate(list_files(engine), start=1):
        try:
            content = records.artifacts.read(file.segmentation_id, file.name, file.sha256)
        except DamagedArtifactError as error:
            yield file.segmentation_id, str(error)
        else:
            copied.add(file.segmentation_id, file.name, content)
        progress(number)
    engine.dispose()


def _is_erased(records: Records, segmentation_id: str) -> bool:
    try:
        records.repository.find(segmentation_id)
    except UnknownSegmentationError:
        return True
    return False


def _make_manifest(folder: Path, digests: dict[str, str], flaws: list[str]) -> BackupManifest:
    engine = open_read_only(folder / DATABASE)
    with Session(engine) as session:
        last = session.scalars(select(AuditRow).order_by(AuditRow.sequence.desc()).limit(1)).one()
        count = session.scalar(select(func.count()).select_from(SegmentationRow)) or 0
    manifest = BackupManifest(
        made_at=datetime.now(UTC),
        made_by=version("fetalhead"),
        schema_revision=read_schema_revision(engine),
        audit_tip=str(Tip(last.sequence, last.hash)),
        segmentations=count,
        files=sum(1 for _ in list_files(engine)),
        sha256=digests,
        flaws=(*find_flaws(engine), *flaws),
    )
    engine.dispose()
    return manifest
