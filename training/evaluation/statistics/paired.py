"""Paired comparison of two systems on the same cases.

`compare_paired` compares two trained networks: its interval is over cases alone. `compare_seeded` compares two systems
that were trained from several seeds each: its interval covers the variation between trainings, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
from scipy import stats

from app.contract.value import Value
from app.imaging.arrays import Float64
from training.evaluation.cases import CaseResult

RESAMPLES = 50_000
"""Many, since small p-values are multiplied by the number of comparisons."""
Case = TypeVar("Case", bound=int | str)


class Difference(Value):
    """Mean of (this - other) over common cases, and its bootstrap 95 % interval."""

    cases: int
    mean: float
    ci95: tuple[float, float]

    def format(self, factor: int = 100) -> str:
        """Format the mean with its interval for a table; by default fractions in per cent."""
        mean, low, high = (factor * value for value in (self.mean, *self.ci95))
        return f"{mean:+.2f} [{low:+.2f}, {high:+.2f}]"


class PairedDifference(Difference):
    """The difference of two networks, with Wilcoxon's signed-rank p."""

    p: float


class SeededDifference(Difference):
    """The difference of two systems over cases and training seeds, with interval and p of 0 over both.

    `by_seed` pairs the seeds as given; with one seed there is no p over both. `wilcoxon_p` is over cases, averaged over
    each system's seeds: it applies to these networks, not to training them again.
    """

    p: float | None
    by_seed: tuple[float, ...]
    wilcoxon_p: float

    @property
    def one_way(self) -> bool:
        """Whether the interval and the differences of two or more seeds lie on one side of 0."""
        several = len(self.by_seed) > 1
        return several and any(all(sign * value > 0 for value in (*self.ci95, *self.by_seed)) for sign in (-1, 1))


def compare_paired(this: Mapping[Case, float], other: Mapping[Case, float]) -> PairedDifference:
    """Compare two systems case by case; percentile bootstrap over cases, two-sided Wilcoxon test.

    Raises:
        ValueError: they have no case in common.
    """
    found = compare_seeded([this], [other], shared_seeds=False)
    return PairedDifference(cases=found.cases, mean=found.mean, ci95=found.ci95, p=found.wilcoxon_p)


def compare_seeded(
    this: Sequence[Mapping[Case, float]], other: Sequence[Mapping[Case, float]], shared_seeds: bool
) -> SeededDifference:
    """Compare two systems by a metric of each case from each training seed: [{case: value}, one per seed].

    Two-way percentile bootstrap: cases are drawn for both systems together; training seeds for both together where
    they share them (one builds on the other's networks), and independently otherwise. With one seed the interval is
    over cases alone.

    Raises:
        ValueError: the numbers of seeds differ, or no case is common to all.
    """
    if len(this) != len(other) or not this:
        raise ValueError(f"expected as many training seeds of both systems, got {len(this)} and {len(other)}")
    common = sorted(set.intersection(*(set(run) for run in (*this, *other))))
    if not common:
        raise ValueError("the two systems have no case in common; evaluate both on the same cohort")
    a, b = (np.array([[run[case] for case in common] for run in runs]) for runs in (this, other))  # (seeds, cases)
    resampled = _resample_two_way(a, b, shared_seeds, np.random.default_rng(0))
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
    """Return the p-values of a family of tests, corrected for their number (Holm 1979), in the given order."""
    order = np.argsort(p)
    steps = np.arange(len(p), 0, -1) * np.asarray(p, dtype=float)[order]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in adjusted]


def _resample_two_way(a: Float64, b: Float64, shared_seeds: bool, rng: np.random.Generator) -> Float64:
    """Return resampled means of a - b (both seeds x cases): (RESAMPLES,)."""
    seeds, cases = a.shape
    mine = _draw_weights(rng, seeds)
    others = mine if shared_seeds else _draw_weights(rng, seeds)
    return np.asarray(((mine @ _widen(a) - others @ _widen(b)) * _draw_weights(rng, cases)).sum(axis=1))


def _bootstrap_p(means: Float64) -> float:
    """Return twice the share of resampled means on the rarer side of 0; never 0, since their number is finite."""
    rarer = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return min(1.0, 2 * (rarer + 1) / (len(means) + 1))


def _draw_weights(rng: np.random.Generator, n: int) -> Float64:
    """Draw the weight of each of n in every resample: (RESAMPLES, n), rows sum to 1."""
    return np.asarray(rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) / n)


def _widen(values: Float64) -> Float64:
    """Move the seeds' values away from their mean, case by case, so that their resampled variance is unbiased.

    Drawing n values with replacement has (n - 1) / n of the variance: with three seeds a third would be missing.
    """
    seeds = len(values)
    if seeds == 1:
        return values
    mean = values.mean(axis=0)
    return np.asarray(mean + np.sqrt(seeds / (seeds - 1)) * (values - mean))


def _wilcoxon(differences: Float64) -> float:
    """Return the p-value of the two-sided signed-rank test; 1 where nothing differs."""
    moved = differences[differences != 0]
    return float(stats.wilcoxon(moved).pvalue) if len(moved) else 1.0


def index_by_case(results: Iterable[CaseResult], metric: str) -> dict[int, float]:
    """Return a metric of each case; leave out cases without it."""
    return {result.seed: value for result in results if (value := getattr(result, metric)) is not None}


def average_by_case(runs: Sequence[Sequence[CaseResult]], metric: str) -> dict[int, float]:
    """Average a metric of each case over the runs (training seeds) that measured it; leave out cases without it.

    Averaging first keeps cases the unit of the test: several seeds of one case are not independent patients.
    """
    found = [index_by_case(run, metric) for run in runs]
    cases = dict.fromkeys(case for values in found for case in values)
    return {case: float(np.mean([values[case] for values in found if case in values])) for case in cases}
