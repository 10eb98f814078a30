"""Tables of a batch: results.csv for spreadsheets, results.jsonl for programs, both complete up to the last case."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from app.batch.results import BatchResult, CaseProblem

CSV, JSONL = "results.csv", "results.jsonl"
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
)


class Tables:
    """Both tables, to which each result is written before the next case begins."""

    def __init__(self, table: TextIO, lines: TextIO) -> None:
        self._table, self._lines = table, lines
        self._writer = csv.DictWriter(table, COLUMNS)
        self._writer.writeheader()

    def add(self, result: BatchResult) -> None:
        """Append one result to both tables."""
        self._writer.writerow(format_row(result))
        self._lines.write(json.dumps({**result.document(), "state": result.state}) + "\n")
        self._table.flush()
        self._lines.flush()


@contextmanager
def open_tables(output: Path) -> Iterator[Tables]:
    """Open both tables in a folder, which is created if it is missing; their earlier content is replaced."""
    output.mkdir(parents=True, exist_ok=True)
    with (
        (output / CSV).open("w", newline="", encoding="utf-8") as table,
        (output / JSONL).open("w", encoding="utf-8") as lines,
    ):
        yield Tables(table, lines)


def format_row(result: BatchResult) -> dict[str, Any]:
    """Return one line of the CSV table; a cell without a value is empty."""
    known = {"file": result.case.path, "state": result.state}
    report = result.outcome
    if isinstance(report, CaseProblem):
        return {**known, "problem": report.code, "detail": report.detail}
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
    }
