"""`fetalhead records backup` and `restore`."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.console import FAILED, FINE, CommandError, operator
from app.settings import Settings

if TYPE_CHECKING:
    from app.records.audit import Tip
    from app.records.backup.restore import Backup


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
        "--tip", action="append", default=[], type=parse_tip, metavar="N:HASH", help="an earlier end of the trail"
    )
    restore.set_defaults(command=_restore)
    for action in (backup, restore):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def parse_tip(text: str) -> Tip:
    """Parse an end of the audit trail for argparse."""
    from app.records.audit import Tip

    try:
        return Tip.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _back_up(options: argparse.Namespace, settings: Settings) -> int:
    from app.records.backup.backup import back_up
    from app.records.opening import open_records

    with closing(open_records(settings.database, settings.data_dir, make=False)) as records:
        try:
            manifest = back_up(records, settings.data_dir, options.out, operator())
        except OSError as error:
            raise CommandError(f"{options.out} cannot be written: {error.strerror}.") from error
    if options.json:
        print(manifest.model_dump_json())
    else:
        print(f"{manifest.segmentations} segmentations, {manifest.files} files in {options.out}")
        print("\n".join([f"tip {manifest.audit_tip}", *manifest.flaws]))
    return FAILED if manifest.flaws else FINE


def _restore(options: argparse.Namespace, settings: Settings) -> int:
    from app.records.backup.restore import open_backup

    try:
        with open_backup(options.folder, settings.data_dir, options.tip) as backup:
            tip = backup.manifest.audit_tip if options.check else str(_put_back(backup, options.force, settings))
    except OSError as error:
        raise CommandError(f"{error.filename or settings.data_dir}: {error.strerror}.") from error
    found = backup.manifest
    summary = {"segmentations": found.segmentations, "files": found.files, "flaws": found.flaws, "tip": tip}
    if options.json:
        print(json.dumps({**summary, "restored": not options.check}))
    else:
        print(f"{found.segmentations} segmentations, {found.files} files {'intact' if options.check else 'restored'}")
        print("\n".join([f"tip {tip}", *found.flaws]))
    return FAILED if found.flaws else FINE


def _put_back(backup: Backup, force: bool, settings: Settings) -> Tip:
    from app.records.backup.restore import restore
    from app.records.lock import RecordsLock
    from app.records.opening import open_records

    with (
        closing(RecordsLock(settings.database, settings.data_dir)),
        closing(open_records(settings.database, settings.data_dir)) as records,
    ):
        return restore(backup, records, settings.data_dir, operator(), force)
