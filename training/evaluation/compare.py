"""Two evaluations of the same cases beside each other: what `evaluate` left in two folders, paired by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from training.config.training import ConfigError
from training.evaluation.cases import CaseResult, read_journal
from training.evaluation.markdown import markdown_table
from training.evaluation.report import SECTIONS
from training.evaluation.statistics.agreement import MIN_CASES, Agreement, agreement
from training.evaluation.statistics.paired import PairedDifference, paired_difference


class Side(BaseModel):
    """One model on the common cases: DSC as fractions, volumes in mL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dsc_mean: float
    dsc_median: float
    dsc_min: float
    volumes: Agreement


class Versus(BaseModel):
    """One set of cases that both folders measured; differences are the second's minus the first's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    section: str
    first: Side
    second: Side
    dsc: PairedDifference
    better: int
    """Cases in which the second has the higher DSC."""
    volume_error_percent: PairedDifference
    """Of the absolute relative error of the volume."""


def versus(first: Path, second: Path) -> list[Versus]:
    """Every set that both folders measured, over the cases that both have; ConfigError where there is none."""
    found = []
    for name in SECTIONS:
        one, other = (_by_case(read_journal(folder / f"{name}.jsonl")) for folder in (first, second))
        common = sorted(one.keys() & other.keys())
        if len(common) >= MIN_CASES:
            found.append(_compared(name, [one[key] for key in common], [other[key] for key in common]))
    if not found:
        raise ConfigError(
            f"{first} and {second} have no two cases of one set in common; evaluate both models on the same cases"
        )
    return found


def table(found: Sequence[Versus]) -> str:
    """The comparison as Markdown."""
    header = (
        "cases",
        "DSC, mean [%]",
        "DSC, median [%]",
        "least DSC [%]",
        "difference of the mean [95 % interval]",
        "better in",
        "mean volume error [%]",
        "bias ± limits [mL]",
    )
    return markdown_table(header, map(_row, found))


def _row(one: Versus) -> list[str]:
    a, b, d = one.first, one.second, one.dsc
    return [
        f"{one.section} ({d.cases})",
        *(f"{100 * getattr(a, n):.2f} to {100 * getattr(b, n):.2f}" for n in ("dsc_mean", "dsc_median", "dsc_min")),
        f"{100 * d.mean:+.2f} [{100 * d.ci95[0]:+.2f}, {100 * d.ci95[1]:+.2f}], p = {d.p:.2g}",
        f"{one.better} of {d.cases}",
        " to ".join(f"{side.volumes.mean_absolute_relative_error_percent:.2f}" for side in (a, b)),
        " to ".join(f"{s.volumes.bias_ml:+.1f} ± {s.volumes.loa_half_width_ml:.1f}" for s in (a, b)),
    ]


def _by_case(results: Sequence[CaseResult]) -> Mapping[str, CaseResult]:
    return {result.case or str(result.seed): result for result in results}


def _compared(name: str, one: Sequence[CaseResult], other: Sequence[CaseResult]) -> Versus:
    dsc, errors = (_paired(metric, one, other) for metric in ("dsc", "volume_error_percent"))
    better = sum(b.dsc > a.dsc for a, b in zip(one, other, strict=True))
    return Versus(
        section=name, first=_side(one), second=_side(other), dsc=dsc, better=better, volume_error_percent=errors
    )


def _paired(metric: str, one: Sequence[CaseResult], other: Sequence[CaseResult]) -> PairedDifference:
    a, b = ({n: getattr(result, metric) for n, result in enumerate(results)} for results in (one, other))
    return paired_difference(b, a)


def _side(results: Sequence[CaseResult]) -> Side:
    dsc = [result.dsc for result in results]
    return Side(
        dsc_mean=float(np.mean(dsc)),
        dsc_median=float(np.median(dsc)),
        dsc_min=min(dsc),
        volumes=agreement([result.measured_ml for result in results], [result.true_ml for result in results]),
    )
