"""Table 1 and table 2 of the paper with this comparison's figures, as Markdown and CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.comparison import PairedDifference, mean_by_case, paired_difference
from training.systems import System

PER_CENT = ("dsc", "conformity", "jaccard")
MILLIMETRES = ("adb_mm", "hdb_mm")
HEADER = (
    "System", "DSC [%]", "Conf [%]", "Jacc [%]", "Adb [mm]", "Hdb [mm]", "Volume error [%]", "DSC shifted [%]",
    "Parameters [M]", "Training [min]", "Time [s]", "DSC against the row above", "p", "Paper: DSC [%]",
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """One system's results: one list of cases per training seed and part, what it weighs and what it took."""

    system: System
    test: tuple[tuple[CaseResult, ...], ...]
    shifted: tuple[tuple[CaseResult, ...], ...]
    parameters: int
    minutes: float
    """Of training, mean over seeds."""

    def by_case(self, metric: str) -> dict[int, float]:
        """A metric of each test case, averaged over seeds."""
        return mean_by_case(self.test, metric)

    def mean(self, metric: str) -> float:
        """Mean over test cases; NaN where no case has the metric."""
        values = list(self.by_case(metric).values())
        return float(np.mean(values)) if values else float("nan")

    @property
    def volume_error_percent(self) -> float:
        """Mean absolute relative volume error on the test cases."""
        return float(np.mean([100 * abs(r.measured_ml - r.true_ml) / r.true_ml for run in self.test for r in run]))

    @property
    def seconds(self) -> float:
        """Median time from volume to mask."""
        return float(np.median([r.seconds for run in self.test for r in run]))

    @property
    def shifted_dsc(self) -> float | None:
        """Mean DSC on the shifted cases."""
        values = list(mean_by_case(self.shifted, "dsc").values())
        return float(np.mean(values)) if values else None

    @property
    def seed_sd(self) -> float | None:
        """SD (n - 1) of the mean DSC over training seeds."""
        means = [float(np.mean([r.dsc for r in run])) for run in self.test]
        return float(np.std(means, ddof=1)) if len(means) > 1 else None


def rows(measured: Sequence[Measured]) -> list[dict[str, object]]:
    """One record per system, in the given order; what CSV and Markdown are written from."""
    previous: Measured | None = None
    records = []
    for found in measured:
        against = None if previous is None else paired_difference(found.by_case("dsc"), previous.by_case("dsc"))
        records.append(_record(found, against))
        previous = found
    return records


def _record(found: Measured, against: PairedDifference | None) -> dict[str, object]:
    paper = found.system.paper
    record: dict[str, object] = {"system": found.system.name, "seeds": len(found.test), "cases": len(found.test[0])}
    record |= {f"{name}_percent": round(100 * found.mean(name), 3) for name in PER_CENT}
    record |= {name: round(found.mean(name), 4) for name in MILLIMETRES}
    shifted, spread = found.shifted_dsc, found.seed_sd
    record |= {
        "volume_error_percent": round(found.volume_error_percent, 3),
        "dsc_shifted_percent": None if shifted is None else round(100 * shifted, 3),
        "dsc_sd_over_seeds_percent": None if spread is None else round(100 * spread, 3),
        "without_head": sum(r.measured_ml == 0 for run in found.test for r in run),
        "parameters": found.parameters,
        "training_minutes": round(found.minutes, 2),
        "seconds": round(found.seconds, 4),
        "dsc_difference_percent": None if against is None else round(100 * against.mean, 3),
        "dsc_difference_ci95_low": None if against is None else round(100 * against.ci95[0], 3),
        "dsc_difference_ci95_high": None if against is None else round(100 * against.ci95[1], 3),
        "wilcoxon_p": None if against is None else float(f"{against.p:.3g}"),
        "paper_dsc_percent": None if paper is None else paper.dsc,
        "paper_adb_mm": None if paper is None else paper.adb_mm,
        "paper_seconds": None if paper is None else paper.seconds,
    }
    return record


def as_csv(records: Sequence[Mapping[str, object]]) -> str:
    """The records with a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def as_markdown(records: Sequence[Mapping[str, object]]) -> str:
    """The records as a table; the best value of each quality in bold."""
    lines = ["| " + " | ".join(HEADER) + " |", "|---" + "|---:" * (len(HEADER) - 1) + "|"]
    qualities = ("dsc_percent", "conformity_percent", "jaccard_percent", "adb_mm", "hdb_mm", "volume_error_percent")
    best = {name: _best(records, name) for name in qualities}
    for record in records:
        cells = [str(record["system"])]
        for name in qualities:
            text = _number(record[name], 2)
            if name == "dsc_percent" and record["dsc_sd_over_seeds_percent"] is not None:
                text += f" ± {record['dsc_sd_over_seeds_percent']:.2f}"
            cells.append(f"**{text}**" if record is best[name] else text)
        cells.append(_number(record["dsc_shifted_percent"], 2))
        cells.append(f"{record['parameters'] / 1e6:.2f}")  # type: ignore[operator]
        cells.append(_number(record["training_minutes"], 1))
        cells.append(_number(record["seconds"], 3))
        cells += _difference(record)
        cells.append(_number(record["paper_dsc_percent"], 2))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _best(records: Sequence[Mapping[str, object]], name: str) -> Mapping[str, object]:
    def value(record: Mapping[str, object]) -> float:
        found = float(record[name])  # type: ignore[arg-type]
        return -np.inf if np.isnan(found) else found if name.endswith("percent") and "error" not in name else -found

    return max(records, key=value)


def _difference(record: Mapping[str, object]) -> list[str]:
    if record["dsc_difference_percent"] is None:
        return ["", ""]
    low, high = record["dsc_difference_ci95_low"], record["dsc_difference_ci95_high"]
    p = float(record["wilcoxon_p"])  # type: ignore[arg-type]
    return [f"{record['dsc_difference_percent']:+.2f} [{low:+.2f}, {high:+.2f}]", shown_p(p)]


def shown_p(p: float) -> str:
    """A p-value for people, to three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - the usual last digit


def _number(value: object, digits: int) -> str:
    """The number, a dash where it is not defined."""
    return "" if value is None else "-" if value != value else f"{value:.{digits}f}"  # noqa: PLR0124 - NaN
