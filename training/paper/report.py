"""The folder that a comparison leaves behind: tables, cases, figures and a page that says what they show."""

import csv
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
from training.paper.tables import (
    Measured,
    as_csv,
    as_markdown,
    rows,
    shown_p,
)
from training.paper.volume_table import short, volumes, write_repeated

CASE_FIELDS = (
    "seed", "gestational_age_weeks", "family", "look", "truncated", "true_ml", "measured_ml", "dsc", "jaccard",
    "conformity", "adb_mm", "hdb_mm", "verdict", "seconds",
)  # fmt: skip
CONTROL = ("USegNet-DS", *CONTROLS, "USegNet-DS-UAM")
MIN_RANKED = 3


def write_report(
    folder: Path,
    scale: Scale,
    measured: Mapping[str, Measured],
    figures: Sequence[tuple[Path, str]],
    repeated: Sequence[Sequence[CaseResult]],
    note: str = "",
) -> Path:
    """Write tables (CSV), cases (CSV) and README.md into the folder; returns the page.

    `repeated` are the repeated scans of `REPEATED`, one list per training seed, or nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        _introduction(scale, measured, note),
        _table(folder / "table_1.csv", "Table 1: all systems", TABLE_1, measured),
        _table(folder / "table_2.csv", "Table 2: numbers of SAM and UAM", TABLE_2, measured),
        _control(folder, measured),
        _comparisons(folder, measured),
        _order(measured),
        volumes(measured, repeated, REPEATED),
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


def _introduction(scale: Scale, measured: Mapping[str, Measured], note: str) -> str:
    missing = [name for name in SYSTEMS if name not in measured and name not in CONTROLS]
    left_out = f"\n\nNot measured: {', '.join(missing)}." if missing else ""
    said = f"\n\n{note}" if note else ""
    config = load_config(scale.preset)
    cases = [part.stop - part.first for part in config.data.train]
    return f"""# The paper's comparison on simulated patients, scale `{scale.name}`

**Simulated patients.** Trained and measured on simulated scans alone; nothing here says how well a system outlines
clinical ones. The rows *in the paper* are its 50 clinical volumes, given for orientation.

Made by `fetalhead-train benchmark --scale {scale.name}`: preset `{scale.preset}`, {_seeds(scale)},
{cases[0]} training subjects, {scale.test} test cases, {scale.shifted} shifted cases (anatomy and image formation of
kinds that no training case has), all measured at {scale.test_spacing} mm.
{_alike(config)}
Distances are means over surface points in mm, Hdb is the full maximum. *Time* is from volume to mask by torch on
`{config.runtime.device}`, the median over cases and of those the median over seeds; other work may have had its part of
the machine, hence two digits. What a system is: `training/paper/systems.py`.{said}{left_out}"""


def _seeds(scale: Scale) -> str:
    one, several = "one training seed", f"{len(scale.seeds)} training seeds (DSC: mean ± SD over seeds)"
    return one if len(scale.seeds) == 1 else several


def _alike(config: TrainingConfig) -> str:
    """What all systems share, and what they do not."""
    tiles = " Tiles train in single precision, all else in bf16." if config.runtime.bf16 else ""
    steps = config.budget.steps
    subjects = config.data.train[1].stop - config.data.train[1].first
    plain = [system.name for system in SYSTEMS.values() if not system.deep_supervision]
    return f"""All systems share cases, augmentation, optimiser and number of steps ({steps[0]:,}).
Their loss on the answer is the same; deep supervision adds that of two coarser answers for all but {", ".join(plain)}.
Auto-context adds a second level: {steps[1]:,} more steps, {subjects} other subjects.{tiles}"""


def _table(path: Path, title: str, names: Sequence[str], measured: Mapping[str, Measured]) -> str:
    present = [measured[name] for name in names if name in measured]
    if not present:
        return ""
    records = rows(present)
    path.write_text(as_csv(records), encoding="utf-8")
    return f"## {title}\n\n{as_markdown(records)}"


def _control(folder: Path, measured: Mapping[str, Measured]) -> str:
    if not any(name in measured for name in CONTROLS):
        return ""
    title, _, table = _table(folder / "control.csv", "Control: attention or more layers?", CONTROL, measured).partition(
        "\n\n"
    )
    words = (
        "`USegNet-DS-Conv` is not in the paper: two plain convolutions stand where UAM would. What UAM gains over it "
        "would be due to attention, what it gains over USegNet-DS may be due to more layers."
    )
    return f"{title}\n\n{words}\n\n{table}"


def _comparisons(folder: Path, measured: Mapping[str, Measured]) -> str:
    compared = comparisons.compare(measured)
    if not compared:
        return ""
    (folder / "comparisons.csv").write_text(as_csv(comparisons.records(compared)), encoding="utf-8")
    return comparisons.section(compared)


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
        f"(p: {shown_p(tau.pvalue)}, {len(known)} systems). Neighbours need not differ: see the comparisons."
    )


def _write_cases(path: Path, measured: Mapping[str, Measured]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["system", "training_seed", "part", *CASE_FIELDS])
        for name, found in measured.items():
            for part, runs in (("test", found.test), ("shifted", found.shifted)):
                for seed, results in zip(found.seeds, runs, strict=True):
                    for result in results:
                        writer.writerow([name, seed, part, *(short(getattr(result, field)) for field in CASE_FIELDS)])
