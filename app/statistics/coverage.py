"""The empirical coverage of an interval: how often it held the truth."""

from __future__ import annotations

from collections.abc import Sequence

from scipy import stats

from app.contract.value import Value


class Coverage(Value):
    """Empirical coverage: the cases whose true volume lay in the interval; the share with Wilson's 95 % interval."""

    cases: int
    inside: int
    share: float
    ci95: tuple[float, float]

    def __str__(self) -> str:
        """Describe the share with its interval."""
        return format_share(self.inside, self.cases, self.ci95)


def measure_coverage(held: Sequence[bool]) -> Coverage | None:
    """Return the coverage, given for each case whether its interval held the truth; None without a case."""
    if not held:
        return None
    inside, cases = sum(held), len(held)
    return Coverage(cases=cases, inside=inside, share=inside / cases, ci95=wilson_interval(inside, cases))


def wilson_interval(count: int, cases: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share."""
    found = stats.binomtest(count, cases).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def format_share(count: int, cases: int, ci95: tuple[float, float]) -> str:
    """Describe a share with its interval."""
    low, high = ci95
    return f"{count} of {cases} ({100 * count / cases:.0f} %, {100 * low:.0f} to {100 * high:.0f} %)"
