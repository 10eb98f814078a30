"""Agreement and reproducibility of head volumes by training seed: mean over seeds, and their range."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from app.statistics.agreement import measure_agreement
from training.evaluation.cases import CaseResult
from training.evaluation.markdown import markdown_table
from training.evaluation.statistics.reproducibility import summarise_reproducibility
from training.evaluation.tables import format_repeated
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
    ]
    if repeated:
        parts.append(
            f"Reproducibility of {name}, a column for each training seed; every volume: `reproducibility.csv`."
        )
        parts.append(format_repeated(*map(summarise_reproducibility, repeated)))
    return "\n\n".join(parts)


def _format_row(system: str, found: SystemResults) -> tuple[str, ...]:
    agreed = [measure_agreement([r.measured_ml for r in run], [r.true_ml for r in run]) for run in found.test]
    return (
        system,
        format_over_seeds([a.bias_ml for a in agreed], "+.1f"),
        format_over_seeds([a.loa_half_width_ml for a in agreed], ".1f"),
        format_over_seeds([a.pearson for a in agreed], ".3f"),
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
