"""Figures of the agreement of volumes (figure 8) and of their reproducibility (figure 9)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.imaging.arrays import Float64
from app.statistics.agreement import Agreement, measure_agreement
from training.evaluation.cases import CaseResult
from training.evaluation.statistics.reproducibility import summarise_reproducibility
from training.paper.figures.page import BLUE, SYSTEM_COLOURS, VERMILION, make_page
from training.phantom.views import DIRECTIONS, direction_of

MARKERS = ("o", "s", "^")


def draw_agreement(results: Sequence[CaseResult], name: str) -> Figure:
    """Draw figure 8: measured against true volumes, and their differences against their means, in mL and per cent."""
    measured, true = np.array([r.measured_ml for r in results]), np.array([r.true_ml for r in results])
    found = measure_agreement(measured.tolist(), true.tolist())
    relative = measure_agreement((100 * measured / true).tolist(), [100.0] * len(results))
    page = make_page(14.0, 4.6, f"Head volume by {name}, {len(results)} cases")
    page.set_layout_engine("constrained", wspace=0.06, rect=(0.0, 0.0, 0.99, 1.0))
    left, middle, right = page.subplots(1, 3)
    _draw_correlation(left, measured, true, found)
    means = (measured + true) / 2
    _draw_bland_altman(middle, means, measured - true, found, "mL")
    middle.set_ylabel("measured - true volume [mL]")
    _draw_bland_altman(right, means, 100 * (measured / true - 1), relative, "%")
    right.set_ylabel("measured - true volume [% of true]")
    return page


def draw_repeated(results: Sequence[CaseResult], name: str) -> Figure:
    """Draw figure 9: the volume measured along each scan direction, fetus by fetus, with the truth."""
    subjects = sorted({r.subject_seed for r in results if r.subject_seed is not None})
    groups = [[r for r in results if r.subject_seed == subject] for subject in subjects]
    groups.sort(key=lambda group: float(np.mean([r.true_ml for r in group])))
    found = summarise_reproducibility(results)
    title = (
        f"Head volume by {name} along {found.views} scan directions, {found.groups} fetuses\nSD of a fetus's volumes "
        f"{found.mean_sd_ml:.1f} mL on average ({found.min_sd_ml:.1f} to {found.max_sd_ml:.1f}), ICC {found.icc:.3f}"
    )
    page = make_page(max(7.0, 0.34 * len(groups) + 2), 4.6, title)
    ax = page.subplots()
    places = np.arange(1, len(groups) + 1)
    ranges = np.array([[min(values), max(values)] for values in ([r.measured_ml for r in g] for g in groups)])
    ax.vlines(places, ranges[:, 0], ranges[:, 1], color="0.75", lw=1.5, zorder=1)
    true = [float(np.mean([r.true_ml for r in g])) for g in groups]
    ax.hlines(true, places - 0.35, places + 0.35, color="black", lw=1.5, label="truth in view, mean", zorder=2)
    numbered = [(n, r) for n, group in zip(places, groups, strict=True) for r in group]
    for direction, marker, colour in zip(DIRECTIONS, MARKERS, (BLUE, *SYSTEM_COLOURS[::2]), strict=False):
        points = [(n, r.measured_ml) for n, r in numbered if direction_of(r.seed) == direction]
        ax.plot(*zip(*points, strict=True), marker, color=colour, mec="black", mew=0.4, ms=5.5, ls="", label=direction)
    ax.set(xlabel="fetus, by true volume", ylabel="volume [mL]", xticks=places)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="y", color="0.92")
    ax.set_axisbelow(True)
    ax.legend(loc="upper left", fontsize=8, frameon=False)
    return page


def _draw_correlation(ax: Axes, measured: Float64, true: Float64, found: Agreement) -> None:
    ends = [0.0, 1.05 * float(max(measured.max(), true.max()))]
    ax.plot(ends, ends, color="0.5", lw=1, ls="--", label="identity")
    if np.ptp(true) > 0:
        slope, offset = np.polyfit(true, measured, 1)
        line = np.array([true.min(), true.max()])
        label = f"least squares: {slope:.2f} x {offset:+.1f} mL"
        ax.plot(line, slope * line + offset, color=VERMILION, lw=1.2, label=label)
    ax.plot(true, measured, "o", ms=4, alpha=0.7, color=BLUE, mew=0)
    ax.set(xlim=ends, ylim=ends, xlabel="true volume [mL]", ylabel="measured volume [mL]", aspect="equal")
    ax.set_title(f"Pearson r {found.pearson:.3f}, concordance {found.concordance:.3f}", fontsize=9)
    ax.legend(frameon=False, fontsize=8, loc="upper left")


def _draw_bland_altman(ax: Axes, means: Float64, differences: Float64, found: Agreement, unit: str) -> None:
    """Draw differences with their bias and limits, each with its 95 % interval; lines are named outside the frame."""
    ax.axhline(0, color="0.8", lw=0.8)
    ax.plot(means, differences, "o", ms=4, alpha=0.7, color=BLUE, mew=0)
    _draw_limits(ax, found, unit)
    ax.set(xlabel="mean of measured and true volume [mL]")
    limits = f"{found.bias_ml:+.1f} ± {found.loa_half_width_ml:.1f} {unit}"
    ax.set_title(f"bias and 95 % limits of agreement: {limits}", fontsize=9)


def _draw_limits(ax: Axes, agreed: Agreement, unit: str) -> None:
    """Draw bias and limits, named at the right, and bands of their 95 % intervals."""
    bias, half, uncertain = agreed.bias_ml, agreed.loa_half_width_ml, agreed.loa_ci95_half_width_ml
    limits = (("lower limit", bias - half, "top"), ("upper limit", bias + half, "bottom"))
    drawn = (
        ("bias", bias, agreed.bias_ci95_ml, "-", "center"),
        *((name, at, (at - uncertain, at + uncertain), "--", side) for name, at, side in limits),
    )
    for name, value, (low, high), style, side in drawn:
        ax.axhline(value, color=VERMILION, linewidth=1.2, linestyle=style)
        ax.axhspan(low, high, color=VERMILION, alpha=0.12, linewidth=0)
        text = f"{name}\n{value:+.1f} {unit}\n({low:+.1f} to {high:+.1f})"
        ax.annotate(text, (1.01, value), xycoords=("axes fraction", "data"), va=side, fontsize=8, annotation_clip=False)
