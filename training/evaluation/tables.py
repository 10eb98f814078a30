"""Markdown tables of an evaluation, with the paper's figures, and the meanings of its sections."""

from collections.abc import Collection

from app.statistics.summary import MetricSummary
from training.evaluation.markdown import markdown_table
from training.evaluation.metrics import METRICS
from training.evaluation.report import EvaluationSection
from training.evaluation.statistics.reproducibility import Reproducibility

MEANINGS = {
    "shifted": "anatomy and image formation of kinds that training never saw.",
    "held_out": "patients on whom nothing was chosen or adjusted.",
    "held_out_shifted": "patients like those of `shifted` on whom nothing was chosen or adjusted.",
    "typical": "what a sonographer keeps: the whole head in view, the gain set for the brain, natural proportions.",
}
LOOKED_AT = (
    "The patients of `test` and `shifted` took no part in training, but their figures were looked at while presets, "
    "thresholds and review limits were chosen."
)
PAPER_MEAN_SD_ML = "11.524 (1.960 to 49.869)"


def format_table(sections: dict[str, EvaluationSection], data: str = "simulated") -> str:
    """Return the main results as a Markdown table, with the paper's."""
    parts = list(sections.values())
    agreed = [part.agreement for part in parts]
    titles = ["paper (50 clinical)", *(f"{name} ({part.cases} {data})" for name, part in sections.items())]
    rows = [
        *(
            (metric.title, metric.paper, [_format_cell(getattr(s, name), metric.form) for s in parts])
            for name, metric in METRICS.items()
        ),
        (
            "Bias ± 95 % limits (mL)",
            "-1.6 ± 19.5",
            [f"{s.volume_bias_ml:+.1f} ± {s.volume_loa_half_width_ml:.1f}" for s in parts],
        ),
        (
            "Slope of the difference on the mean, 95 % interval",
            "",
            [_format_estimate(a.proportional_bias, a.proportional_bias_ci95, "+.3f") for a in agreed],
        ),
        ("Pearson r", "0.990", [f"{s.pearson:.3f}" for s in parts]),
        ("Coverage of the 95 % interval", "", [_format_known(s.interval_held) for s in parts]),
        (
            "Its half width, median (%)",
            "",
            [_format_estimate(s.interval_half_width_percent, None, ".1f") for s in parts],
        ),
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


def format_repeated(*found: Reproducibility) -> str:
    """Return spreads of repeated measurements as the columns of a Markdown table, with the paper's mean SD."""
    ranges = [f"{one.mean_sd_ml:.2f} ({one.min_sd_ml:.2f} to {one.max_sd_ml:.2f})" for one in found]
    agreements = [_format_estimate(one.icc_agreement, one.icc_agreement_ci95, ".3f") for one in found]
    rows = [
        ("Mean SD (mL)", PAPER_MEAN_SD_ML, *ranges),
        ("The same with n in the place of n - 1 (mL)", "", *(f"{one.mean_sd_population_ml:.2f}" for one in found)),
        (
            "Mean SD of the true volume in view (mL)",
            "",
            *(_format_estimate(one.truth_mean_sd_ml, None, ".2f") for one in found),
        ),
        ("Within-subject SD (mL)", "", *(f"{one.within_subject_sd_ml:.2f}" for one in found)),
        ("Within-subject CV (%)", "", *(f"{one.wcv_percent:.2f}" for one in found)),
        ("Repeatability coefficient (mL)", "", *(f"{one.repeatability_coefficient_ml:.1f}" for one in found)),
        ("ICC(1,1), 95 % interval", "", *(_format_estimate(one.icc, one.icc_ci95, ".3f") for one in found)),
        ("ICC(A,1), 95 % interval", "", *agreements),
        ("Voxels (mm)", "", *(_format_edges(one.spacing_mm) for one in found)),
    ]
    header = ("", "paper", *(f"{one.groups} subjects, {one.views} scans each" for one in found))
    left_out = (f"\nleft out: {who}" for one in found for who in one.left_out)
    return "\n".join([markdown_table(header, rows), *left_out])


def explain(sections: Collection[str], data: str = "simulated") -> str:
    """Explain the names of the sections, and on which of them something was chosen; "" where nothing needs it."""
    if data != "simulated":
        return ""
    lines = [f"`{name}`: {MEANINGS[name]}" for name in sections if name in MEANINGS]
    if {"test", "shifted"} & set(sections):
        lines.append(LOOKED_AT)
    return "\n\n".join(lines)


def _format_estimate(value: float | None, ci95: tuple[float, float] | None, form: str) -> str:
    if value is None:
        return "-"
    return f"{value:{form}}" if ci95 is None else f"{value:{form}} ({ci95[0]:{form}} to {ci95[1]:{form}})"


def _format_edges(spacing_mm: tuple[float, float] | None) -> str:
    if spacing_mm is None:
        return "-"
    low, high = spacing_mm
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _format_known(value: object) -> str:
    return "-" if value is None else str(value)


def _format_cell(summary: MetricSummary | None, form: str) -> str:
    return "-" if summary is None else f"{summary.mean:{form}} ± {summary.sd:{form}}"
