"""`fetalhead records`: repair, retention, erasure, export and backup; `fetalhead audit verify`."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING

from app.cli.backup import add_backup, parse_tip
from app.cli.export import add_export
from app.console import FAILED, FINE, CommandError, Commands, operator, positive
from app.settings import Settings

if TYPE_CHECKING:
    from app.records.opening import Records


def add_records(commands: Commands) -> None:
    """Add `records` and `audit` to the commands."""
    records = commands.add_parser("records", help="measurements and their files").add_subparsers(
        required=True, metavar="ACTION"
    )
    repair = records.add_parser("repair", help="remove leftovers of a killed service; list measurements without files")
    repair.add_argument("--orphans", action="store_true", help="also remove folders that the database has no record of")
    repair.set_defaults(command=_repair)

    purge = records.add_parser("purge", help="erase measurements older than FETALHEAD_RETENTION_DAYS")
    purge.add_argument("--days", type=positive, metavar="DAYS", help="instead of FETALHEAD_RETENTION_DAYS")
    purge.set_defaults(command=_purge)

    erase = records.add_parser("erase", help="erase all measurements of one subject")
    erase.add_argument("--subject", required=True, metavar="SUBJECT", help="the pseudonym")
    erase.set_defaults(command=_erase)

    add_export(records)
    add_backup(records)

    audit = commands.add_parser("audit", help="the audit trail").add_subparsers(required=True, metavar="ACTION")
    verify = audit.add_parser("verify", help="check that no line or measurement was altered or removed")
    verify.add_argument(
        "--tip", action="append", default=[], type=parse_tip, metavar="N:HASH", help="an earlier end of the trail"
    )
    verify.set_defaults(command=_verify)

    for action in (repair, purge, erase, verify):
        action.add_argument("--json", action="store_true", help="print one JSON object")


def _repair(options: argparse.Namespace, settings: Settings) -> int:
    from app.problems.problem import ProblemError
    from app.records.errors import InUseError
    from app.records.lock import RecordsLock

    with closing(_open(settings)) as records:
        try:
            lock: RecordsLock | None = RecordsLock(settings.database, settings.data_dir)
        except InUseError:
            lock = None  # a service is running: leave its unfinished work alone
        if lock is not None:
            records.repository.recover(ProblemError("interrupted").problem)
        found = records.housekeeping.repair(at_work=lock is None, remove_orphans=options.orphans)
        if lock is not None:
            lock.close()
    if options.json:
        print(json.dumps(asdict(found)))
    else:
        print(f"{found.half_written} half-written and {found.removed} orphaned folders removed")
        for name in found.orphaned:
            print(f"{name}: this database has no record of it; kept (--orphans removes it)")
        for name in found.incomplete:
            print(f"{name}: a file is missing; restore it from a backup")
    return FAILED if found.incomplete else FINE


def _purge(options: argparse.Namespace, settings: Settings) -> int:
    days = settings.retention_days if options.days is None else options.days
    if days < 1:
        raise CommandError("Set FETALHEAD_RETENTION_DAYS or --days to 1 or more.")
    with closing(_open(settings)) as records:
        return _print_erased(records.housekeeping.purge(days), options.json)


def _erase(options: argparse.Namespace, settings: Settings) -> int:
    with closing(_open(settings)) as records:
        return _print_erased(records.housekeeping.erase_subject(options.subject, operator()), options.json)


def _verify(options: argparse.Namespace, settings: Settings) -> int:
    with closing(_open(settings)) as records:
        tip = records.repository.verify_audit_trail(options.tip)
    if options.json:
        print(json.dumps({"lines": tip.sequence, "intact": True, "tip": str(tip)}))
    else:
        print(f"{tip.sequence} audit lines, none altered\ntip {tip}")
    return FINE


def _print_erased(erased: list[str], as_json: bool) -> int:
    print(json.dumps({"erased": erased}) if as_json else f"{len(erased)} segmentations erased")
    return FINE


def _open(settings: Settings) -> Records:
    from app.records.opening import open_records

    return open_records(settings.database, settings.data_dir, make=False)
