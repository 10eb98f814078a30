"""The 95 % interval of a measured volume: fitted on test cases where the model has none, and checked on others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from app.contract.report import QualityNumbers
from app.inference.volume_interval import VolumeInterval
from app.statistics.coverage import Coverage, measure_coverage
from training.evaluation.cases import CaseResult

FEWEST = 10
"""With fewer measured cases the spread itself is too uncertain for an interval."""
FLOOR_ML = 5.0
LEAST_HALF_WIDTH_PERCENT = 0.1


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


def choose_interval(
    served: VolumeInterval | None, test: Sequence[CaseResult], data: str = "simulated"
) -> VolumeInterval | None:
    """Return the model's own interval where it follows the case and was set by data of this kind; else fit one."""
    if served is not None and served.by_case is not None and served.by_case.data == data:
        return served
    return fit_volume_interval(test)


def check_interval(results: Sequence[CaseResult], interval: VolumeInterval) -> Coverage | None:
    """Return the empirical coverage of the interval on cases with a volume; None where there are none."""
    measured = select_measured(results)
    ends = _find_ends(measured, interval)
    return measure_coverage([low <= r.true_ml <= high for r, (low, high) in zip(measured, ends, strict=True)])


def find_median_half_width(results: Sequence[CaseResult], interval: VolumeInterval) -> float | None:
    """Return the median half width of the interval, in per cent of the measured volume; None where there are none."""
    measured = select_measured(results)
    ends = _find_ends(measured, interval)
    widths = [50 * (high - low) / r.measured_ml for r, (low, high) in zip(measured, ends, strict=True)]
    return float(np.median(widths)) if widths else None


def _find_ends(measured: Sequence[CaseResult], interval: VolumeInterval) -> list[tuple[float, float]]:
    return [interval.around(r.measured_ml, QualityNumbers.model_validate(r.quality)) for r in measured]


def select_measured(results: Sequence[CaseResult]) -> list[CaseResult]:
    """Return the cases with a volume, which the verdict reject has not."""
    return [r for r in results if r.verdict != "reject" and r.measured_ml > 0]
