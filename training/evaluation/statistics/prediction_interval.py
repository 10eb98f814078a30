"""The 95 % prediction interval of a measured volume, fitted on cases with known truth, and its empirical coverage."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from app.contract.value import Value
from app.inference.manifest import VolumeInterval
from training.evaluation.cases import CaseResult

FEWEST = 10
"""With fewer measured cases the spread itself is too uncertain for an interval."""
FLOOR_ML = 5.0
LEAST_HALF_WIDTH_PERCENT = 0.1


class Coverage(Value):
    """Empirical coverage: the cases whose true volume lay in the interval; the share with Wilson's 95 % interval."""

    cases: int
    inside: int
    share: float
    ci95: tuple[float, float]

    def __str__(self) -> str:
        """Describe the share with its interval."""
        low, high = self.ci95
        return f"{self.inside} of {self.cases} ({100 * self.share:.0f} %, {100 * low:.0f} to {100 * high:.0f} %)"


def fit_volume_interval(results: Sequence[CaseResult]) -> VolumeInterval | None:
    """Fit the 95 % prediction interval of the next case's error, in per cent of the measured volume.

    Mean ± t(0.975, n - 1) SD sqrt(1 + 1/n) over the cases with a volume; None where there are fewer than 10.
    """
    measured = select_measured(results)
    n = len(measured)
    if n < FEWEST:
        return None
    errors = np.array([100 * (r.measured_ml - r.true_ml) / r.measured_ml for r in measured])
    half = float(stats.t.ppf(0.975, n - 1)) * float(errors.std(ddof=1)) * float(np.sqrt(1 + 1 / n))
    return VolumeInterval(
        bias_percent=round(float(errors.mean()), 3),
        half_width_percent=round(max(LEAST_HALF_WIDTH_PERCENT, half), 3),
        floor_ml=FLOOR_ML,
    )


def measure_coverage(results: Sequence[CaseResult], interval: VolumeInterval) -> Coverage | None:
    """Measure the empirical coverage of the interval on cases with a volume; return None where there are none."""
    measured = select_measured(results)
    if not measured:
        return None
    ends = [interval.around(r.measured_ml) for r in measured]
    inside = sum(low <= r.true_ml <= high for r, (low, high) in zip(measured, ends, strict=True))
    wilson = stats.binomtest(inside, len(measured)).proportion_ci(method="wilson")
    ci95 = (float(wilson.low), float(wilson.high))
    return Coverage(cases=len(measured), inside=inside, share=inside / len(measured), ci95=ci95)


def select_measured(results: Sequence[CaseResult]) -> list[CaseResult]:
    """Return the cases with a volume, which the verdict reject has not."""
    return [r for r in results if r.verdict != "reject" and r.measured_ml > 0]
