"""Intraclass correlations of single measurements and their intervals (Shrout, Fleiss 1979; McGraw, Wong 1996)."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats

from app.imaging.arrays import Float64


@dataclass(frozen=True)
class Intraclass:
    """A correlation with its 95 % interval, which is None where repeated measurements do not differ."""

    value: float
    ci95: tuple[float, float] | None


def one_way(values: Float64) -> Intraclass | None:
    """Return ICC(1,1) of values (subjects, repeats) in any order of repeats; None where nothing varies."""
    n, k = values.shape
    between, columns, rest = _mean_squares(values)
    within = (columns + (n - 1) * rest) / n
    if between + within == 0:
        return None
    value = (between - within) / (between + (k - 1) * within)
    if within == 0:
        return Intraclass(value, None)
    ratio = between / within
    low = ratio / float(stats.f.ppf(0.975, n - 1, n * (k - 1)))
    high = ratio * float(stats.f.ppf(0.975, n * (k - 1), n - 1))
    return Intraclass(value, ((low - 1) / (low + k - 1), (high - 1) / (high + k - 1)))


def agreement(values: Float64) -> Intraclass | None:
    """Return ICC(A,1) of values (subjects, methods), each column one method; None where nothing varies.

    Columns are a random sample of methods; their systematic differences count against agreement.
    """
    n, k = values.shape
    rows, columns, rest = _mean_squares(values)
    denominator = rows + (k - 1) * rest + k / n * (columns - rest)
    if denominator <= 0:
        return None
    value = (rows - rest) / denominator
    if rest == 0 or value >= 1:
        return Intraclass(value, None)
    a = k * value / (n * (1 - value)) * columns
    b = (1 + k * value * (n - 1) / (n * (1 - value))) * rest
    freedom = (a + b) ** 2 / (a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1)))  # Satterthwaite's (McGraw, Wong, table 7)
    upper = float(stats.f.ppf(0.975, n - 1, freedom))
    lower = float(stats.f.ppf(0.975, freedom, n - 1))
    others = k * columns + (k * n - k - n) * rest
    low = n * (rows - upper * rest) / (upper * others + n * rows)
    high = n * (lower * rows - rest) / (others + n * lower * rows)
    return Intraclass(value, (low, high))


def _mean_squares(values: Float64) -> tuple[float, float, float]:
    """Return the mean squares of rows, columns and residuals."""
    n, k = values.shape
    centred = values - values.mean()
    by_row, by_column = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - by_row[:, None] - by_column[None, :]
    return (
        k * float((by_row**2).sum()) / (n - 1),
        n * float((by_column**2).sum()) / (k - 1),
        float((rest**2).sum()) / ((n - 1) * (k - 1)),
    )
