"""Agreement of volumes (figure 8) and their reproducibility (figure 9)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.benchmark.figures.page import new_page
from training.evaluation.agreement import Agreement, agreement
from training.evaluation.cases import CaseResult
from training.evaluation.reproducibility import reproducibility


def volume_agreement(results: Sequence[CaseResult], name: str) -> Figure:
    """Figure 8: measured against true volumes, and their differences against their means."""
    measured, true = np.array([r.measured_ml for r in results]), np.array([r.true_ml for r in results])
    found = agreement(measured.tolist(), true.tolist())
    page = new_page(10, 4.6, f"Head volume by {name}, {len(results)} cases")
    left, right = page.subplots(1, 2)
    _correlation(left, measured, true, found)
    _bland_altman(right, measured, true, found)
    return page


def repeated_volumes(results: Sequence[CaseResult], name: str) -> Figure:
    """Figure 9: the volumes measured along the scan directions, one box per fetus, the truth beside them."""
    subjects = sorted({r.subject_seed for r in results if r.subject_seed is not None})
    groups = [[r for r in results if r.subject_seed == subject] for subject in subjects]
    groups.sort(key=lambda group: float(np.mean([r.true_ml for r in group])))
    found = reproducibility(results)
    title = (
        f"Volume by {name} along three scan directions\nmean SD {found.mean_sd_ml:.1f} mL "
        f"({found.min_sd_ml:.1f} to {found.max_sd_ml:.1f}), ICC {found.icc:.3f}"
    )
    page = new_page(max(6.5, 0.32 * len(groups) + 2), 4.4, title)
    ax = page.subplots()
    places = np.arange(1, len(groups) + 1)
    ax.boxplot([[r.measured_ml for r in group] for group in groups], positions=places, widths=0.6)
    ax.plot(
        places, [np.mean([r.true_ml for r in g]) for g in groups], "D", color="#e41a1c", ms=4, label="truth in view"
    )
    ax.set(xlabel="fetus, by true volume", ylabel="volume [mL]")
    ax.legend(loc="upper left")
    return page


def _correlation(ax: Axes, measured: np.ndarray, true: np.ndarray, found: Agreement) -> None:
    ends = [0.0, 1.05 * float(max(measured.max(), true.max()))]
    ax.plot(ends, ends, color="0.6", lw=1, ls="--", label="identity")
    if np.ptp(true) > 0:
        slope, offset = np.polyfit(true, measured, 1)
        line = np.array([true.min(), true.max()])
        ax.plot(line, slope * line + offset, color="#e41a1c", lw=1, label=f"{slope:.2f} x {offset:+.1f} mL")
    ax.plot(true, measured, "o", ms=4, alpha=0.7, color="#377eb8")
    ax.set(xlim=ends, ylim=ends, xlabel="true volume [mL]", ylabel="measured volume [mL]", aspect="equal")
    ax.set_title(f"Pearson r = {found.pearson:.3f}, concordance {found.concordance:.3f}", fontsize=9)
    ax.legend(frameon=False, fontsize=8)


def _bland_altman(ax: Axes, measured: np.ndarray, true: np.ndarray, found: Agreement) -> None:
    ax.plot((measured + true) / 2, measured - true, "o", ms=4, alpha=0.7, color="#377eb8")
    half, uncertain = found.loa_half_width_ml, found.loa_ci95_half_width_ml
    lines = (
        (found.bias_ml, found.bias_ci95_ml, "-"),
        *((at, (at - uncertain, at + uncertain), "--") for at in (found.bias_ml - half, found.bias_ml + half)),
    )
    for value, (low, high), style in lines:
        ax.axhline(value, color="#e41a1c", lw=1, ls=style)
        ax.axhspan(low, high, color="#e41a1c", alpha=0.08, lw=0)
        ax.annotate(
            f"{value:+.1f}", (1.0, value), xycoords=("axes fraction", "data"), fontsize=8, va="bottom", ha="right"
        )
    ax.set(xlabel="mean of measured and true volume [mL]", ylabel="measured - true [mL]")
    title = f"{found.bias_ml:+.1f} ± {half:.1f} mL; slope of difference on mean {_slope(found)}"
    ax.set_title(title, fontsize=9)


def _slope(found: Agreement) -> str:
    return "undefined" if found.proportional_bias is None else f"{found.proportional_bias:+.3f}"
