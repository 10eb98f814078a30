"""Figures as SVG text: Bland-Altman plots of volumes."""

from __future__ import annotations

import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from app.contract.value import COLOURS
from app.statistics.agreement import Agreement
from training.evaluation.cases import CaseResult

LINE = "#444444"
MARKERS = {"ok": "o", "review": "^", "reject": "s"}


def draw_bland_altman(results: Sequence[CaseResult], agreed: Agreement) -> str:
    """Draw measured minus true volume against their mean (mL), with bias and 95 % limits, coloured by verdict.

    Bands around bias and limits are their 95 % intervals. The same cases give the same file; text remains text.
    """
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "fetalhead", "font.size": 9}):
        page = Figure(figsize=(7.2, 4.6), layout="constrained")
        ax = page.subplots()
        _draw_cases(ax, results)
        band = draw_limits(ax, agreed, "mL", LINE)
        band.set_label("95 % interval of bias and limits")
        ax.set_xlabel("mean of measured and true volume (mL)")
        ax.set_ylabel("measured - true volume (mL)")
        ax.set_title(
            f"{len(results)} cases: bias {agreed.bias_ml:+.1f} mL, 95 % limits ± {agreed.loa_half_width_ml:.1f} mL"
        )
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25, linewidth=0.5)
        page.legend(loc="outside lower center", ncols=len(COLOURS) + 1, frameon=False)
        text = io.StringIO()
        page.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _draw_cases(ax: Axes, results: Sequence[CaseResult]) -> None:
    """Draw a dot for each case, in one group for each verdict."""
    for verdict, colour in COLOURS.items():
        found = [r for r in results if r.verdict == verdict]
        means = [(r.measured_ml + r.true_ml) / 2 for r in found]
        differences = [r.measured_ml - r.true_ml for r in found]
        label = f"{verdict} ({len(found)})"
        (dots,) = ax.plot(
            means, differences, MARKERS[verdict], color=colour, alpha=0.7, markersize=4, mew=0, label=label
        )
        dots.set_gid(f"cases_{verdict}")


def draw_limits(ax: Axes, agreed: Agreement, unit: str, colour: str) -> Rectangle:
    """Draw bias and limits, named at the right, and bands of their 95 % intervals; return one of the bands."""
    bias, half, uncertain = agreed.bias_ml, agreed.loa_half_width_ml, agreed.loa_ci95_half_width_ml
    limits = (("lower limit", bias - half, "top"), ("upper limit", bias + half, "bottom"))
    drawn = (
        ("bias", bias, agreed.bias_ci95_ml, "-", "center"),
        *((name, at, (at - uncertain, at + uncertain), "--", side) for name, at, side in limits),
    )
    for name, value, (low, high), style, side in drawn:
        ax.axhline(value, color=colour, linewidth=1.2, linestyle=style)
        band = ax.axhspan(low, high, color=colour, alpha=0.12, linewidth=0)
        text = f"{name}\n{value:+.1f} {unit}\n({low:+.1f} to {high:+.1f})"
        ax.annotate(text, (1.01, value), xycoords=("axes fraction", "data"), va=side, fontsize=8, annotation_clip=False)
    return band
