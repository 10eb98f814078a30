"""The folder that a comparison leaves behind: tables, cases, figures and a page that says what they show."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy import stats

from training.benchmark.scales import Scale
from training.benchmark.tables import Measured, as_csv, as_markdown, rows, shown_p
from training.config import load_config
from training.evaluation.agreement import agreement
from training.evaluation.cases import CaseResult
from training.evaluation.reproducibility import reproducibility
from training.systems import CONTROLS, SYSTEMS, TABLE_1, TABLE_2

CASE_FIELDS = (
    "seed", "gestational_age_weeks", "family", "look", "truncated", "true_ml", "measured_ml", "dsc", "jaccard",
    "conformity", "adb_mm", "hdb_mm", "verdict", "seconds",
)  # fmt: skip
FULL = "USegNet-DS-HAS-Ctx"
MIN_RANKED = 3


def write_report(
    folder: Path,
    scale: Scale,
    measured: Mapping[str, Measured],
    figures: Sequence[tuple[Path, str]],
    repeated: Sequence[CaseResult],
    note: str = "",
) -> Path:
    """Write tables (CSV), cases (CSV) and README.md into the folder; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_introduction(scale, measured, note)]
    tables = (("Table 1: all systems", TABLE_1), ("Table 2: numbers of SAM and UAM", TABLE_2))
    for number, (title, names) in enumerate(tables, start=1):
        present = [measured[name] for name in names if name in measured]
        if present:
            records = rows(present)
            (folder / f"table_{number}.csv").write_text(as_csv(records), encoding="utf-8")
            parts.append(f"## {title}\n\n{as_markdown(records)}")
    parts += [text for text in (_control(folder, measured), _order(measured), _volumes(measured, repeated)) if text]
    for path, caption in figures:
        parts.append(f"![{caption}]({path.relative_to(folder)})\n\n*{caption} Simulated patients.*")
    _write_cases(folder / "cases.csv", measured)
    page = folder / "README.md"
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return page


def _introduction(scale: Scale, measured: Mapping[str, Measured], note: str) -> str:
    missing = [name for name in SYSTEMS if name not in measured and name not in CONTROLS]
    left_out = f"\n\nNot measured: {', '.join(missing)}." if missing else ""
    said = f"\n\n{note}" if note else ""
    cases = [part.stop - part.first for part in load_config(scale.preset).data.train]
    return f"""# The paper's comparison on simulated patients, scale `{scale.name}`

**Simulated patients.** Trained and measured on simulated scans alone; nothing here says how well a system outlines
clinical ones. The paper's column is its 50 clinical volumes, given for orientation.

Made by `fetalhead-train benchmark --scale {scale.name}`: preset `{scale.preset}`, {_seeds(scale)},
{cases[0]} training subjects ({cases[1]} others for the second context level), {scale.test} test cases, {scale.shifted}
shifted cases (anatomy and image formation of kinds that no training case has), all measured at {scale.test_spacing} mm.
Every system has the same cases, augmentation, loss, optimiser and number of steps; auto-context adds a second level.
Distances are means over surface points in mm, Hdb is the full maximum. *DSC against the row above*: paired mean
difference with its bootstrap 95 % interval over cases and Wilcoxon's signed-rank p, not corrected for the number of
comparisons. *Time* is from volume to mask on the machine at hand, *Training* its wall clock. What a system is:
`training/systems.py`.{said}{left_out}"""


def _seeds(scale: Scale) -> str:
    one, several = "one training seed", f"{len(scale.seeds)} training seeds (DSC: mean and SD over seeds)"
    return one if len(scale.seeds) == 1 else several


def _control(folder: Path, measured: Mapping[str, Measured]) -> str:
    names = [name for name in ("USegNet-DS", *CONTROLS, "USegNet-DS-UAM") if name in measured]
    if not any(name in CONTROLS for name in names):
        return ""
    records = rows([measured[name] for name in names])
    (folder / "control.csv").write_text(as_csv(records), encoding="utf-8")
    words = (
        "`USegNet-DS-Conv` is not in the paper: two plain convolutions stand where UAM would. What UAM gains over it "
        "is due to attention, what it gains over USegNet-DS may be due to more layers."
    )
    return f"## Control: attention or more layers?\n\n{words}\n\n{as_markdown(records)}"


def _order(measured: Mapping[str, Measured]) -> str:
    """The systems by their measured DSC beside the paper's order."""
    ranked = sorted(measured.values(), key=lambda m: -m.mean("dsc"))
    known = [(m, m.system.paper.dsc) for m in ranked if m.system.paper is not None]
    if len(known) < MIN_RANKED:
        return ""
    tau = stats.kendalltau([m.mean("dsc") for m, _ in known], [dsc for _, dsc in known])
    line = " > ".join(f"{m.system.name} ({100 * m.mean('dsc'):.2f})" for m in ranked)
    paper = " > ".join(m.system.name for m, _ in sorted(known, key=lambda pair: -pair[1]))
    return (
        f"## Order by DSC\n\nMeasured: {line}.\n\nPaper: {paper}.\n\n"
        f"Agreement of both orders: Kendall's tau {tau.statistic:+.2f} "
        f"(p: {shown_p(tau.pvalue)}, {len(known)} systems)."
    )


def _volumes(measured: Mapping[str, Measured], repeated: Sequence[CaseResult]) -> str:
    several = ["", "Of the first training seed."] if any(len(found.test) > 1 for found in measured.values()) else []
    lines = [
        "## Volumes",
        *several,
        "",
        "| System | bias [mL] | limits of agreement [mL] | Pearson r |",
        "|---|---:|---:|---:|",
    ]
    for name, found in measured.items():
        results = found.test[0]
        agreed = agreement([r.measured_ml for r in results], [r.true_ml for r in results])
        low, high = agreed.bias_ci95_ml
        limits = f"± {agreed.loa_half_width_ml:.1f} (each ± {agreed.loa_ci95_half_width_ml:.1f})"
        lines.append(f"| {name} | {agreed.bias_ml:+.1f} [{low:+.1f}, {high:+.1f}] | {limits} | {agreed.pearson:.3f} |")
    lines.append("| Paper, USegNet-DS-HAS-Ctx | -1.6 | ± 19.5 | 0.990 |")
    if repeated:
        r = reproducibility(repeated)
        lines += [
            "",
            f"Reproducibility of {FULL}, {r.groups} fetuses along {r.views} directions: mean SD {r.mean_sd_ml:.2f} mL "
            f"(n - 1; {r.mean_sd_population_ml:.2f} mL with n), {r.min_sd_ml:.2f} to {r.max_sd_ml:.2f} mL; "
            f"within-subject SD {r.within_subject_sd_ml:.2f} mL, CV {r.wcv_percent:.2f} %, repeatability coefficient "
            f"{r.repeatability_coefficient_ml:.1f} mL, ICC(1,1) {r.icc:.3f}. The paper: 11.524 mL (1.960 to 49.869).",
        ]
    return "\n".join(lines)


def _write_cases(path: Path, measured: Mapping[str, Measured]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["system", "training_seed", "part", *CASE_FIELDS])
        for name, found in measured.items():
            for part, runs in (("test", found.test), ("shifted", found.shifted)):
                for number, results in enumerate(runs, start=1):
                    for result in results:
                        values = [getattr(result, field) for field in CASE_FIELDS]
                        writer.writerow([name, number, part, *map(_short, values)])


def _short(value: object) -> object:
    return float(f"{value:.5g}") if isinstance(value, float) else value
