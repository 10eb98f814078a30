"""Writing of `evaluation.json`, figures and tables from a folder of journals."""

import json
from pathlib import Path

from app.files import write_atomically
from app.inference.volume_interval import VolumeInterval
from app.pictures.bland_altman import draw_bland_altman
from app.statistics.agreement import MIN_CASES
from training.evaluation.cases import read_journal
from training.evaluation.provenance import read_commands
from training.evaluation.report import ALL, MEASURED, PUBLISHED, Evaluation, summarise_section
from training.evaluation.statistics.prediction_interval import (
    check_interval,
    choose_interval,
    find_median_half_width,
)
from training.evaluation.statistics.reproducibility import (
    Reproducibility,
    select_complete_groups,
    summarise_reproducibility,
)
from training.evaluation.tables import format_repeated, format_table

REPEATED = "reproducibility"
FILE = "evaluation.json"
OWN_REPRODUCIBILITY = "reproducibility.json"


def write_folder(folder: Path, data: str = "simulated", served: VolumeInterval | None = None) -> str:
    """Write `evaluation.json` and figures from the folder's journals; return the tables.

    `served` is the measured model's own interval.
    """
    journals = {name: read_journal(folder / f"{name}.jsonl") for name in MEASURED}
    results = {name: found for name, found in journals.items() if len(found) >= MIN_CASES}
    commands, interval = read_commands(folder), choose_interval(served, results.get("test", ()), data)
    sections = {
        name: summarise_section(found).model_copy(
            update={
                "interval_held": interval and check_interval(found, interval),
                "interval_half_width_percent": interval and find_median_half_width(found, interval),
                "command": commands.get(name, ""),
            }
        )
        for name, found in results.items()
    }
    repeated = _summarise_repeated(folder, commands.get(REPEATED, ""))
    used = [command for name, command in commands.items() if name in sections or (repeated and name == REPEATED)]
    evaluation = Evaluation(
        **{name: part for name, part in sections.items() if name in (*PUBLISHED, ALL)},
        reproducibility=repeated,
        volume_interval=interval,
        data=data,
        command=" && ".join(used),
    )
    write_evaluation(evaluation, folder / FILE)
    for name, found in results.items():
        figure = draw_bland_altman([(r.measured_ml, r.true_ml, r.verdict) for r in found], sections[name].agreement)
        (folder / f"{name}_agreement.svg").write_text(figure, encoding="utf-8")
    tables = [format_table(sections, data)] if sections else []
    return "\n\n".join([*tables, *([format_repeated(repeated)] if repeated else [])])


def _summarise_repeated(folder: Path, command: str) -> Reproducibility | None:
    """Return the spread of the repeated scans, simulated or of own data, that were measured into the folder."""
    found, left_out = select_complete_groups(read_journal(folder / f"{REPEATED}.jsonl"))
    if len({r.subject_seed for r in found}) > 1:
        return summarise_reproducibility(found).model_copy(update={"command": command, "left_out": left_out})
    path = folder / OWN_REPRODUCIBILITY
    if not path.is_file():
        return None
    own = Reproducibility.model_validate_json(path.read_text(encoding="utf-8"))
    return own.model_copy(update={"command": command})


def write_evaluation(evaluation: Evaluation, path: Path) -> None:
    """Write `evaluation.json`; absent sections are left out."""
    write_atomically(path, json.dumps(evaluation.model_dump(exclude_none=True), indent=2) + "\n")
