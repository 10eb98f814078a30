"""The summary of one metric over cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from app.contract.value import Value


class MetricSummary(Value):
    """Mean, SD (n - 1), 95 % interval of the mean and range of one metric over cases."""

    mean: float
    sd: float
    ci95: tuple[float, float]
    min: float
    median: float
    max: float
    cases: int


def summarise(values: Sequence[float]) -> MetricSummary:
    """Summarise one metric; the interval is Student's t, the SD of a single value 0."""
    array = np.asarray(values, dtype=float)
    n, mean = len(array), float(array.mean())
    sd = float(array.std(ddof=1)) if n > 1 else 0.0
    half = float(stats.t.ppf(0.975, n - 1)) * sd / n**0.5 if n > 1 else 0.0
    return MetricSummary(
        mean=mean,
        sd=sd,
        ci95=(mean - half, mean + half),
        min=float(array.min()),
        median=float(np.median(array)),
        max=float(array.max()),
        cases=n,
    )


def summarise_known(values: Sequence[float | None]) -> MetricSummary | None:
    """Summarise the values that are known; return None where there are none."""
    known = [value for value in values if value is not None]
    return summarise(known) if known else None
