"""The evaluation of a model as in `evaluation.json`: a summary of each section of cases."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from app.contract.value import VERDICTS, Value
from app.inference.volume_interval import VolumeInterval
from app.statistics.agreement import Agreement, measure_agreement
from app.statistics.coverage import Coverage
from training.evaluation.cases import CaseResult, find_spacing_range
from training.evaluation.metrics import MetricSummaries, summarise_metrics
from training.evaluation.statistics.flag_rates import FlagRates, compute_flag_rates
from training.evaluation.statistics.reproducibility import Reproducibility

PUBLISHED = ("test", "shifted", "held_out", "held_out_shifted", "typical")
SECTIONS = (*PUBLISHED, "validation")
ALL = "all"
"""The section of every case of own data, whatever its part; never published, since training may have seen some."""
MEASURED = (*SECTIONS, "train", ALL)
"""Every section that a folder may hold."""


class CaseSet(Value):
    """The number and the range of the seeds of some cases, or of their names."""

    cases: int
    seeds: str


class EvaluationSection(MetricSummaries, CaseSet):
    """One set of cases: segmentation metrics and agreement of volumes; missing values are counted, not hidden.

    `interval_held` is the empirical coverage of the evaluation's `volume_interval`, `interval_half_width_percent` its
    median half width; `doubt` the sensitivity and the false alarms of the flags; `spacing_mm` are the smallest and the
    largest voxel edge; `command` measured the section.
    """

    volume_bias_ml: float
    volume_loa_half_width_ml: float
    pearson: float
    agreement: Agreement
    verdicts: dict[str, int]
    without_head: int
    accepted: dict[str, float]
    by_gestational_age: dict[str, dict[str, float]]
    seconds_per_case: float
    doubt: FlagRates | None = None
    interval_held: Coverage | None = None
    interval_half_width_percent: float | None = None
    spacing_mm: tuple[float, float] | None = None
    command: str = ""
    dsc_by_case: dict[str, float] = Field(default_factory=dict)


class Evaluation(Value):
    """`evaluation.json`; `all` is not published.

    `volume_interval` is the model's own where it follows the case, else that of `test`, None where that is too small.
    """

    test: EvaluationSection | None = None
    shifted: EvaluationSection | None = None
    held_out: EvaluationSection | None = None
    held_out_shifted: EvaluationSection | None = None
    typical: EvaluationSection | None = None
    all: EvaluationSection | None = None
    reproducibility: Reproducibility | None = None
    volume_interval: VolumeInterval | None = None
    data: str = "simulated"
    command: str = ""

    @property
    def sections(self) -> dict[str, EvaluationSection]:
        """The sections that are published, by name, in the order in which they are shown."""
        return {name: part for name in PUBLISHED if (part := getattr(self, name)) is not None}


def summarise_section(results: Sequence[CaseResult]) -> EvaluationSection:
    """Summarise the results of one set of cases.

    Raises:
        ValueError: there are fewer than 2 cases.
    """
    agreed = measure_agreement([r.measured_ml for r in results], [r.true_ml for r in results])
    seeds, names = sorted(r.seed for r in results), [r.case for r in results if r.case is not None]
    return EvaluationSection(
        cases=len(results),
        seeds=f"{min(names)}..{max(names)}" if names else f"{seeds[0]}-{seeds[-1]}",
        **summarise_metrics(results),
        volume_bias_ml=agreed.bias_ml,
        volume_loa_half_width_ml=agreed.loa_half_width_ml,
        pearson=agreed.pearson,
        agreement=agreed,
        verdicts={v: sum(r.verdict == v for r in results) for v in VERDICTS},
        without_head=sum(r.measured_ml == 0 for r in results),
        accepted=_summarise_accepted(results),
        by_gestational_age=_summarise_by_age(results),
        seconds_per_case=float(np.mean([r.seconds for r in results])),
        doubt=compute_flag_rates(results),
        spacing_mm=find_spacing_range(results),
        dsc_by_case={r.case or str(r.seed): round(r.dsc, 6) for r in sorted(results, key=lambda r: r.seed)},
    )


def _summarise_accepted(results: Sequence[CaseResult]) -> dict[str, float]:
    """Summarise the cases with the verdict ok."""
    kept = [r for r in results if r.verdict == "ok"]
    if not kept:
        return {"cases": 0}
    errors = [r.volume_error_percent for r in kept]
    return {
        "cases": len(kept),
        "dsc": float(np.mean([r.dsc for r in kept])),
        "dsc_min": min(r.dsc for r in kept),
        "volume_error_percent": float(np.mean(errors)),
        "volume_error_percent_max": max(errors),
    }


def _summarise_by_age(results: Sequence[CaseResult]) -> dict[str, dict[str, float]]:
    """Return mean DSC and relative bias by four-week class of gestational age."""
    classes: dict[str, list[CaseResult]] = {}
    known = [(r.gestational_age_weeks, r) for r in results if r.gestational_age_weeks is not None]
    for weeks, result in sorted(known, key=lambda pair: pair[0]):
        start = int(weeks) // 4 * 4
        classes.setdefault(f"{start}-{start + 3}", []).append(result)
    return {
        name: {
            "cases": len(group),
            "dsc": float(np.mean([r.dsc for r in group])),
            "relative_bias_percent": float(np.mean([100 * (r.measured_ml / r.true_ml - 1) for r in group])),
        }
        for name, group in classes.items()
    }
