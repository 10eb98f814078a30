"""Markdown tables of an evaluation, with the paper's figures, and the meanings of its sections."""

from collections.abc import Collection, Iterator

from training.evaluation.markdown import markdown_table
from training.evaluation.published import FULL_SYSTEM
from training.evaluation.report import DISTANCES, FRACTIONS, EvaluationSection, MetricSummary
from training.evaluation.statistics.agreement import Agreement
from training.evaluation.statistics.reproducibility import Reproducibility

MEANINGS = {
    "shifted": "anatomy and image formation of kinds that training never saw.",
    "held_out": "patients on whom nothing was chosen or adjusted.",
    "held_out_shifted": "patients like those of `shifted` on whom nothing was chosen or adjusted.",
}
LOOKED_AT = (
    "The patients of `test` and `shifted` took no part in training, but their figures were looked at while presets, "
    "thresholds and review limits were chosen."
)
PAPER_MEAN_SD_ML = "11.524 (1.960 to 49.869)"


def format_table(sections: dict[str, EvaluationSection], data: str = "simulated") -> str:
    """Return the main results as a Markdown table, with the paper's."""
    parts = list(sections.values())
    titles = ["paper (50 clinical)", *(f"{name} ({part.cases} {data})" for name, part in sections.items())]
    rows = [
        *(
            (title, paper, [_format_cell(getattr(s, name), digits) for s in parts])
            for title, paper, name, digits in _list_metrics()
        ),
        (
            "Bias ± 95 % limits (mL)",
            "-1.6 ± 19.5",
            [f"{s.volume_bias_ml:+.1f} ± {s.volume_loa_half_width_ml:.1f}" for s in parts],
        ),
        ("Slope of the difference on the mean, 95 % interval", "", [_format_slope(s.agreement) for s in parts]),
        ("Pearson r", "0.990", [f"{s.pearson:.3f}" for s in parts]),
        ("Coverage of the 95 % interval from `test`", "", [_format_known(s.interval_held) for s in parts]),
        ("ok / review / reject", "", [" / ".join(str(n) for n in s.verdicts.values()) for s in parts]),
        *(
            (title, "", [_format_known(getattr(s.doubt, name, None)) for s in parts])
            for title, name in (
                ("Flagged of those below DSC 0.9", "poor"),
                ("Flagged of those with 1 % of the head and more out of view", "cut_off"),
                ("Falsely flagged of the others", "good"),
            )
        ),
        ("Voxels (mm)", "0.38", [_format_edges(s.spacing_mm) for s in parts]),
    ]
    return markdown_table(["", *titles], ([title, paper, *cells] for title, paper, cells in rows))


def format_repeated(found: Reproducibility) -> str:
    """Return the spread of repeated measurements as a Markdown table, with the paper's mean SD."""
    rows = [
        ("Mean SD (mL)", PAPER_MEAN_SD_ML, f"{found.mean_sd_ml:.2f} ({found.min_sd_ml:.2f} to {found.max_sd_ml:.2f})"),
        ("Mean SD of the true volume in view (mL)", "", _format_ml(found.truth_mean_sd_ml)),
        ("Within-subject SD (mL)", "", f"{found.within_subject_sd_ml:.2f}"),
        ("Within-subject CV (%)", "", f"{found.wcv_percent:.2f}"),
        ("Repeatability coefficient (mL)", "", f"{found.repeatability_coefficient_ml:.1f}"),
        ("ICC(1,1), 95 % interval", "", _format_correlation(found.icc, found.icc_ci95)),
        ("ICC(A,1), 95 % interval", "", _format_correlation(found.icc_agreement, found.icc_agreement_ci95)),
        ("Voxels (mm)", "", _format_edges(found.spacing_mm)),
    ]
    header = ("", "paper", f"{found.groups} subjects, {found.views} scans each")
    return "\n".join([markdown_table(header, rows), *(f"\nleft out: {who}" for who in found.left_out)])


def _list_metrics() -> Iterator[tuple[str, str, str, int]]:
    """Yield title, the paper's value, name and digits of each metric of a case."""
    paper = FULL_SYSTEM
    fractions = (paper.dsc, paper.jaccard, paper.conformity)
    published = (*(f"{percent / 100:.4f}" for percent in fractions), f"{paper.adb_mm:.2f}", f"{paper.hdb_mm:.2f}")
    titles = ("DSC", "Jaccard", "Conformity", "Adb (mm)", "Hdb (mm)")
    for title, value, name in zip(titles, published, (*FRACTIONS, *DISTANCES), strict=True):
        yield title, value, name, 4 if name in FRACTIONS else 2
    yield "Volume error (%)", "3.40", "volume_error_percent", 2


def explain(sections: Collection[str], data: str = "simulated") -> str:
    """Explain the names of the sections, and on which of them something was chosen; "" where nothing needs it."""
    if data != "simulated":
        return ""
    lines = [f"`{name}`: {MEANINGS[name]}" for name in sections if name in MEANINGS]
    if {"test", "shifted"} & set(sections):
        lines.append(LOOKED_AT)
    return "\n\n".join(lines)


def _format_slope(agreed: Agreement) -> str:
    if agreed.proportional_bias is None:
        return "undefined"
    if agreed.proportional_bias_ci95 is None:
        return f"{agreed.proportional_bias:+.3f}"
    low, high = agreed.proportional_bias_ci95
    return f"{agreed.proportional_bias:+.3f} ({low:+.3f} to {high:+.3f}, p = {agreed.proportional_bias_p:.2g})"


def _format_correlation(value: float | None, ci95: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if ci95 is None else f"{value:.3f} ({ci95[0]:.3f} to {ci95[1]:.3f})"


def _format_ml(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _format_edges(spacing_mm: tuple[float, float] | None) -> str:
    if spacing_mm is None:
        return "-"
    low, high = spacing_mm
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _format_known(value: object) -> str:
    return "-" if value is None else str(value)


def _format_cell(summary: MetricSummary | None, digits: int) -> str:
    return "-" if summary is None else f"{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"
