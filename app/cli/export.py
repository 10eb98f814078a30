"""`fetalhead records export`: readers' decisions as a training set."""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

from app.console import FAILED, FINE, CommandError
from app.settings import Settings

ALONE = "labels only; give --volumes DIR, the folder of the measured volumes, to get pairs for training"


def add_export(actions: Any) -> None:
    """Add `export` to the actions of `records`."""
    export = actions.add_parser(
        "export",
        help="write accepted and edited masks as a training set",
        description="Writes OUT/labels and, with --volumes, OUT/images, in pairs of the same name, and OUT/cases.csv. "
        "fetalhead-train fit --data OUT takes it.",
    )
    export.add_argument("out", type=Path, metavar="OUT", help="a folder that is new or empty")
    export.add_argument("--volumes", type=Path, metavar="DIR", help="your volumes; matched by their SHA-256")
    export.add_argument("--json", action="store_true", help="print one JSON object per case")
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace, settings: Settings) -> int:
    from app.records.opening import open_records
    from app.records.training_set import export_decisions

    _check_folders(options.out, options.volumes)
    count = unpaired = outdated = 0
    with closing(open_records(settings.database, settings.data_dir, make=False)) as records:
        for case in export_decisions(records.reviews, options.out, options.volumes):
            count += 1
            unpaired += not case.paired
            outdated += case.outdated
            if options.json:
                print(json.dumps(vars(case)))
    if not options.json:
        print(_summary(options, count, unpaired))
        if outdated:
            print(f"masks replaced after the decision, which need a new one: {outdated}, see outdated in cases.csv")
    return FAILED if options.volumes is not None and unpaired else FINE


def _check_folders(out: Path, volumes: Path | None) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CommandError(f"{out} exists and is not an empty folder; name a new one.", FAILED)
    if volumes is not None and not volumes.is_dir():
        raise CommandError(f"{volumes} is not a folder; name the one that holds the measured volumes.", FAILED)


def _summary(options: argparse.Namespace, count: int, unpaired: int) -> str:
    if count == 0:
        return (
            "nothing was accepted or edited yet; readers decide in the viewer or by POST /segmentations/{id}/decision"
        )
    if options.volumes is None:
        return f"{count} cases, {ALONE}"
    missing = f"; {unpaired} volumes were not found in {options.volumes}, see paired in cases.csv" if unpaired else ""
    return f"{count - unpaired} pairs in {options.out}{missing}"
