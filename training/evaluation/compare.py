"""Paired comparison of two evaluations of the same cases, from the folders that `evaluate` wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.contract.value import Value
from app.statistics.agreement import MIN_CASES, Agreement, measure_agreement
from training.config.training import ConfigError
from training.evaluation.cases import CaseResult, read_journal
from training.evaluation.markdown import markdown_table
from training.evaluation.report import MEASURED
from training.evaluation.statistics.paired import PairedDifference, compare_paired


class ModelResults(Value):
    """One model's results on the common cases: DSC as fractions, volumes in mL."""

    dsc_mean: float
    dsc_median: float
    dsc_min: float
    volumes: Agreement


class SectionComparison(Value):
    """A paired comparison on one set of cases; differences are the second model's minus the first's."""

    section: str
    first: ModelResults
    second: ModelResults
    dsc: PairedDifference
    better: int
    """Cases in which the second has the higher DSC."""
    volume_error_percent: PairedDifference
    """The difference of the absolute relative volume error."""


def compare_folders(first: Path, second: Path) -> list[SectionComparison]:
    """Compare every set of cases that both folders contain, on their common cases.

    Raises:
        ConfigError: there is no such set.
    """
    found = []
    for name in MEASURED:
        journals = (read_journal(folder / f"{name}.jsonl") for folder in (first, second))
        one, other = ({result.case or str(result.seed): result for result in results} for results in journals)
        common = sorted(one.keys() & other.keys())
        if len(common) >= MIN_CASES:
            found.append(_compare(name, {key: one[key] for key in common}, {key: other[key] for key in common}))
    if not found:
        raise ConfigError(
            f"{first} and {second} have no two cases of one set in common; evaluate both models on the same cases"
        )
    return found


def format_table(found: Sequence[SectionComparison]) -> str:
    """Return the comparison as a Markdown table."""
    header = (
        "cases",
        "DSC, mean [%]",
        "DSC, median [%]",
        "lowest DSC [%]",
        "difference of the mean [95 % interval]",
        "better in",
        "mean volume error [%]",
        "bias ± limits [mL]",
    )
    return markdown_table(header, map(_format_row, found))


def _format_row(one: SectionComparison) -> list[str]:
    a, b, d = one.first, one.second, one.dsc
    return [
        f"{one.section} ({d.cases})",
        *(f"{100 * getattr(a, n):.2f} to {100 * getattr(b, n):.2f}" for n in ("dsc_mean", "dsc_median", "dsc_min")),
        f"{d.format()}, p = {d.p:.2g}",
        f"{one.better} of {d.cases}",
        " to ".join(f"{side.volumes.mean_absolute_relative_error_percent:.2f}" for side in (a, b)),
        " to ".join(f"{s.volumes.bias_ml:+.1f} ± {s.volumes.loa_half_width_ml:.1f}" for s in (a, b)),
    ]


def _compare(name: str, one: Mapping[str, CaseResult], other: Mapping[str, CaseResult]) -> SectionComparison:
    def compare_metric(metric: str) -> PairedDifference:
        a, b = ({key: getattr(result, metric) for key, result in results.items()} for results in (one, other))
        return compare_paired(b, a)

    return SectionComparison(
        section=name,
        first=_summarise(list(one.values())),
        second=_summarise(list(other.values())),
        dsc=compare_metric("dsc"),
        better=sum(other[key].dsc > one[key].dsc for key in one),
        volume_error_percent=compare_metric("volume_error_percent"),
    )


def _summarise(results: Sequence[CaseResult]) -> ModelResults:
    dsc = [result.dsc for result in results]
    return ModelResults(
        dsc_mean=float(np.mean(dsc)),
        dsc_median=float(np.median(dsc)),
        dsc_min=min(dsc),
        volumes=measure_agreement([result.measured_ml for result in results], [result.true_ml for result in results]),
    )
