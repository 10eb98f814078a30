"""A batch as tables: results.csv for a spreadsheet, results.jsonl for a program, both complete up to the last case."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from app.batch.run import CaseResult

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
    """Takes one result after the other; each is on disk before the next one begins."""

    def __init__(self, table: TextIO, lines: TextIO) -> None:
        self._table, self._lines = table, lines
        self._writer = csv.DictWriter(table, COLUMNS)
        self._writer.writeheader()

    def add(self, result: CaseResult) -> None:
        """Append one result to both."""
        self._writer.writerow(row(result))
        self._lines.write(json.dumps({**result.content, "state": result.state}) + "\n")
        self._table.flush()
        self._lines.flush()


@contextmanager
def tables(output: Path) -> Iterator[Tables]:
    """Both tables in a folder, which is made where it is missing; what they held is replaced."""
    output.mkdir(parents=True, exist_ok=True)
    with (
        (output / CSV).open("w", newline="", encoding="utf-8") as table,
        (output / JSONL).open("w", encoding="utf-8") as lines,
    ):
        yield Tables(table, lines)


def row(result: CaseResult) -> dict[str, Any]:
    """One line of the CSV table; a cell without a value is empty."""
    content = result.content
    if result.state == "failed":
        problem = {"problem": content["code"], "detail": content["detail"]}
        return {"file": content["file"], "state": result.state, **problem}
    low, high = content["head_volume_interval_ml"] or (None, None)
    biometry: Mapping[str, Any] = content["biometry"] or {}
    model = content["model"]
    return {
        "file": content["file"],
        "state": result.state,
        "head_volume_ml": content["head_volume_ml"],
        "head_volume_low_ml": low,
        "head_volume_high_ml": high,
        "verdict": content["verdict"],
        "flags": " ".join(flag["code"] for flag in content["flags"]),
        "gestational_age_weeks": content["gestational_age_weeks"],
        **{name: value for name, value in biometry.items() if name in COLUMNS},
        "context_agreement_dsc": content["quality"]["context_agreement_dsc"],
        "model": f"{model['name']} {model['version']}",
        "input_sha256": content["input"]["sha256"],
    }
