"""From a folder of journals to `evaluation.json`, figures and tables."""

import json
from pathlib import Path

from app.files import write_atomically
from training.evaluation.cases import read_journal
from training.evaluation.figures import bland_altman
from training.evaluation.provenance import noted
from training.evaluation.report import PUBLISHED, SECTIONS, Evaluation, section
from training.evaluation.statistics.agreement import MIN_CASES
from training.evaluation.statistics.prediction_interval import held, volume_interval
from training.evaluation.statistics.reproducibility import Reproducibility, complete_groups, reproducibility
from training.evaluation.tables import repeated_table, table

REPEATED = "reproducibility"
FILE = "evaluation.json"
OWN_REPRODUCIBILITY = "reproducibility.json"


def write_folder(folder: Path, data: str = "simulated") -> str:
    """Write `evaluation.json` and figures from the folder's journals; returns the table of what is there."""
    journals = {name: read_journal(folder / f"{name}.jsonl") for name in SECTIONS}
    results = {name: found for name, found in journals.items() if len(found) >= MIN_CASES}
    commands, interval = noted(folder), volume_interval(results.get("test", ()))
    sections = {
        name: section(found).model_copy(
            update={"interval_held": interval and held(found, interval), "command": commands.get(name, "")}
        )
        for name, found in results.items()
    }
    repeated = _repeated(folder, commands.get(REPEATED, ""))
    used = [command for name, command in commands.items() if name in sections or (repeated and name == REPEATED)]
    evaluation = Evaluation(
        **{name: part for name, part in sections.items() if name in PUBLISHED},
        reproducibility=repeated,
        volume_interval=interval,
        data=data,
        command=" && ".join(used),
    )
    write(evaluation, folder / FILE)
    for name, found in results.items():
        (folder / f"{name}_agreement.svg").write_text(bland_altman(found, sections[name].agreement), encoding="utf-8")
    tables = [table(sections, data)] if sections else []
    return "\n\n".join([*tables, *([repeated_table(repeated)] if repeated else [])])


def _repeated(folder: Path, command: str) -> Reproducibility | None:
    """The spread of repeated scans, simulated or of one's own, that were measured into the folder."""
    found, left_out = complete_groups(read_journal(folder / f"{REPEATED}.jsonl"))
    if len({r.subject_seed for r in found}) > 1:
        return reproducibility(found).model_copy(update={"command": command, "left_out": left_out})
    own = _own_spread(folder)
    return own and own.model_copy(update={"command": command})


def _own_spread(folder: Path) -> Reproducibility | None:
    """The spread of repeated scans of one's own, measured into the same folder."""
    path = folder / OWN_REPRODUCIBILITY
    return Reproducibility.model_validate_json(path.read_text(encoding="utf-8")) if path.is_file() else None


def write(evaluation: Evaluation, path: Path) -> None:
    """Write `evaluation.json`; absent sections are left out."""
    write_atomically(path, json.dumps(evaluation.model_dump(exclude_none=True), indent=2) + "\n")
