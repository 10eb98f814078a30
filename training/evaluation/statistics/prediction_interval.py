"""The 95 % interval around a measured volume: set by cases whose truth is known, checked on others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from app.inference.manifest import VolumeInterval
from training.evaluation.cases import CaseResult

FEWEST = 10
"""Below so many measured cases, the spread itself is too uncertain to promise anything by."""
FLOOR_ML = 5.0
LEAST_HALF_WIDTH_PERCENT = 0.1


class Held(BaseModel):
    """In how many cases the true volume lay in the interval; the share with Wilson's 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int
    inside: int
    share: float
    ci95: tuple[float, float]

    def __str__(self) -> str:
        """For people."""
        low, high = self.ci95
        return f"{self.inside} of {self.cases} ({100 * self.share:.0f} %, {100 * low:.0f} to {100 * high:.0f} %)"


def volume_interval(results: Sequence[CaseResult]) -> VolumeInterval | None:
    """The 95 % prediction interval of the next case's error, in per cent of the measured volume.

    Mean ± t(0.975, n - 1) SD sqrt(1 + 1/n) over the cases that got a volume; None where they are fewer than 10.
    """
    told = answered(results)
    n = len(told)
    if n < FEWEST:
        return None
    errors = np.array([100 * (r.measured_ml - r.true_ml) / r.measured_ml for r in told])
    half = float(stats.t.ppf(0.975, n - 1)) * float(errors.std(ddof=1)) * float(np.sqrt(1 + 1 / n))
    return VolumeInterval(
        bias_percent=round(float(errors.mean()), 3),
        half_width_percent=round(max(LEAST_HALF_WIDTH_PERCENT, half), 3),
        floor_ml=FLOOR_ML,
    )


def held(results: Sequence[CaseResult], interval: VolumeInterval) -> Held | None:
    """How often the true volume lay in the interval that was given with the measured one; None where none was given."""
    told = answered(results)
    if not told:
        return None
    ends = [interval.around(r.measured_ml) for r in told]
    inside = sum(low <= r.true_ml <= high for r, (low, high) in zip(told, ends, strict=True))
    wilson = stats.binomtest(inside, len(told)).proportion_ci(method="wilson")
    ci95 = (float(wilson.low), float(wilson.high))
    return Held(cases=len(told), inside=inside, share=inside / len(told), ci95=ci95)


def answered(results: Sequence[CaseResult]) -> list[CaseResult]:
    """The cases that got a volume: no interval goes with a verdict of reject."""
    return [r for r in results if r.verdict != "reject" and r.measured_ml > 0]
