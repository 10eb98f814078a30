"""Agreement and reproducibility of head volumes, each training seed for itself: mean over seeds and their range."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.agreement import agreement
from training.evaluation.statistics.reproducibility import Reproducibility, reproducibility
from training.paper.tables import Measured
from training.phantom.views import direction_of

REPEATED_FIELDS = ("subject_seed", "seed", "gestational_age_weeks", "true_ml", "measured_ml", "dsc", "verdict")
HEADER = ("System", "bias [mL]", "95 % limits of agreement: bias ± [mL]", "Pearson r")
PAPER = ("*USegNet-DS-HAS-Ctx in the paper*", "*-1.6*", "*± 19.5*", "*0.990*")


def volumes(measured: Mapping[str, Measured], repeated: Sequence[Sequence[CaseResult]], name: str) -> str:
    """The section of the page; `repeated` are the named system's repeated scans, one list per training seed."""
    several = any(len(found.test) > 1 for found in measured.values())
    parts = [
        "## Volumes",
        *(["Mean over training seeds, and their range in brackets."] if several else []),
        markdown_table(HEADER, [*(_row(system, found) for system, found in measured.items()), PAPER]),
        *([_repeated([reproducibility(run) for run in repeated], name)] if repeated else []),
    ]
    return "\n\n".join(parts)


def _row(system: str, found: Measured) -> tuple[str, ...]:
    agreed = [agreement([r.measured_ml for r in run], [r.true_ml for r in run]) for run in found.test]
    return (
        system,
        over_seeds([a.bias_ml for a in agreed], "+.1f"),
        over_seeds([a.loa_half_width_ml for a in agreed], ".1f"),
        over_seeds([a.pearson for a in agreed], ".3f"),
    )


def _repeated(found: Sequence[Reproducibility], name: str) -> str:
    def shown(value: Callable[[Reproducibility], float], form: str) -> str:
        return over_seeds([value(one) for one in found], form)

    low, high = min(one.min_sd_ml for one in found), max(one.max_sd_ml for one in found)
    parts = (
        f"SD of a fetus's volumes {shown(lambda r: r.mean_sd_ml, '.1f')} mL on average (n - 1; "
        f"{shown(lambda r: r.mean_sd_population_ml, '.1f')} mL with n), {low:.1f} to {high:.1f} mL",
        f"within-subject SD {shown(lambda r: r.within_subject_sd_ml, '.1f')} mL",
        f"CV {shown(lambda r: r.wcv_percent, '.1f')} %",
        f"repeatability coefficient {shown(lambda r: r.repeatability_coefficient_ml, '.0f')} mL",
        f"ICC(1,1) {shown(lambda r: r.icc, '.3f')}",
    )
    return (
        f"Reproducibility of {name}, {found[0].groups} fetuses along {found[0].views} directions: {'; '.join(parts)}. "
        "The paper: 11.524 mL on average, 1.960 to 49.869 mL. Every volume: `reproducibility.csv`."
    )


def over_seeds(values: Sequence[float], form: str) -> str:
    """The mean, and behind it the range where there are several values."""
    mean = f"{np.mean(values):{form}}"
    return f"{mean} [{min(values):{form}}, {max(values):{form}}]" if len(values) > 1 else mean


def write_repeated(path: Path, repeated: Sequence[Sequence[CaseResult]], seeds: Sequence[int]) -> None:
    """Every volume of the repeated scans as CSV, by training seed, fetus and direction."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["training_seed", "direction", *REPEATED_FIELDS])
        for seed, results in zip(seeds, repeated, strict=True):
            for result in results:
                values = [getattr(result, field) for field in REPEATED_FIELDS]
                writer.writerow([seed, direction_of(result.seed), *map(short, values)])


def short(value: object) -> object:
    """A number to five digits for a CSV; anything else as it is."""
    return float(f"{value:.5g}") if isinstance(value, float) else value
