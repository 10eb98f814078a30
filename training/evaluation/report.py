"""The evaluation report: `evaluation.json` and a table for people."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from training.evaluation.agreement import MIN_CASES, Agreement, agreement
from training.evaluation.cases import CaseResult, read_journal
from training.evaluation.doubt import Doubt, doubt
from training.evaluation.figures import bland_altman
from training.evaluation.reproducibility import Reproducibility, complete_groups, reproducibility

FRACTIONS = ("dsc", "jaccard", "conformity")
DISTANCES = ("adb_mm", "hdb_mm")
PUBLISHED = ("test", "shifted", "held_out", "held_out_shifted")
SECTIONS = (*PUBLISHED, "validation")
MEANINGS = {
    "shifted": "anatomy and image formation of kinds that training never saw.",
    "held_out": "patients on whom nothing was chosen or adjusted.",
    "held_out_shifted": "patients of `shifted`'s kinds on whom nothing was chosen or adjusted.",
}
LOOKED_AT = (
    "The patients of `test` and `shifted` took no part in training, but their figures were looked at while presets, "
    "thresholds and review limits were chosen."
)
FILE = "evaluation.json"
OWN_REPRODUCIBILITY = "reproducibility.json"


class Summary(BaseModel):
    """Mean, SD (n - 1), 95 % interval of the mean and range of one metric over cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    sd: float
    ci95: tuple[float, float]
    min: float
    median: float
    max: float
    cases: int


class Section(BaseModel):
    """One set of cases: segmentation metrics and agreement of volumes; missing values are counted, not hidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int
    seeds: str
    dsc: Summary
    jaccard: Summary
    conformity: Summary | None = None
    adb_mm: Summary | None = None
    hdb_mm: Summary | None = None
    volume_error_percent: Summary
    volume_bias_ml: float
    volume_loa_half_width_ml: float
    pearson: float
    agreement: Agreement
    verdicts: dict[str, int]
    without_head: int
    accepted: dict[str, float]
    by_gestational_age: dict[str, dict[str, float]]
    seconds_per_case: float
    doubt: Doubt | None = None
    dsc_by_case: dict[str, float] = {}


class Evaluation(BaseModel):
    """`evaluation.json` of a published model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    test: Section | None = None
    shifted: Section | None = None
    held_out: Section | None = None
    held_out_shifted: Section | None = None
    reproducibility: Reproducibility | None = None
    data: str = "simulated"
    command: str = ""

    @property
    def sections(self) -> dict[str, Section]:
        """What was measured, by name, in the order in which it is shown."""
        return {name: part for name in PUBLISHED if (part := getattr(self, name)) is not None}


def section(results: Sequence[CaseResult]) -> Section:
    """Summarise the results of one set; ValueError below 2 cases."""
    agreed = agreement([r.measured_ml for r in results], [r.true_ml for r in results])
    errors = [100 * abs(r.measured_ml - r.true_ml) / r.true_ml for r in results]
    columns = {name: [getattr(r, name) for r in results] for name in (*FRACTIONS, *DISTANCES)}
    summaries = {name: _summary_of_known(values) for name, values in columns.items()}
    seeds = sorted(r.seed for r in results)
    return Section(
        cases=len(results),
        seeds=_named(results) or f"{seeds[0]}-{seeds[-1]}",
        dsc=summarise(columns["dsc"]),
        jaccard=summarise(columns["jaccard"]),
        conformity=summaries["conformity"],
        adb_mm=summaries["adb_mm"],
        hdb_mm=summaries["hdb_mm"],
        volume_error_percent=summarise(errors),
        volume_bias_ml=agreed.bias_ml,
        volume_loa_half_width_ml=agreed.loa_half_width_ml,
        pearson=agreed.pearson,
        agreement=agreed,
        verdicts={v: sum(r.verdict == v for r in results) for v in ("ok", "review", "reject")},
        without_head=sum(r.measured_ml == 0 for r in results),
        accepted=_accepted(results),
        by_gestational_age=_by_age(results),
        seconds_per_case=float(np.mean([r.seconds for r in results])),
        doubt=doubt(results),
        dsc_by_case={r.case or str(r.seed): round(r.dsc, 6) for r in sorted(results, key=lambda r: r.seed)},
    )


def summarise(values: Sequence[float]) -> Summary:
    """Summarise one metric; the interval is Student's t, the SD of a single value 0."""
    array = np.asarray(values, dtype=float)
    n, mean = len(array), float(array.mean())
    sd = float(array.std(ddof=1)) if n > 1 else 0.0
    half = float(stats.t.ppf(0.975, n - 1)) * sd / n**0.5 if n > 1 else 0.0
    return Summary(
        mean=mean,
        sd=sd,
        ci95=(mean - half, mean + half),
        min=float(array.min()),
        median=float(np.median(array)),
        max=float(array.max()),
        cases=n,
    )


def write_folder(folder: Path, command: str, data: str = "simulated") -> str:
    """Write `evaluation.json` and figures from the folder's journals; returns the table of what is there."""
    journals = {name: read_journal(folder / f"{name}.jsonl") for name in SECTIONS}
    results = {name: found for name, found in journals.items() if len(found) >= MIN_CASES}
    sections = {name: section(found) for name, found in results.items()}
    repeated = complete_groups(read_journal(folder / "reproducibility.jsonl"))
    evaluation = Evaluation(
        **{name: part for name, part in sections.items() if name in PUBLISHED},
        reproducibility=reproducibility(repeated)
        if len({r.subject_seed for r in repeated}) > 1
        else _own_spread(folder),
        data=data,
        command=command,
    )
    write(evaluation, folder / FILE)
    for name, found in results.items():
        (folder / f"{name}_agreement.svg").write_text(bland_altman(found, sections[name].agreement), encoding="utf-8")
    return table(sections, data)


def _own_spread(folder: Path) -> Reproducibility | None:
    """The spread of repeated scans of one's own, measured into the same folder."""
    path = folder / OWN_REPRODUCIBILITY
    return Reproducibility.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def _named(results: Sequence[CaseResult]) -> str | None:
    """The names of own cases, first to last; None for simulated ones."""
    names = [r.case for r in results if r.case is not None]
    return f"{min(names)}..{max(names)}" if names else None


def write(evaluation: Evaluation, path: Path) -> None:
    """Write `evaluation.json`; absent sections are left out."""
    path.write_text(json.dumps(evaluation.model_dump(exclude_none=True), indent=2) + "\n", encoding="utf-8")


def table(sections: dict[str, Section], data: str = "simulated") -> str:
    """The headline numbers as a Markdown table, with the paper's beside them."""
    titles = ["paper (50 clinical)", *(f"{name} ({part.cases} {data})" for name, part in sections.items())]
    lines = [f"| | {' | '.join(titles)} |"]
    lines.append("|---" * (2 + len(sections)) + "|")
    rows = (
        ("DSC", "0.9605", "dsc", 4),
        ("Jaccard", "0.9242", "jaccard", 4),
        ("Conformity", "0.9174", "conformity", 4),
        ("Adb (mm)", "", "adb_mm", 2),
        ("Hdb (mm)", "", "hdb_mm", 2),
        ("Volume error (%)", "3.40", "volume_error_percent", 2),
    )
    for title, paper, name, digits in rows:
        cells = [_cell(getattr(part, name), digits) for part in sections.values()]
        lines.append(f"| {title} | {paper} | " + " | ".join(cells) + " |")
    limits = [f"{s.volume_bias_ml:+.1f} ± {s.volume_loa_half_width_ml:.1f}" for s in sections.values()]
    lines.append("| Bias ± 95 % limits (mL) | -1.6 ± 19.5 | " + " | ".join(limits) + " |")
    lines.append("| Pearson r | 0.990 | " + " | ".join(f"{s.pearson:.3f}" for s in sections.values()) + " |")
    verdicts = [" / ".join(str(n) for n in s.verdicts.values()) for s in sections.values()]
    lines.append("| ok / review / reject | | " + " | ".join(verdicts) + " |")
    for title, name in (
        ("Flagged of those below DSC 0.9", "poor"),
        ("Flagged of those with 1 % of the head and more out of view", "cut_off"),
        ("Flagged in vain of the others", "good"),
    ):
        shares = [getattr(s.doubt, name, None) for s in sections.values()]
        lines.append(f"| {title} | | " + " | ".join("-" if share is None else str(share) for share in shares) + " |")
    return "\n".join(lines)


def explained(sections: Collection[str], data: str = "simulated") -> str:
    """What the names of the sections mean, and on which of them something was chosen; empty where nothing is to say."""
    if data != "simulated":
        return ""
    lines = [f"`{name}`: {MEANINGS[name]}" for name in sections if name in MEANINGS]
    if {"test", "shifted"} & set(sections):
        lines.append(LOOKED_AT)
    return "\n\n".join(lines)


def _cell(summary: Summary | None, digits: int) -> str:
    return "-" if summary is None else f"{summary.mean:.{digits}f} ± {summary.sd:.{digits}f}"


def _summary_of_known(values: Sequence[float | None]) -> Summary | None:
    known = [v for v in values if v is not None]
    return summarise(known) if known else None


def _accepted(results: Sequence[CaseResult]) -> dict[str, float]:
    """What remains when cases to review or reject are set aside."""
    kept = [r for r in results if r.verdict == "ok"]
    if not kept:
        return {"cases": 0}
    errors = [100 * abs(r.measured_ml - r.true_ml) / r.true_ml for r in kept]
    return {
        "cases": len(kept),
        "dsc": float(np.mean([r.dsc for r in kept])),
        "dsc_min": min(r.dsc for r in kept),
        "volume_error_percent": float(np.mean(errors)),
        "volume_error_percent_max": max(errors),
    }


def _by_age(results: Sequence[CaseResult]) -> dict[str, dict[str, float]]:
    """Mean DSC and relative bias by four-week class of gestational age."""
    classes: dict[str, list[CaseResult]] = {}
    known = [(r.gestational_age_weeks, r) for r in results if r.gestational_age_weeks is not None]
    for weeks, result in sorted(known, key=lambda pair: pair[0]):
        start = int(weeks) // 4 * 4
        classes.setdefault(f"{start}-{start + 3}", []).append(result)
    return {
        name: {
            "cases": len(group),
            "dsc": float(np.mean([r.dsc for r in group])),
            "relative_bias_percent": float(np.mean([100 * (r.measured_ml / r.true_ml - 1) for r in group])),
        }
        for name, group in classes.items()
    }
