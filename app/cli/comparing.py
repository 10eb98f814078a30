"""Running `fetalhead compare`: results and true masks in; a table, a summary and a figure out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import MofNCompleteColumn
from rich.table import Table

from app.comparison.case import ComparedCase, compare_pair
from app.comparison.errors import ComparisonError
from app.comparison.folder import check_targets, write_comparison
from app.comparison.pairs import Pair, find_pairs
from app.comparison.summary import ComparisonSummary
from app.console import FAILED, FINE, USAGE, complain
from app.files import path_text
from app.progress import progress_bar
from app.statistics.agreement import Agreement

DEFAULT: Final = "comparison"
METRICS: Final = (
    ("DSC", "dsc", ".4f"),
    ("Jaccard", "jaccard", ".4f"),
    ("Conformity", "conformity", ".4f"),
    ("Average distance (mm)", "average_distance_mm", ".2f"),
    ("Hausdorff distance (mm)", "hausdorff_distance_mm", ".2f"),
    ("Volume error, absolute (%)", "volume_error_percent", ".2f"),
)


def run_compare(options: argparse.Namespace) -> int:
    """Compare the folders, print the summary and return the exit code."""
    out = options.results / DEFAULT if options.out is None else options.out
    try:
        pairs = find_pairs(options.results, options.masks)
        check_targets(out)
        cases = _compare_all(pairs, options.json)
        summary = write_comparison(out, cases)
    except ComparisonError as error:
        return complain(str(error), USAGE, options.json)
    if options.json:
        print(summary.model_dump_json())
    else:
        _print_summary(summary, out)
    return FAILED if summary.not_compared else FINE


def _compare_all(pairs: Sequence[Pair], as_json: bool) -> list[ComparedCase]:
    cases = []
    with progress_bar(MofNCompleteColumn()) as bar:
        for pair in bar.track(pairs, description="comparing"):
            cases.append(compare_pair(pair))
            if not as_json and cases[-1].state != "no_mask":
                print(_line(cases[-1]), flush=True)
    return cases


def _line(case: ComparedCase) -> str:
    """Return one case in one line."""
    if case.state == "failed":
        return f"{case.name}  not compared: {case.problem}"
    volume = "no volume"
    if case.head_volume_ml is not None and case.error_percent is not None:
        volume = f"{case.head_volume_ml:.1f} mL, true {case.true_volume_ml:.1f} ({case.error_percent:+.1f} %)"
    return f"{case.name}  {volume}  DSC {case.dsc:.3f}  {case.verdict}"


def _print_summary(summary: ComparisonSummary, out: Path) -> None:
    console = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    table = Table("", "mean ± SD", "median", "range", "cases", box=None, pad_edge=False)
    for title, name, form in METRICS:
        if (found := getattr(summary, name)) is not None:
            spread = f"{found.min:{form}} to {found.max:{form}}"
            table.add_row(
                title, f"{found.mean:{form}} ± {found.sd:{form}}", f"{found.median:{form}}", spread, str(found.cases)
            )
    console.print()
    if summary.cases:
        console.print(table)
        for title, text in _describe(summary):
            console.print(f"{title}: {text}")
    counts = f"Compared: {summary.cases}; results without a true mask: {summary.without_mask}; not compared: "
    console.print(f"\n{counts}{len(summary.not_compared)}. Files: {path_text(out)}/")


def _describe(summary: ComparisonSummary) -> list[tuple[str, str]]:
    """Return what is said of the volumes, the interval and the verdicts."""
    verdicts = " / ".join(f"{count} {verdict}" for verdict, count in summary.verdicts.items())
    held = "no case has an interval" if summary.interval_held is None else f"{summary.interval_held}"
    missing = [("Bland-Altman", "at least two cases with a volume are needed")]
    return [
        *(missing if summary.agreement is None else _describe_agreement(summary.agreement)),
        ("True volume in the published 95 % interval", held),
        ("Verdicts", verdicts),
    ]


def _describe_agreement(agreed: Agreement) -> list[tuple[str, str]]:
    bias, half, uncertain = agreed.bias_ml, agreed.loa_half_width_ml, agreed.loa_ci95_half_width_ml
    low, high = agreed.bias_ci95_ml
    return [
        ("Bias, measured - true", f"{bias:+.1f} mL (95 % interval {low:+.1f} to {high:+.1f})"),
        ("95 % limits of agreement", f"{bias - half:+.1f} to {bias + half:+.1f} mL (each ± {uncertain:.1f})"),
        (
            "Relative bias and limits",
            f"{agreed.relative_bias_percent:+.1f} ± {agreed.relative_loa_half_width_percent:.1f} %",
        ),
    ]
