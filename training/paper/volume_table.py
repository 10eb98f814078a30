"""Agreement and reproducibility of head volumes by training seed: mean over seeds, and their range."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.agreement import measure_agreement
from training.evaluation.statistics.reproducibility import Reproducibility, summarise_reproducibility
from training.paper.tables import SystemResults, write_csv
from training.phantom.views import direction_of

REPEATED_FIELDS = ("subject_seed", "seed", "gestational_age_weeks", "true_ml", "measured_ml", "dsc", "verdict")
HEADER = ("System", "bias [mL]", "95 % limits of agreement: bias ± [mL]", "Pearson r")
PAPER = ("*USegNet-DS-HAS-Ctx in the paper*", "*-1.6*", "*± 19.5*", "*0.990*")


def format_volumes(measured: Mapping[str, SystemResults], repeated: Sequence[Sequence[CaseResult]], name: str) -> str:
    """Return the section of the page; `repeated` are the named system's repeated scans, one list per training seed."""
    several = any(len(found.test) > 1 for found in measured.values())
    parts = [
        "## Volumes",
        *(["Mean over training seeds, and their range in brackets."] if several else []),
        markdown_table(HEADER, [*(_format_row(system, found) for system, found in measured.items()), PAPER]),
        *([_format_repeated([summarise_reproducibility(run) for run in repeated], name)] if repeated else []),
    ]
    return "\n\n".join(parts)


def _format_row(system: str, found: SystemResults) -> tuple[str, ...]:
    agreed = [measure_agreement([r.measured_ml for r in run], [r.true_ml for r in run]) for run in found.test]
    return (
        system,
        format_over_seeds([a.bias_ml for a in agreed], "+.1f"),
        format_over_seeds([a.loa_half_width_ml for a in agreed], ".1f"),
        format_over_seeds([a.pearson for a in agreed], ".3f"),
    )


def _format_repeated(found: Sequence[Reproducibility], name: str) -> str:
    def format_value(value: Callable[[Reproducibility], float], form: str) -> str:
        return format_over_seeds([value(one) for one in found], form)

    low, high = min(one.min_sd_ml for one in found), max(one.max_sd_ml for one in found)
    parts = (
        f"SD of a fetus's volumes {format_value(lambda r: r.mean_sd_ml, '.1f')} mL on average (n - 1; "
        f"{format_value(lambda r: r.mean_sd_population_ml, '.1f')} mL with n), {low:.1f} to {high:.1f} mL",
        f"within-subject SD {format_value(lambda r: r.within_subject_sd_ml, '.1f')} mL",
        f"CV {format_value(lambda r: r.wcv_percent, '.1f')} %",
        f"repeatability coefficient {format_value(lambda r: r.repeatability_coefficient_ml, '.0f')} mL",
        f"ICC(1,1) {format_value(lambda r: r.icc, '.3f')}",
    )
    return (
        f"Reproducibility of {name}, {found[0].groups} fetuses along {found[0].views} directions: {'; '.join(parts)}. "
        "The paper: 11.524 mL on average, 1.960 to 49.869 mL. Every volume: `reproducibility.csv`."
    )


def format_over_seeds(values: Sequence[float], form: str) -> str:
    """Format the mean, followed by the range where there are several values."""
    mean = f"{np.mean(values):{form}}"
    return f"{mean} [{min(values):{form}}, {max(values):{form}}]" if len(values) > 1 else mean


def write_repeated(path: Path, repeated: Sequence[Sequence[CaseResult]], seeds: Sequence[int]) -> None:
    """Write every volume of the repeated scans as CSV, by training seed, fetus and direction."""
    rows = [
        (seed, direction_of(result.seed), *(getattr(result, field) for field in REPEATED_FIELDS))
        for seed, results in zip(seeds, repeated, strict=True)
        for result in results
    ]
    write_csv(path, ("training_seed", "direction", *REPEATED_FIELDS), rows)
