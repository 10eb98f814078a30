"""Tables 1 and 2 of the paper with this comparison's figures, as Markdown and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.published import PaperRow
from training.evaluation.statistics.paired import average_by_case
from training.paper.systems import System

PER_CENT = ("dsc", "conformity", "jaccard")
MILLIMETRES = ("adb_mm", "hdb_mm")
QUALITIES = (*(f"{name}_percent" for name in PER_CENT), *MILLIMETRES, "volume_error_percent")
HEADER = (
    "System", "DSC [%]", "Conf [%]", "Jacc [%]", "Adb [mm]", "Hdb [mm]", "Volume error [%]", "DSC shifted [%]",
    "Parameters [M]", "Time [s]",
)  # fmt: skip
MISSED = "Heads missed"

Record = Mapping[str, object]


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


def make_records(measured: Sequence[SystemResults]) -> list[dict[str, object]]:
    """Return one record per system, in the given order, not rounded, for CSV and Markdown."""
    return [_make_record(found) for found in measured]


def _make_record(found: SystemResults) -> dict[str, object]:
    shifted, spread = found.shifted_dsc, found.seed_sd
    record: dict[str, object] = {"system": found.system.name, "seeds": len(found.test), "cases": len(found.test[0])}
    record |= {f"{name}_percent": 100 * found.mean(name) for name in PER_CENT}
    record |= {name: found.mean(name) for name in MILLIMETRES}
    record |= {
        "volume_error_percent": found.volume_error_percent,
        "dsc_shifted_percent": None if shifted is None else 100 * shifted,
        "dsc_sd_over_seeds_percent": None if spread is None else 100 * spread,
        "without_head": sum(r.measured_ml == 0 for run in found.test for r in run),
        "parameters": found.parameters,
        "training_minutes": found.minutes,
        "seconds": found.seconds,
    }
    return record | _read_paper_row(found.system.paper)


def _read_paper_row(row: PaperRow | None) -> dict[str, object]:
    return {
        "paper_dsc_percent": None if row is None else row.dsc,
        "paper_conformity_percent": None if row is None else row.conformity,
        "paper_jaccard_percent": None if row is None else row.jaccard,
        "paper_adb_mm": None if row is None else row.adb_mm,
        "paper_hdb_mm": None if row is None else row.hdb_mm,
        "paper_seconds": None if row is None else row.seconds,
    }


def format_csv(records: Sequence[Record]) -> str:
    """Return the records as CSV with a header line; numbers to six digits."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    for record in records:
        writer.writerow({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in record.items()})
    return text.getvalue()


def format_markdown(records: Sequence[Record]) -> str:
    """Return the records as a table, the best value of each metric in bold, the paper's row below each system."""
    missed = any(record["without_head"] for record in records)
    header = (*HEADER, MISSED) if missed else HEADER
    shown: list[list[str]] = []
    best = {name: _find_best(records, name) for name in QUALITIES}
    for record in records:
        both = [_format_cells(record, best)]
        both += [] if record["paper_dsc_percent"] is None else [_format_paper_cells(record)]
        shown += [cells[: len(header)] for cells in both]
    return markdown_table(header, shown)


def _format_cells(record: Record, best: Mapping[str, Record]) -> list[str]:
    cells = [str(record["system"])]
    for name in QUALITIES:
        text = _format_number(record[name], 2)
        if name == "dsc_percent" and record["dsc_sd_over_seeds_percent"] is not None:
            text += f" ± {_format_number(record['dsc_sd_over_seeds_percent'], 2)}"
        cells.append(f"**{text}**" if record is best[name] else text)
    cells.append(_format_number(record["dsc_shifted_percent"], 2))
    cells.append(f"{record['parameters'] / 1e6:.2f}")  # type: ignore[operator]
    cells.append(f"{record['seconds']:.2g}")
    cells.append(f"{record['without_head']} of {record['seeds'] * record['cases']}")  # type: ignore[operator]
    return cells


def _format_paper_cells(record: Record) -> list[str]:
    values = [_format_number(record[f"paper_{name}"], 2) for name in QUALITIES[:-1]]
    cells = ["in the paper", *values, "", "", "", _format_number(record["paper_seconds"], 2), ""]
    return [f"*{cell}*" if cell else "" for cell in cells]


def _find_best(records: Sequence[Record], name: str) -> Record:
    def value(record: Record) -> float:
        found = float(record[name])  # type: ignore[arg-type]
        return -np.inf if np.isnan(found) else found if name.endswith("percent") and "error" not in name else -found

    return max(records, key=value)


def format_p(p: float) -> str:
    """Format a p-value to three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the usual last digit


def _format_number(value: object, digits: int) -> str:
    """Format a number, with a dash where it is NaN."""
    return "" if value is None else "-" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124 - NaN
