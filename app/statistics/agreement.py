"""Agreement of measured with true volumes: Bland-Altman limits, correlation, relative error."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from scipy import stats

from app.contract.value import Value

Z_95 = 1.959963984540054
MIN_CASES = 2
MIN_SLOPE_CASES = 3

Values: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float64]]"


class Agreement(Value):
    """Agreement by differences measured - true, in mL; `relative` values in per cent of the true volume.

    `proportional_bias` is the slope of the difference on the mean of both volumes, with its 95 % interval and p of no
    slope; all three are None where no slope is defined: below 3 cases, or where all means are the same.
    """

    cases: int
    bias_ml: float
    bias_ci95_ml: tuple[float, float]
    sd_ml: float
    loa_half_width_ml: float
    loa_ci95_half_width_ml: float
    proportional_bias: float | None = None
    proportional_bias_ci95: tuple[float, float] | None = None
    proportional_bias_p: float | None = None
    relative_bias_percent: float
    relative_loa_half_width_percent: float
    mean_absolute_relative_error_percent: float
    pearson: float
    concordance: float


def measure_agreement(measured_ml: Sequence[float], true_ml: Sequence[float]) -> Agreement:
    """Measure agreement over cases; SD with n - 1, limits bias ± 1.96 SD, Student's t intervals (Bland, Altman 1986).

    Raises:
        ValueError: there are fewer than 2 cases, or a true volume is not positive.
    """
    measured, true = np.asarray(measured_ml, dtype=float), np.asarray(true_ml, dtype=float)
    n = len(true)
    if n < MIN_CASES or len(measured) != n or (true <= 0).any():
        raise ValueError(f"agreement needs at least 2 pairs with positive true volumes, got {len(measured)} and {n}")
    difference = measured - true
    relative = 100 * difference / true
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    t = float(stats.t.ppf(0.975, n - 1))
    half = t * sd / np.sqrt(n)
    slope, slope_ci95, slope_p = _fit_slope((measured + true) / 2, difference)
    return Agreement(
        cases=n,
        bias_ml=bias,
        bias_ci95_ml=(bias - half, bias + half),
        sd_ml=sd,
        loa_half_width_ml=Z_95 * sd,
        loa_ci95_half_width_ml=float(t * sd * np.sqrt(1 / n + Z_95**2 / (2 * (n - 1)))),
        proportional_bias=slope,
        proportional_bias_ci95=slope_ci95,
        proportional_bias_p=slope_p,
        relative_bias_percent=float(relative.mean()),
        relative_loa_half_width_percent=float(Z_95 * relative.std(ddof=1)),
        mean_absolute_relative_error_percent=float(np.abs(relative).mean()),
        pearson=_correlate(measured, true),
        concordance=_concordance(measured, true),
    )


def _fit_slope(mean: Values, difference: Values) -> tuple[float | None, tuple[float, float] | None, float | None]:
    """Fit the difference on the mean by least squares; return slope, interval and p, None where they are undefined."""
    n = len(mean)
    if n < MIN_SLOPE_CASES or np.ptp(mean) == 0:
        return None, None, None
    if np.ptp(difference) == 0:  # linregress divides by its spread
        return 0.0, (0.0, 0.0), 1.0
    found = stats.linregress(mean, difference)
    slope, half = float(found.slope), float(stats.t.ppf(0.975, n - 2)) * float(found.stderr)
    return slope, (slope - half, slope + half), float(found.pvalue)


def _correlate(a: Values, b: Values) -> float:
    """Return Pearson's correlation; 0 where one side does not vary."""
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def _concordance(a: Values, b: Values) -> float:
    """Return Lin's concordance correlation coefficient."""
    covariance = float(((a - a.mean()) * (b - b.mean())).mean())
    spread = float(a.var() + b.var() + (a.mean() - b.mean()) ** 2)
    return 2 * covariance / spread if spread > 0 else 1.0
