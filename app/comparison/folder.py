"""The files of a comparison, which replace no file of somebody else: the summary holds the hashes of the others."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from app.comparison.case import ComparedCase
from app.comparison.errors import ComparisonError
from app.comparison.summary import ComparisonSummary, find_volumes, summarise_cases
from app.files import digest, digest_file, path_text, read_regular, write_atomically
from app.pictures.bland_altman import draw_bland_altman

CASES: Final = "cases.csv"
SUMMARY: Final = "summary.json"
FIGURE: Final = "agreement.svg"
DECIMALS: Final = 4


def check_targets(folder: Path) -> None:
    """Raise a ComparisonError where the folder holds a file of ours that is not ours, or was changed since."""
    recorded = _read_hashes(folder / SUMMARY)
    for name in (SUMMARY, CASES, FIGURE):
        path = folder / name
        is_ours = (
            path.is_file() and recorded is not None and (name == SUMMARY or recorded.get(name) == digest_file(path))
        )
        if os.path.lexists(path) and not is_ours:
            raise ComparisonError(
                f"The file {path_text(path)} was not written by this command, or was changed since, and is left as it "
                "is. Name another folder with --out, or move that file away."
            )


def write_comparison(folder: Path, cases: Sequence[ComparedCase]) -> ComparisonSummary:
    """Write the cases, the figure where two volumes can be drawn, and the summary last; return it.

    Raises:
        ComparisonError: the folder cannot be written, or holds a file of such a name that this command did not make.
    """
    summary = summarise_cases(cases)
    contents = {CASES: _format_cases(cases)}
    if summary.agreement is not None:
        contents[FIGURE] = draw_bland_altman(find_volumes(cases), summary.agreement)
    summary = summary.model_copy(update={"file_sha256": {name: digest(text) for name, text in contents.items()}})
    check_targets(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FIGURE).unlink(missing_ok=True)
        for name, text in {**contents, SUMMARY: summary.model_dump_json(indent=2) + "\n"}.items():
            write_atomically(folder / name, text)
    except OSError as error:
        raise ComparisonError(
            f"{path_text(folder)} cannot be written: {error.strerror}. Name another folder with --out."
        ) from error
    return summary


def _read_hashes(path: Path) -> Mapping[str, str] | None:
    """Return the hashes that a summary of ours records; None where there is none."""
    try:
        return ComparisonSummary.model_validate_json(read_regular(path)).file_sha256
    except (OSError, ValueError):
        return None


def _format_cases(cases: Sequence[ComparedCase]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(ComparedCase.model_fields))
    table.writeheader()
    table.writerows({name: _format_cell(value) for name, value in case} for case in cases)
    return text.getvalue()


def _format_cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return round(value, DECIMALS) if isinstance(value, float) else value
