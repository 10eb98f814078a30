"""A 95 % interval for each case: its width follows the quality numbers, its size comes from validation cases.

The width is `half_width_percent` times a power of each number over its typical value. Ridge regression finds the
exponents, on scans as they are and degraded; cross-conformal prediction (Vovk 2015) finds the half width, on scans as
they are: that which holds 95 % of the errors of cases that the exponents were not fitted to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from app.imaging.quality import Limit
from app.inference.volume_interval import NumberOfDoubt, VolumeInterval, WidthByCase, WidthFactor, read_doubt
from training.evaluation.calibration import JudgedCase
from training.evaluation.statistics.prediction_interval import FLOOR_ML

FEWEST = 39
"""With fewer scans the largest error of all would be the half width, and no more than that."""
COVERAGE = 0.95
FOLDS = 10
SMALLEST = 1e-4
"""Numbers below this are as good as 0, which has no logarithm."""
ERROR_OFFSET = 0.01
"""Added to relative errors before their logarithm is taken, since an error of nearly 0 says nothing about the width."""
GOOD_ERROR, FALSE_ALARMS = 0.05, 0.05
"""A measurement is good up to this relative error, and this share of the good ones may be flagged."""

Floats = NDArray[np.float64]


def fit_case_interval(cases: Sequence[JudgedCase], data: str) -> VolumeInterval | None:
    """Fit the interval on validation cases that got a volume; None with fewer than 39 scans as they are.

    Exponents are found without a tenth of the scans, whose errors are then divided by their factors; in turn for each
    tenth. Both forms of a scan are always in the same tenth.
    """
    usual = [case for case in cases if not case.degraded]
    if len(usual) < FEWEST or not (begun := _find_typical(cases, usual)):
        return None
    seeds = sorted({case.seed for case in usual})
    bias = float(np.median([case.relative_error for case in usual]))
    scores: list[float] = []
    for fold in range(FOLDS):
        held = set(seeds[fold::FOLDS])
        factors = _fit_exponents(begun, [case for case in cases if case.seed not in held], bias)
        scores += [_score(case, factors, bias) for case in usual if case.seed in held]
    return VolumeInterval(
        bias_percent=round(100 * bias, 3),
        half_width_percent=round(100 * sorted(scores)[math.ceil(COVERAGE * (len(scores) + 1)) - 1], 3),
        floor_ml=FLOOR_ML,
        by_case=WidthByCase(factors=_fit_exponents(begun, cases, bias), cases=len(usual), data=data),
    )


def find_width_limit(cases: Sequence[JudgedCase], interval: VolumeInterval | None) -> Limit:
    """Return the half width (%) that at most 5 % of the good cases exceed; none without good cases or an interval."""
    good = [case for case in cases if abs(case.volume_ml - case.true_ml) <= GOOD_ERROR * case.true_ml]
    if interval is None or not good:
        return Limit()
    widths = [interval.find_half_width_percent(case.numbers) for case in good]
    return Limit(review=math.ceil(100 * float(np.quantile(widths, 1 - FALSE_ALARMS, method="higher"))) / 100)


def explain_interval(interval: VolumeInterval | None) -> str:
    """Say how wide the interval is, or why it does not follow the case."""
    if interval is None:
        return (
            f"interval: fewer than {FEWEST} validation scans got a volume, too few for a width for each case; "
            "`evaluate` sets one width for all from the test cases"
        )
    return f"interval: ± {interval.half_width_percent:.1f} % for a typical case, by what each case shows"


def _find_typical(cases: Sequence[JudgedCase], usual: Sequence[JudgedCase]) -> tuple[WidthFactor, ...]:
    """Return a factor without influence for each number that every case has."""
    factors = []
    for name in get_args(NumberOfDoubt):
        if any(read_doubt(case.numbers, name) is None for case in cases):
            continue
        typical, least = float(np.exp(np.log(_read(usual, name)).mean())), float(_read(cases, name).min())
        factors.append(WidthFactor(number=name, typical=typical, least=least, exponent=0.0))
    return tuple(factors)


def _read(cases: Sequence[JudgedCase], name: NumberOfDoubt) -> Floats:
    return np.array([max(read_doubt(case.numbers, name) or 0.0, SMALLEST) for case in cases])


def _fit_exponents(
    factors: tuple[WidthFactor, ...], cases: Sequence[JudgedCase], bias: float
) -> tuple[WidthFactor, ...]:
    """Return the factors with exponents of 0 or more: ridge regression of log |error| on the log of the numbers.

    The penalty equals the number of cases, which halves the slope of a number that stands alone.
    """
    logs = np.stack([np.log(_read(cases, factor.number)) for factor in factors], axis=1)  # (cases, factors)
    spread = logs.std(axis=0) + SMALLEST
    scaled = (logs - logs.mean(axis=0)) / spread
    errors = np.log(np.abs([case.relative_error - bias for case in cases]) + ERROR_OFFSET)
    penalty = np.sqrt(len(cases)) * np.eye(len(factors))
    slopes, _ = optimize.nnls(
        np.vstack([scaled, penalty]), np.concatenate([errors - errors.mean(), np.zeros(len(factors))])
    )
    found = zip(factors, slopes / spread, strict=True)
    return tuple(factor.model_copy(update={"exponent": round(float(slope), 4)}) for factor, slope in found)


def _score(case: JudgedCase, factors: tuple[WidthFactor, ...], bias: float) -> float:
    """Return the half width of a typical case with which the interval just holds this case's true volume."""
    return abs(case.relative_error - bias) / math.prod(factor.of(case.numbers) for factor in factors)
