"""Rows of the tables of a batch: as text of results.csv and of results.jsonl, and read back from there."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.batch.results import BatchResult, CaseProblem
from app.files import path_text

COLUMNS = (
    "file",
    "state",
    "head_volume_ml",
    "head_volume_low_ml",
    "head_volume_high_ml",
    "verdict",
    "flags",
    "gestational_age_weeks",
    "head_circumference_mm",
    "biparietal_diameter_mm",
    "occipitofrontal_diameter_mm",
    "context_agreement_dsc",
    "model",
    "input_sha256",
    "problem",
    "detail",
    "name",
    "subject",
)


@dataclass(frozen=True)
class Row:
    """One line of a table, and what identifies it."""

    name: str
    file: str
    failed: bool
    text: str

    def replaces(self, earlier: Row) -> bool:
        """Return whether it takes the place of an earlier row: a failure never takes that of a result."""
        if self.failed:
            return earlier.failed and (self.name, self.file) == (earlier.name, earlier.file)
        return self.name == earlier.name and (not earlier.failed or self.file == earlier.file)


@dataclass(frozen=True)
class RowFormat:
    """The format of a table: what stands before its rows, and how a row is written and read again.

    `read` raises a ValueError where the text is something else.
    """

    head: str
    write: Callable[[BatchResult], Row]
    read: Callable[[str], Row]


def _write_csv(result: BatchResult) -> Row:
    text = io.StringIO()
    csv.DictWriter(text, COLUMNS).writerow(format_row(result))
    return Row(result.case.name, path_text(result.case.path), result.state == "failed", text.getvalue())


def _read_csv(text: str) -> Row:
    cells = next(csv.reader([text]), [])
    if len(cells) != len(COLUMNS):
        raise ValueError(text)
    named = dict(zip(COLUMNS, cells, strict=True))
    return Row(named["name"], named["file"], named["state"] == "failed", text)


def _write_json(result: BatchResult) -> Row:
    document = {**result.document(), "state": result.state, "name": result.case.name}
    return Row(result.case.name, document["file"], result.state == "failed", json.dumps(document) + "\n")


def _read_json(text: str) -> Row:
    document = json.loads(text)
    if not isinstance(document, dict) or not {"name", "file", "state"} <= set(document):
        raise ValueError(text)
    return Row(str(document["name"]), str(document["file"]), document["state"] == "failed", text)


CSV_FORMAT = RowFormat(",".join(COLUMNS) + "\r\n", _write_csv, _read_csv)
"""The format of results.csv: no line break within a row."""
JSONL_FORMAT = RowFormat("", _write_json, _read_json)
"""The format of results.jsonl: an object with the whole report or problem."""


def format_row(result: BatchResult) -> dict[str, Any]:
    """Return one line of the CSV table; a cell without a value is empty."""
    known = {"file": path_text(result.case.path), "state": result.state, "name": result.case.name}
    report = result.outcome
    if isinstance(report, CaseProblem):
        return {**known, "problem": report.code, "detail": " ".join(report.detail.split())}
    low, high = report.head_volume_interval_ml or (None, None)
    return {
        **known,
        "head_volume_ml": report.head_volume_ml,
        "head_volume_low_ml": low,
        "head_volume_high_ml": high,
        "verdict": report.verdict,
        "flags": " ".join(flag.code for flag in report.flags),
        "gestational_age_weeks": report.gestational_age_weeks,
        **({} if report.biometry is None else report.biometry.model_dump()),
        "context_agreement_dsc": report.quality.context_agreement_dsc,
        "model": f"{report.model.name} {report.model.version}",
        "input_sha256": report.input.sha256,
        "subject": report.subject,
    }
