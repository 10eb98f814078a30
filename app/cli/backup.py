"""`fetalhead records backup` and `restore`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.console import FAILED, FINE, USAGE, complain, operator
from app.settings import Settings

if TYPE_CHECKING:
    from app.records.audit import Tip


def add_backup(actions: Any) -> None:
    """Add `backup` and `restore` to the actions of `records`."""
    backup = actions.add_parser(
        "backup",
        help="copy database, masks and audit trail into a new folder, while the service runs",
        description="Writes OUT under a temporary name, then renames it. Exit code 1: written, but a file was missing.",
    )
    backup.add_argument("out", type=Path, metavar="OUT", help="a folder that does not exist yet")
    backup.set_defaults(command=_back_up)

    restore = actions.add_parser(
        "restore",
        help="restore a backup after comparing all of it with its digests; the service must be stopped",
        description="Restores backups of SQLite and of PostgreSQL into either of them. Exit code 1: damaged.",
    )
    restore.add_argument("folder", type=Path, metavar="IN", help="a folder that `backup` wrote")
    restore.add_argument("--check", action="store_true", help="compare only; restore nothing")
    restore.add_argument("--force", action="store_true", help="replace existing records")
    restore.add_argument(
        "--tip", action="append", default=[], metavar="N:HASH", help="an earlier tip; must be a line of the trail"
    )
    restore.set_defaults(command=_restore)
    for action in (backup, restore):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def _back_up(options: argparse.Namespace, settings: Settings) -> int:
    from app.records.backup.backup import back_up
    from app.records.errors import BackupRefusedError
    from app.records.opening import open_records

    records = open_records(settings.database, settings.data_dir, make=False)
    try:
        manifest = back_up(records, settings.data_dir, options.out, operator())
    except BackupRefusedError as error:
        return complain(str(error), USAGE, options.json)
    except OSError as error:
        return complain(f"{options.out} cannot be written: {error.strerror}.", USAGE, options.json)
    finally:
        records.close()
    if options.json:
        print(manifest.model_dump_json())
    else:
        print(f"{manifest.segmentations} segmentations, {manifest.files} files in {options.out}")
        print(f"tip {manifest.audit_tip}")
        for flaw in manifest.flaws:
            print(flaw)
    return FAILED if manifest.flaws else FINE


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    from app.records.audit import Tip
    from app.records.errors import BackupRefusedError, DamagedArtifactError, DamagedBackupError

    try:
        known = [Tip.parse(text) for text in options.tip]
    except ValueError as error:
        return complain(f"--tip cannot be used: {error}.", USAGE, options.json)
    try:
        return _restore_from(options, settings, known)
    except BackupRefusedError as error:
        return complain(str(error), USAGE, options.json)
    except (DamagedBackupError, DamagedArtifactError) as error:
        return complain(str(error), FAILED, options.json)
    except OSError as error:
        return complain(f"{error.filename or settings.data_dir}: {error.strerror}.", USAGE, options.json)


def _restore_from(options: argparse.Namespace, settings: Settings, known: list[Tip]) -> int:
    from app.records.backup.restore import open_backup, restore
    from app.records.lock import FolderLock
    from app.records.opening import open_records

    with open_backup(options.folder, settings.data_dir, known) as backup:
        tip = backup.manifest.audit_tip
        if not options.check:
            lock = FolderLock(settings.data_dir)
            records = open_records(settings.database, settings.data_dir)
            try:
                tip = str(restore(backup, records, settings.data_dir, operator(), options.force))
            finally:
                records.close()
                lock.release()
    found = backup.manifest
    summary = {"segmentations": found.segmentations, "files": found.files, "flaws": found.flaws, "tip": tip}
    if options.json:
        print(json.dumps({**summary, "restored": not options.check}))
    else:
        print(f"{found.segmentations} segmentations, {found.files} files {'intact' if options.check else 'restored'}")
        print("\n".join([f"tip {tip}", *found.flaws]))
    return FAILED if found.flaws else FINE
