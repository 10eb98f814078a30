"""Tables 1 and 2 of the paper with this comparison's figures, as Markdown and CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, isnan
from typing import Generic, TypeVar

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.paired import average_by_case
from training.paper.systems import System

HEADER = (
    "System", "DSC [%]", "Conf [%]", "Jacc [%]", "Adb [mm]", "Hdb [mm]", "Volume error [%]", "DSC shifted [%]",
    "Parameters [M]", "Time [s]",
)  # fmt: skip
MISSED = "Heads missed"

Cell = str | int | float | None
T = TypeVar("T")


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

    def by_case(self, metric: str) -> dict[int, float]:
        """Return a metric of each test case, averaged over seeds."""
        return average_by_case(self.test, metric)

    def mean(self, metric: str) -> float:
        """Return a metric's mean over test cases; NaN where no case has the metric."""
        values = list(self.by_case(metric).values())
        return float(np.mean(values)) if values else float("nan")

    @property
    def dsc_by_seed(self) -> tuple[float, ...]:
        """Mean DSC over the test cases of each training seed."""
        return tuple(float(np.mean([r.dsc for r in run])) for run in self.test)

    @property
    def median_seed(self) -> int:
        """The place of the training seed with the median DSC (of two in the middle the lower one)."""
        scores = self.dsc_by_seed
        return sorted(range(len(scores)), key=lambda place: scores[place])[(len(scores) - 1) // 2]

    @property
    def volume_error_percent(self) -> float:
        """Mean absolute relative volume error on the test cases."""
        return float(np.mean([100 * abs(r.measured_ml - r.true_ml) / r.true_ml for run in self.test for r in run]))

    @property
    def missed(self) -> int:
        """The number of test cases without a head in their mask, over all seeds."""
        return sum(result.measured_ml == 0 for run in self.test for result in run)

    @property
    def seconds(self) -> float:
        """Time from volume to mask: the median over seeds of the medians over cases."""
        return float(np.median([np.median([r.seconds for r in run]) for run in self.test]))

    @property
    def shifted_dsc(self) -> float | None:
        """Mean DSC on the shifted cases."""
        values = list(average_by_case(self.shifted, "dsc").values())
        return float(np.mean(values)) if values else None

    @property
    def seed_sd(self) -> float | None:
        """SD (n - 1) of the mean DSC over training seeds."""
        means = self.dsc_by_seed
        return float(np.std(means, ddof=1)) if len(means) > 1 else None


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column of a CSV: its name, and its value for what a row is about."""

    name: str
    value: Callable[[T], Cell]


@dataclass(frozen=True)
class Metric(Column[SystemResults]):
    """A metric by which systems are ranked, and its value in the paper."""

    value: Callable[[SystemResults], float]
    more_is_better: bool
    paper: str | None
    """The field of the paper's row."""

    def find_best(self, measured: Sequence[SystemResults]) -> SystemResults:
        """Return the system with the best value; NaN is the worst."""
        sign = 1 if self.more_is_better else -1
        return max(measured, key=lambda found: -inf if isnan(self.value(found)) else sign * self.value(found))


def _read_paper(found: SystemResults, field: str | None) -> float | None:
    """Return a field of the paper's row, None where the paper has none."""
    value: float | None = getattr(found.system.paper, field or "", None)
    return value


def _scale(value: float | None) -> float | None:
    return None if value is None else 100 * value


METRICS = (
    Metric("dsc_percent", lambda found: 100 * found.mean("dsc"), True, "dsc"),
    Metric("conformity_percent", lambda found: 100 * found.mean("conformity"), True, "conformity"),
    Metric("jaccard_percent", lambda found: 100 * found.mean("jaccard"), True, "jaccard"),
    Metric("adb_mm", lambda found: found.mean("adb_mm"), False, "adb_mm"),
    Metric("hdb_mm", lambda found: found.mean("hdb_mm"), False, "hdb_mm"),
    Metric("volume_error_percent", lambda found: found.volume_error_percent, False, None),
)
COLUMNS: tuple[Column[SystemResults], ...] = (
    Column("system", lambda found: found.system.name),
    Column("seeds", lambda found: len(found.test)),
    Column("cases", lambda found: len(found.test[0])),
    *METRICS,
    Column("dsc_shifted_percent", lambda found: _scale(found.shifted_dsc)),
    Column("dsc_sd_over_seeds_percent", lambda found: _scale(found.seed_sd)),
    Column("without_head", lambda found: found.missed),
    Column("parameters", lambda found: found.parameters),
    Column("training_minutes", lambda found: found.minutes),
    Column("seconds", lambda found: found.seconds),
    *(Column(f"paper_{metric.name}", partial(_read_paper, field=metric.paper)) for metric in METRICS if metric.paper),
    Column("paper_seconds", partial(_read_paper, field="seconds")),
)


def format_csv(columns: Sequence[Column[T]], items: Sequence[T]) -> str:
    """Return a CSV with a header line and a row for each item; numbers to six digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for item in items:
        values = (column.value(item) for column in columns)
        writer.writerow([float(f"{v:.6g}") if isinstance(v, float) else v for v in values])
    return text.getvalue()


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
    texts = [_format_number(metric.value(found)) for metric in METRICS]
    if found.seed_sd is not None:
        texts[0] += f" ± {_format_number(100 * found.seed_sd)}"
    return [
        found.system.name,
        *(f"**{text}**" if found is winner else text for text, winner in zip(texts, best, strict=True)),
        _format_number(_scale(found.shifted_dsc)),
        f"{found.parameters / 1e6:.2f}",
        f"{found.seconds:.2g}",
        f"{found.missed} of {sum(map(len, found.test))}",
    ]


def _format_paper_cells(found: SystemResults) -> list[str]:
    values = [_format_number(_read_paper(found, metric.paper)) for metric in METRICS]
    cells = ["in the paper", *values, "", "", _format_number(_read_paper(found, "seconds")), ""]
    return [f"*{cell}*" if cell else "" for cell in cells]


def format_p(p: float) -> str:
    """Format a p-value to three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the usual last digit


def _format_number(value: float | None) -> str:
    """Format a number to two digits, with a dash where it is NaN."""
    return "" if value is None else "-" if isnan(value) else f"{value:.2f}"
