"""The display of a batch: a line per case, a bar with the remaining time, a table at the end."""

from __future__ import annotations

import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.batch.results import BatchResult, CaseProblem
from app.batch.written import CSV, JSONL
from app.contract.report import Report
from app.files import path_text

NAMED: Final = 5
"""Failed files that the summary names; the table holds all of them."""


def count_case(bar: Progress, result: BatchResult) -> None:
    """Count a case as done; a kept one took no time and is left out of the estimate."""
    (task,) = bar.tasks
    if result.state == "kept":
        bar.update(task.id, total=(task.total or 0) - 1)
    else:
        bar.advance(task.id)


def line(result: BatchResult) -> str:
    """Return one case in one line."""
    outcome = result.outcome
    if isinstance(outcome, CaseProblem):
        parts = [outcome.detail, f"expected {outcome.expected}" if outcome.expected else "", outcome.remedy]
        return f"{path_text(result.case.path)}  failed: {' '.join(_sentence(text) for text in parts if text)}"
    volume = outcome.head_volume_ml
    flags = ", ".join(flag.code for flag in outcome.flags)
    measured = "no volume" if volume is None else f"{volume:.1f} mL"
    return f"{path_text(result.case.path)}  {measured}  {outcome.verdict}{'  ' + flags if flags else ''}"


def print_summary(results: Sequence[BatchResult], output: Path) -> None:
    """Print a table of the batch's outcomes."""
    console = Console(file=sys.stdout, highlight=False)
    table = Table("", "cases", "head volume, mL (mean ± SD)", "range", box=None, pad_edge=False)
    for name in ("ok", "review", "reject", "failed"):
        chosen = [result for result in results if _outcome(result) == name]
        if chosen:
            table.add_row(name, str(len(chosen)), *_volumes(chosen))
    kept = Counter(result.state for result in results)["kept"]
    console.print()
    console.print(table)
    note = f"Kept from an earlier run: {kept}. " if kept else ""
    holds = f"{path_text(output)}/ holds masks, pictures and reports, and {CSV} and {JSONL}."
    console.print(f"{note}{holds}", soft_wrap=True, markup=False)
    failed = [path_text(result.case.path) for result in results if result.state == "failed"]
    if failed:
        more = f" and {len(failed) - NAMED} more, see {CSV}" if len(failed) > NAMED else ""
        again = "Once they are fixed, the same command measures only them."
        console.print(f"Failed: {', '.join(failed[:NAMED])}{more}. {again}", soft_wrap=True, markup=False)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _outcome(result: BatchResult) -> str:
    return "failed" if isinstance(result.outcome, CaseProblem) else result.outcome.verdict


def _volumes(results: Sequence[BatchResult]) -> tuple[str, str]:
    """Return mean with standard deviation (n - 1), and range."""
    reports = [result.outcome for result in results if isinstance(result.outcome, Report)]
    found = [report.head_volume_ml for report in reports if report.head_volume_ml is not None]
    if not found:
        return "", ""
    spread = f" ± {statistics.stdev(found):.1f}" if len(found) > 1 else ""
    return f"{statistics.fmean(found):.1f}{spread}", f"{min(found):.1f} to {max(found):.1f}"
