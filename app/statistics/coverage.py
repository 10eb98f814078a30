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
        low, high = self.ci95
        return f"{self.inside} of {self.cases} ({100 * self.share:.0f} %, {100 * low:.0f} to {100 * high:.0f} %)"


def measure_coverage(held: Sequence[bool]) -> Coverage | None:
    """Return the coverage, given for each case whether its interval held the truth; None without a case."""
    if not held:
        return None
    inside, cases = sum(held), len(held)
    wilson = stats.binomtest(inside, cases).proportion_ci(method="wilson")
    return Coverage(cases=cases, inside=inside, share=inside / cases, ci95=(float(wilson.low), float(wilson.high)))
