"""How a model came about: the commands that were run, in order, and how long each level trained on what."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from app.inference.manifest import TrainedLevel, TrainingRecord
from training.config.data import SIMULATED, UNKNOWN
from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.evaluation.provenance import format_command, shorten_path
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder


def make_training_record(weights: Sequence[LevelWeights], run: RunFolder, notes: Sequence[str]) -> TrainingRecord:
    """Return what the manifest says about the training of a run's finished levels."""
    config = weights[0].config
    known = (step.data for step in config.steps if step.data != UNKNOWN)
    return TrainingRecord(
        data=", then ".join(data for data, _ in groupby(known)),
        preset=config.name,
        commands=fit_commands(config, run),
        description=config.description,
        steps=config.steps,
        levels=tuple(
            TrainedLevel(steps=w.steps, minutes=w.spent_s / 60, cases=w.cases, validation_dsc=w.validation_dsc)
            for w in weights
        ),
        notes=tuple(notes),
    )


def fit_commands(config: TrainingConfig, run: RunFolder) -> tuple[str, ...]:
    """Return the commands that train such a run again, from the first preset that it goes back to."""
    earlier = (RunFolder.of_preset(step.preset) for step in config.data.earlier)
    runs = (*earlier, RunFolder(shorten_path(run.path)))
    lines = []
    for step, start, folder in zip(config.steps, (None, *runs), runs, strict=False):
        own = () if step.data in {SIMULATED, UNKNOWN} else (("--data", "DIR"), ("--split", folder.split))
        place = None if folder == RunFolder.of_preset(step.preset) else folder.path
        minutes = _find_replaced_minutes(config) if folder is runs[-1] else None
        options = (*own, ("--from", start), ("--run", place), ("--minutes", minutes))
        lines.append(format_command("fit", options, (step.preset,)))
    return tuple(lines)


def _find_replaced_minutes(config: TrainingConfig) -> str | None:
    """Return the minutes that took the place of the preset's budget, if any."""
    try:
        usual = load_config(config.name).budget
    except ConfigError:
        return None
    minutes = set(config.budget.minutes)
    replaced = config.budget != usual and len(minutes) == 1 and not config.budget.steps
    return f"{minutes.pop():g}" if replaced else None
