"""Pairs of systems on the same cases: how much one is better, and whether that is more than chance.

`paired_difference` is about two trained networks: its chance is in the cases alone. `seeded_difference` is about two
systems trained from several seeds each: training again would bring other networks, and its interval says so.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from app.imaging.arrays import Float64
from training.evaluation.cases import CaseResult

RESAMPLES = 10_000
BATCH = 500
TWO_WAY_RESAMPLES = 50_000
"""More of them, since small p are multiplied by the number of comparisons."""


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
    return PairedDifference(
        cases=len(common), mean=float(differences.mean()), ci95=(low, high), p=_wilcoxon(differences)
    )


class SeededDifference(BaseModel):
    """Mean of (this - other) over common cases and training seeds, with 95 % interval and p of 0 over both.

    `by_seed` pairs the seeds as given; from one seed there is no p over both. `wilcoxon_p` is over cases, each
    system's seeds averaged before: it speaks of these networks, not of the systems trained again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int
    mean: float
    ci95: tuple[float, float]
    p: float | None
    by_seed: tuple[float, ...]
    wilcoxon_p: float

    @property
    def one_way(self) -> bool:
        """Whether the interval and the differences of two or more seeds lie on one side of 0."""
        several = len(self.by_seed) > 1
        return several and any(all(sign * value > 0 for value in (*self.ci95, *self.by_seed)) for sign in (-1, 1))


def seeded_difference(
    this: Sequence[Mapping[int, float]], other: Sequence[Mapping[int, float]], shared_seeds: bool, seed: int = 0
) -> SeededDifference:
    """Compare two systems by a metric of each case from each training seed: [{case: value}, one per seed].

    Two-way percentile bootstrap: cases are drawn for both systems together; training seeds for both together where
    they share them (one builds on the other's networks), and for each of its own otherwise. From one seed the interval
    is over cases alone. Raises ValueError for unequal numbers of seeds, and where no case is common to all.
    """
    if len(this) != len(other) or not this:
        raise ValueError(f"expected as many training seeds of both systems, got {len(this)} and {len(other)}")
    common = sorted(set.intersection(*(set(run) for run in (*this, *other))))
    if not common:
        raise ValueError("the two systems have no case in common; evaluate both on the same cohort")
    a, b = (np.array([[run[case] for case in common] for run in runs]) for runs in (this, other))  # (seeds, cases)
    resampled = _two_way_means(a, b, shared_seeds, np.random.default_rng(seed))
    low, high = np.quantile(resampled, (0.025, 0.975))
    return SeededDifference(
        cases=len(common),
        mean=float((a - b).mean()),
        ci95=(float(low), float(high)),
        p=_bootstrap_p(resampled) if len(this) > 1 else None,
        by_seed=tuple(float(value) for value in (a - b).mean(axis=1)),
        wilcoxon_p=_wilcoxon((a - b).mean(axis=0)),
    )


def holm(p: Sequence[float]) -> list[float]:
    """The p-values of a family of tests, corrected for their number (Holm 1979), in the given order."""
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=float)[order]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def _two_way_means(a: Float64, b: Float64, shared_seeds: bool, rng: np.random.Generator) -> Float64:
    """Resampled means of a - b (both seeds x cases): (TWO_WAY_RESAMPLES,)."""
    seeds, cases = a.shape
    mine = _shares(rng, seeds)
    others = mine if shared_seeds else _shares(rng, seeds)
    return np.asarray(((mine @ _widened(a) - others @ _widened(b)) * _shares(rng, cases)).sum(axis=1))


def _bootstrap_p(means: Float64) -> float:
    """Twice the share of resampled means on the rarer side of 0; never 0, since they are not endless."""
    rarer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(means) + 1))


def _shares(rng: np.random.Generator, n: int) -> Float64:
    """How much each of n has in every resample: (TWO_WAY_RESAMPLES, n), rows sum to 1."""
    return np.asarray(rng.multinomial(n, np.full(n, 1 / n), size=TWO_WAY_RESAMPLES) / n)


def _widened(values: Float64) -> Float64:
    """Seeds moved away from their mean, case by case, so that their resampled variance is unbiased.

    Drawing n values with replacement has (n - 1) / n of it: with three seeds a third would be missing.
    """
    seeds = len(values)
    if seeds == 1:
        return values
    mean = values.mean(axis=0)
    return np.asarray(mean + np.sqrt(seeds / (seeds - 1)) * (values - mean))


def _wilcoxon(differences: Float64) -> float:
    """Two-sided signed-rank test; 1 where nothing differs."""
    moved = differences[differences != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0


def bootstrap_interval(values: Float64, seed: int) -> tuple[float, float]:
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
