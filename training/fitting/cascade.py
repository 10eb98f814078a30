"""Fitting the cascade level by level; level k learns from cases that the levels below never saw."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.imaging.regions import RegionSpec
from training.cases.sources import CaseSource
from training.config.training import ConfigError, TrainingConfig
from training.fitting.checkpoint import LevelWeights, load_level, resume_training, save_level
from training.fitting.job import LevelJob
from training.fitting.loop import train
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_level, new_state
from training.networks.cascade import AutoContextCascade


def fit(config: TrainingConfig, source: CaseSource, run: RunFolder, levels: tuple[int, ...], resume: bool) -> None:
    """Fit the given context levels in order; each leaves `weights.pt` in its folder of the run."""
    for context_level in levels:
        job = make_job(config, source, run, context_level)
        state = new_state(job)
        if resume and job.folder.checkpoint.is_file():
            resume_training(job, state)
        train(job, state)


def make_job(config: TrainingConfig, source: CaseSource, run: RunFolder, context_level: int) -> LevelJob:
    """Return what training one level needs; CheckpointError where a level below is not finished."""
    folder, first = run.level(context_level), context_level == 1
    start = folder.initial if folder.initial.is_file() else run.level(context_level - 1).weights
    begun = folder.initial.is_file() or (config.cascade.warm_start and not first)
    return LevelJob(
        config=config,
        context_level=context_level,
        source=source,
        below=None if first else build_cascade([load_level(run.level(n).weights) for n in range(1, context_level)]),
        folder=folder,
        initial=load_level(start).state if begun else None,
    )


def start_from(
    config: TrainingConfig, run: RunFolder, start: Sequence[LevelWeights], levels: tuple[int, ...] = ()
) -> TrainingConfig:
    """Let the levels of a run start from trained ones; return the configuration, which says what those learned from.

    Where only some `levels` are to be trained, the others are taken over as they are. ConfigError for levels of any
    other network, grid or region; but levels that saw the whole volume on level 1's grid may learn to see a region on a
    finer one.
    """
    known = start[0].config
    for part in _find_differences(config, known, levels):
        raise ConfigError(
            f"preset {config.name!r} has another {part} than what it is to be trained on from "
            f"(preset {known.name!r}); take that section over, or train from scratch"
        )
    data = config.data.model_copy(update={"earlier": known.steps})
    config = config.model_copy(update={"data": data})
    for weights in start:
        number, given = weights.context_level, replace(weights, config=config)
        save_level(given, run.level(number).initial)
        if levels and number not in levels:
            save_level(given, run.level(number).weights)
    return config


def _find_differences(config: TrainingConfig, known: TrainingConfig, levels: tuple[int, ...]) -> Iterator[str]:
    """Yield the parts of a configuration in which no level can go on from what is known."""
    if known.network != config.network:
        yield "[network]"
    if (known.preprocessing.clip, known.preprocessing.shape_divisor) != (
        config.preprocessing.clip,
        config.preprocessing.shape_divisor,
    ):
        yield "[preprocessing]"
    first = _describe_grid(known, 1)
    for number, _ in enumerate(zip(config.level, known.level, strict=False), start=1):
        before, after = _describe_grid(known, number), _describe_grid(config, number)
        learns = number > 1 and (not levels or number in levels)
        if before != after and not (learns and before == first):
            yield f"grid or region of level {number}"


def _describe_grid(config: TrainingConfig, number: int) -> tuple[float, RegionSpec | None]:
    """Return how fine a level's grid is, and its region."""
    level = config.level[number - 1]
    return level.grid(config.preprocessing).spacing_mm, level.region


def build_cascade(levels: Sequence[LevelWeights]) -> AutoContextCascade:
    """Build a cascade of finished levels, ready to be evaluated."""
    finished = [new_level(weights.config, weights.context_level) for weights in levels]
    for level, weights in zip(finished, levels, strict=True):
        level.load_state_dict(weights.state)
    return AutoContextCascade(finished).requires_grad_(False).eval()


def load_levels(run: RunFolder) -> tuple[LevelWeights, ...]:
    """Load the weights of every level of a finished run; CheckpointError where one is missing."""
    first = load_level(run.level(1).weights)
    rest = range(2, first.config.context_levels + 1)
    return (first, *(load_level(run.level(n).weights) for n in rest))
