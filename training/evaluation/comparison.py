"""Pairs of systems on the same cases: how much one is better, and whether that is more than chance."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from training.evaluation.cases import CaseResult

RESAMPLES = 10_000
BATCH = 500


class PairedDifference(BaseModel):
    """Mean of (this - other) over common cases, its bootstrap 95 % interval and Wilcoxon's signed-rank p."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int
    mean: float
    ci95: tuple[float, float]
    p: float


def paired_difference(this: Mapping[int, float], other: Mapping[int, float], seed: int = 0) -> PairedDifference:
    """Compare two systems case by case; percentile bootstrap over cases, two-sided Wilcoxon test.

    Raises ValueError where they have no case in common.
    """
    common = sorted(this.keys() & other.keys())
    if not common:
        raise ValueError("the two systems have no case in common; evaluate both on the same cohort")
    differences = np.array([this[case] - other[case] for case in common])
    low, high = bootstrap_interval(differences, seed)
    moved = differences[differences != 0]
    p = float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0
    return PairedDifference(cases=len(common), mean=float(differences.mean()), ci95=(low, high), p=p)


def bootstrap_interval(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], seed: int) -> tuple[float, float]:
    """The 95 % percentile interval of the mean, cases drawn with replacement."""
    rng = np.random.default_rng(seed)
    means = [
        values[rng.integers(len(values), size=(BATCH, len(values)))].mean(axis=1) for _ in range(RESAMPLES // BATCH)
    ]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)


def mean_by_case(runs: Sequence[Sequence[CaseResult]], metric: str) -> dict[int, float]:
    """A metric of each case, averaged over the runs (training seeds) that measured it; cases without it are left out.

    Averaging first keeps cases the unit of the test: several seeds of one case are no independent patients.
    """
    found: dict[int, list[float]] = {}
    for run in runs:
        for result in run:
            value = getattr(result, metric)
            if value is not None:
                found.setdefault(result.seed, []).append(float(value))
    return {case: float(np.mean(values)) for case, values in found.items()}
