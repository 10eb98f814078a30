"""How a model came about: the commands that were run, in order, and how long each level trained on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.inference.manifest import MANIFEST_FILE, ModelManifest
from training.config.data import SIMULATED
from training.config.presets import load_config
from training.config.training import ConfigError, TrainingConfig
from training.evaluation.provenance import RUNS, as_typed, shortened
from training.fitting.checkpoint import LevelWeights
from training.own_data.fitting import SPLIT_FILE

Options = tuple[tuple[str, object], ...]
THEN = ", then "


def fit_commands(config: TrainingConfig, run: Path) -> tuple[str, ...]:
    """The commands that train such a run again, from the first preset that it goes back to."""
    presets = (*(config.data.continues or "").split(), config.name)
    runs = (*(Path(RUNS) / name for name in presets[:-1]), shortened(run))
    starts = (None, *runs[:-1])
    lines = []
    for name, source, start, folder in zip(presets, _sources(config, len(presets)), starts, runs, strict=True):
        options = (*_own(source, folder), ("--from", start), *_elsewhere(name, folder))
        lines.append(as_typed("fit", (*options, *(_budget(config) if folder is runs[-1] else ())), (name,)))
    return tuple(lines)


def trained(weights: Sequence[LevelWeights]) -> str:
    """How long each level trained, and on how many cases of what kind."""
    config = weights[0].config
    own = _sources(config, 1)[-1] != SIMULATED
    parts = [
        f"level {w.context_level}: {w.steps} steps in {w.spent_s / 60:.0f} min on {w.cases} "
        + ("own volumes" if own else "simulated cases")
        + ("" if w.validation_dsc is None else f", validation DSC {w.validation_dsc:.4f} on the network's grid")
        for w in weights
    ]
    return f"{config.description}; " + "; ".join(parts)


def record(candidate: Path, command: str) -> None:
    """Add a command to a candidate's manifest; an earlier one of the same name gives way."""
    path = candidate / MANIFEST_FILE
    manifest = ModelManifest.model_validate_json(path.read_text(encoding="utf-8"))
    kept = [known for known in manifest.training.commands if known.split()[:2] != command.split()[:2]]
    temporary = path.with_suffix(".tmp")
    temporary.write_text(with_commands(manifest, [*kept, command]).model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def with_commands(manifest: ModelManifest, commands: Sequence[str]) -> ModelManifest:
    """The manifest with these commands in the place of its own."""
    return manifest.model_copy(update={"training": manifest.training.model_copy(update={"commands": tuple(commands)})})


def _sources(config: TrainingConfig, presets: int) -> tuple[str, ...]:
    """What each preset of the chain learned from; what came before the first that is told is like it."""
    told = tuple(config.data.source.split(THEN))[-presets:]
    return (told[0],) * (presets - len(told)) + told


def _own(source: str, run: Path) -> Options:
    return () if source == SIMULATED else (("--data", "DIR"), ("--split", run / SPLIT_FILE))


def _elsewhere(preset: str, run: Path) -> Options:
    return () if run == Path(RUNS) / preset else (("--run", run),)


def _budget(config: TrainingConfig) -> Iterator[tuple[str, object]]:
    """--minutes, where the preset's budget was replaced by one."""
    try:
        usual = load_config(config.name).budget
    except ConfigError:
        return
    minutes = set(config.budget.minutes)
    if config.budget != usual and len(minutes) == 1 and not config.budget.steps:
        yield "--minutes", f"{minutes.pop():g}"
