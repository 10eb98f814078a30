"""Sensitivity and false alarms of the flags: which poor and which good measurements they flag."""

from __future__ import annotations

from collections.abc import Sequence

from app.contract.value import Value
from app.statistics.coverage import format_share, wilson_interval
from training.evaluation.cases import CaseResult

POOR_DSC = 0.9
"""A measurement with a lower DSC should be flagged."""


class Share(Value):
    """`flagged` of `cases` had a verdict other than ok; the share and Wilson's 95 % interval, None without cases."""

    cases: int
    flagged: int
    share: float | None = None
    ci95: tuple[float, float] | None = None

    def __str__(self) -> str:
        """Describe the share with its interval."""
        return "no such case" if self.ci95 is None else format_share(self.flagged, self.cases, self.ci95)


class FlagRates(Value):
    """Flagged shares of cases below a DSC of 0.9, of heads that leave the field of view, and (falsely) of all others.

    The truth ends where the field of view does, so the mask of a head that is cut off may overlap well although its
    volume is too small. `cut_off` is None in evaluations that counted such heads among the good ones.
    """

    poor: Share
    cut_off: Share | None = None
    good: Share


def compute_flag_rates(results: Sequence[CaseResult]) -> FlagRates:
    """Count the flagged ones among poor cases, heads that are cut off, and good cases of whole heads."""
    return FlagRates(
        poor=_compute_share([r for r in results if r.dsc < POOR_DSC]),
        cut_off=_compute_share([r for r in results if r.truncated]),
        good=_compute_share([r for r in results if r.dsc >= POOR_DSC and not r.truncated]),
    )


def _compute_share(results: Sequence[CaseResult]) -> Share:
    flagged, cases = sum(r.verdict != "ok" for r in results), len(results)
    if cases == 0:
        return Share(cases=0, flagged=0)
    return Share(cases=cases, flagged=flagged, share=flagged / cases, ci95=wilson_interval(flagged, cases))
