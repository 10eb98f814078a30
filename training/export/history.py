"""How a model came about: the commands that were run, in order, and how long each level trained on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from app.inference.manifest import ModelManifest, TrainedLevel, TrainingRecord
from training.config.data import SIMULATED, UNKNOWN
from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.evaluation.provenance import format_command, shorten_path
from training.export.candidate import read_manifest, write_manifest
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder

Options = tuple[tuple[str, object], ...]


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
        options = (*_list_data_options(step.data, folder), ("--from", start), *_list_run_option(step.preset, folder))
        lines.append(
            format_command(
                "fit", (*options, *(_list_budget_option(config) if folder is runs[-1] else ())), (step.preset,)
            )
        )
    return tuple(lines)


def record(candidate: Path, command: str) -> None:
    """Add a command to a candidate's manifest; an earlier one of the same name gives way."""
    manifest = read_manifest(candidate)
    kept = [known for known in manifest.training.commands if known.split()[:2] != command.split()[:2]]
    write_manifest(candidate, with_commands(manifest, [*kept, command]))


def with_commands(manifest: ModelManifest, commands: Sequence[str]) -> ModelManifest:
    """Return the manifest with these commands in the place of its own."""
    return manifest.model_copy(update={"training": manifest.training.model_copy(update={"commands": tuple(commands)})})


def _list_data_options(source: str, run: RunFolder) -> Options:
    return () if source in {SIMULATED, UNKNOWN} else (("--data", "DIR"), ("--split", run.split))


def _list_run_option(preset: str, run: RunFolder) -> Options:
    return () if run == RunFolder.of_preset(preset) else (("--run", run.path),)


def _list_budget_option(config: TrainingConfig) -> Iterator[tuple[str, object]]:
    """Yield --minutes, where the preset's budget was replaced by one."""
    try:
        usual = load_config(config.name).budget
    except ConfigError:
        return
    minutes = set(config.budget.minutes)
    if config.budget != usual and len(minutes) == 1 and not config.budget.steps:
        yield "--minutes", f"{minutes.pop():g}"
