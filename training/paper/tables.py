"""Tables 1 and 2 of the paper with this comparison's figures, as Markdown and CSV."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan, nan
from pathlib import Path

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import average_by_case
from training.paper.systems import System

MISSED = "Heads missed"
Cell = str | int | float | None


@dataclass(frozen=True)
class SystemResults:
    """One system's results: a list of cases per training seed and part, its number of parameters, its training time."""

    system: System
    seeds: tuple[int, ...]
    test: tuple[tuple[CaseResult, ...], ...]
    shifted: tuple[tuple[CaseResult, ...], ...]
    parameters: int
    minutes: float
    """Training time, mean over seeds."""

    def mean(self, metric: str, shifted: bool = False) -> float:
        """Return a metric's mean over cases, each averaged over seeds; NaN where no case has the metric."""
        values = average_by_case(self.shifted if shifted else self.test, metric).values()
        return float(np.mean(list(values))) if values else nan

    @property
    def dsc_by_seed(self) -> tuple[float, ...]:
        """Mean DSC over the test cases of each training seed."""
        return tuple(float(np.mean([r.dsc for r in run])) for run in self.test)

    @property
    def median_seed(self) -> int:
        """The place of the training seed with the median DSC (of two in the middle the lower one)."""
        scores = self.dsc_by_seed
        return scores.index(sorted(scores)[(len(scores) - 1) // 2])

    @property
    def missed(self) -> int:
        """The number of test cases without a head in their mask, over all seeds."""
        return sum(result.measured_ml == 0 for run in self.test for result in run)

    @property
    def seconds(self) -> float:
        """Time from volume to mask: the median over seeds of the medians over cases."""
        return float(np.median([np.median([r.seconds for r in run]) for run in self.test]))

    @property
    def seed_sd_percent(self) -> float | None:
        """SD (n - 1) of the mean DSC over training seeds."""
        means = self.dsc_by_seed
        return 100 * float(np.std(means, ddof=1)) if len(means) > 1 else None


@dataclass(frozen=True)
class Metric:
    """A metric by which systems are ranked: its columns in CSV and Markdown, its field of a case, what it is in."""

    name: str
    title: str
    field: str
    factor: int
    more_is_better: bool

    def measure(self, found: SystemResults) -> float:
        """Return the mean over test cases; NaN where no case has the metric."""
        return self.factor * found.mean(self.field)

    def read_paper(self, found: SystemResults) -> float | None:
        """Return the paper's value for the system, None where it has none."""
        value: float | None = getattr(found.system.paper, self.field, None)
        return value

    def find_best(self, measured: Sequence[SystemResults]) -> SystemResults:
        """Return the system with the best value; NaN is the worst."""
        sign = 1 if self.more_is_better else -1
        return max(measured, key=lambda found: -inf if isnan(value := self.measure(found)) else sign * value)


METRICS = (
    Metric("dsc_percent", "DSC [%]", "dsc", 100, True),
    Metric("conformity_percent", "Conf [%]", "conformity", 100, True),
    Metric("jaccard_percent", "Jacc [%]", "jaccard", 100, True),
    Metric("adb_mm", "Adb [mm]", "adb_mm", 1, False),
    Metric("hdb_mm", "Hdb [mm]", "hdb_mm", 1, False),
    Metric("volume_error_percent", "Volume error [%]", "volume_error_percent", 1, False),
)
HEADER = ("System", *(metric.title for metric in METRICS), "DSC shifted [%]", "Parameters [M]", "Time [s]")
COLUMNS: Mapping[str, Callable[[SystemResults], Cell]] = {
    "system": lambda found: found.system.name,
    "seeds": lambda found: len(found.test),
    "cases": lambda found: len(found.test[0]),
    **{metric.name: metric.measure for metric in METRICS},
    "dsc_shifted_percent": lambda found: 100 * found.mean("dsc", shifted=True),
    "dsc_sd_over_seeds_percent": lambda found: found.seed_sd_percent,
    "without_head": lambda found: found.missed,
    "parameters": lambda found: found.parameters,
    "training_minutes": lambda found: found.minutes,
    "seconds": lambda found: found.seconds,
    **{f"paper_{metric.name}": metric.read_paper for metric in METRICS[:-1]},
    "paper_seconds": lambda found: getattr(found.system.paper, "seconds", None),
}
"""The CSV: names of its columns and their values."""


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV with a header line; numbers to six digits."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow([float(f"{value:.6g}") if isinstance(value, float) else value for value in row])


def format_markdown(measured: Sequence[SystemResults]) -> str:
    """Return the systems as a table, the best value of each metric in bold, the paper's row below each system."""
    header = (*HEADER, MISSED) if any(found.missed for found in measured) else HEADER
    best = [metric.find_best(measured) for metric in METRICS]
    shown = []
    for found in measured:
        shown.append(_format_cells(found, best))
        if found.system.paper is not None:
            shown.append(_format_paper_cells(found))
    return markdown_table(header, [cells[: len(header)] for cells in shown])


def _format_cells(found: SystemResults, best: Sequence[SystemResults]) -> list[str]:
    texts = [_format_number(metric.measure(found)) for metric in METRICS]
    if found.seed_sd_percent is not None:
        texts[0] += f" ± {_format_number(found.seed_sd_percent)}"
    return [
        found.system.name,
        *(f"**{text}**" if found is winner else text for text, winner in zip(texts, best, strict=True)),
        _format_number(100 * found.mean("dsc", shifted=True)),
        f"{found.parameters / 1e6:.2f}",
        f"{found.seconds:.2g}",
        f"{found.missed} of {sum(map(len, found.test))}",
    ]


def _format_paper_cells(found: SystemResults) -> list[str]:
    values = [_format_number(metric.read_paper(found)) for metric in METRICS]
    cells = ["in the paper", *values, "", "", _format_number(getattr(found.system.paper, "seconds", None)), ""]
    return [f"*{cell}*" if cell else "" for cell in cells]


def format_p(p: float) -> str:
    """Format a p-value to three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the usual last digit


def _format_number(value: float | None) -> str:
    """Format a number to two digits, with a dash where it is NaN."""
    return "" if value is None else "-" if isnan(value) else f"{value:.2f}"
