"""The report of a comparison: a folder with tables, cases, figures and a page that explains them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy import stats

from training.config.presets import load_config
from training.config.training import TrainingConfig
from training.evaluation.cases import CaseResult
from training.paper import comparisons
from training.paper.scales import REPEATED, Scale
from training.paper.systems import (
    CONTROLS,
    SYSTEMS,
    TABLE_1,
    TABLE_2,
)
from training.paper.tables import COLUMNS, SystemResults, format_markdown, format_p, write_csv
from training.paper.volume_table import format_volumes, write_repeated

CASE_FIELDS = (
    "seed", "gestational_age_weeks", "family", "look", "truncated", "true_ml", "measured_ml", "dsc", "jaccard",
    "conformity", "adb_mm", "hdb_mm", "verdict", "seconds",
)  # fmt: skip
CONTROL = ("USegNet-DS", *CONTROLS, "USegNet-DS-UAM")
MIN_RANKED = 3


def write_report(
    folder: Path,
    scale: Scale,
    measured: Mapping[str, SystemResults],
    figures: Sequence[tuple[Path, str]],
    repeated: Sequence[Sequence[CaseResult]],
    note: str = "",
) -> Path:
    """Write tables (CSV), cases (CSV) and README.md into the folder; return the page.

    `repeated` are the results of `REPEATED` on repeated scans, one list per training seed, or nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        _format_introduction(scale, measured, note),
        _write_table(folder / "table_1.csv", "Table 1: all systems", TABLE_1, measured),
        _write_table(folder / "table_2.csv", "Table 2: numbers of SAM and UAM", TABLE_2, measured),
        _write_control(folder, measured),
        _write_comparisons(folder, measured),
        _format_order(measured),
        format_volumes(measured, repeated, REPEATED),
    ]
    for path, caption in figures:
        alternative = caption.split(". ")[0]
        parts.append(f"![{alternative}]({path.relative_to(folder)})\n\n*{caption} Simulated patients.*")
    _write_cases(folder / "cases.csv", measured)
    if repeated:
        write_repeated(folder / "reproducibility.csv", repeated, measured[REPEATED].seeds)
    page = folder / "README.md"
    page.write_text("\n\n".join(part for part in parts if part) + "\n", encoding="utf-8")
    return page


def _format_introduction(scale: Scale, measured: Mapping[str, SystemResults], note: str) -> str:
    missing = [name for name in SYSTEMS if name not in measured and name not in CONTROLS]
    left_out = f"\n\nNot measured: {', '.join(missing)}." if missing else ""
    said = f"\n\n{note}" if note else ""
    config = load_config(scale.preset)
    cases = [part.stop - part.first for part in config.data.train]
    return f"""# The paper's comparison on simulated patients, scale `{scale.name}`

**Simulated patients.** Trained and measured on simulated scans alone; nothing here shows how well a system outlines
clinical ones. The rows *in the paper* are from its 50 clinical volumes, given for orientation.

Made by `fetalhead-train benchmark --scale {scale.name}`: preset `{scale.preset}`, {_format_seeds(scale)},
{cases[0]} training subjects, {scale.test} test cases, {scale.shifted} shifted cases (anatomy and image formation of
kinds that no training case has), all measured at {scale.test_spacing} mm.
{_explain_common(config)}
Distances are means over surface points in mm, Hdb is the full maximum. *Time* is from volume to mask by torch on
`{config.runtime.device}`, the median over seeds of the medians over cases; other work may have used the machine, too,
so it has two digits. The systems are defined in `training/paper/systems.py`.{said}{left_out}"""


def _format_seeds(scale: Scale) -> str:
    one, several = "one training seed", f"{len(scale.seeds)} training seeds (DSC: mean ± SD over seeds)"
    return one if len(scale.seeds) == 1 else several


def _explain_common(config: TrainingConfig) -> str:
    """Return what all systems share, and what they do not."""
    tiles = " Tiles train in single precision, all else in bf16." if config.runtime.bf16 else ""
    steps = config.budget.steps
    subjects = config.data.train[1].stop - config.data.train[1].first
    plain = [system.name for system in SYSTEMS.values() if not system.deep_supervision]
    return f"""All systems share cases, augmentation, optimiser and number of steps ({steps[0]:,}).
Their loss on the output is the same; deep supervision adds that on two coarser outputs for all but {", ".join(plain)}.
Auto-context adds a second level: {steps[1]:,} more steps, {subjects} other subjects.{tiles}"""


def _write_table(path: Path, title: str, names: Sequence[str], measured: Mapping[str, SystemResults]) -> str:
    present = [measured[name] for name in names if name in measured]
    if not present:
        return ""
    write_csv(path, COLUMNS, [[value(found) for value in COLUMNS.values()] for found in present])
    return f"## {title}\n\n{format_markdown(present)}"


def _write_control(folder: Path, measured: Mapping[str, SystemResults]) -> str:
    if not any(name in measured for name in CONTROLS):
        return ""
    title, _, table = _write_table(
        folder / "control.csv", "Control: attention or more layers?", CONTROL, measured
    ).partition("\n\n")
    words = (
        "`USegNet-DS-Conv` is not in the paper: it has two plain convolutions in the place of each UAM. What UAM gains "
        "over it would be due to attention, what it gains over USegNet-DS may be due to more layers."
    )
    return f"{title}\n\n{words}\n\n{table}"


def _write_comparisons(folder: Path, measured: Mapping[str, SystemResults]) -> str:
    compared = comparisons.compare(measured)
    if not compared:
        return ""
    columns = comparisons.COLUMNS
    write_csv(folder / "comparisons.csv", columns, [[value(one) for value in columns.values()] for one in compared])
    return comparisons.format_section(compared)


def _format_order(measured: Mapping[str, SystemResults]) -> str:
    """Return the order of the systems by their measured DSC, and the paper's order."""
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
        f"(p: {format_p(tau.pvalue)}, {len(known)} systems). Neighbours may not differ: see the comparisons."
    )


def _write_cases(path: Path, measured: Mapping[str, SystemResults]) -> None:
    rows = [
        (name, seed, part, *(getattr(result, field) for field in CASE_FIELDS))
        for name, found in measured.items()
        for part, runs in (("test", found.test), ("shifted", found.shifted))
        for seed, results in zip(found.seeds, runs, strict=True)
        for result in results
    ]
    write_csv(path, ("system", "training_seed", "part", *CASE_FIELDS), rows)
