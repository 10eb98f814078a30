"""Fitting the cascade level by level; level k learns on maps of levels that did not learn from the same case."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from training.checkpoint import LevelWeights, load_level, save_level
from training.config import ConfigError, TrainingConfig
from training.config_data import SIMULATED
from training.data import CaseSource, allowed
from training.job import ContextOf, LevelJob
from training.loop import LevelTrainer
from training.networks.architectures import build_network
from training.networks.cascade import AutoContextCascade, ContextLevel, input_channels
from training.refinement import finer_state


def fit(config: TrainingConfig, source: CaseSource, run: Path, levels: tuple[int, ...], resume: bool) -> None:
    """Fit the given context levels in order; each leaves `weights.pt` in its folder of the run."""
    for context_level in levels:
        for fold in _folds(config, context_level):
            fit_level(config, source, run, context_level, fold, resume)


def fit_level(
    config: TrainingConfig, source: CaseSource, run: Path, context_level: int, fold: int | None, resume: bool
) -> None:
    """Fit one level on all its cases (fold None), or on the cases outside of one fold."""
    job = level_job(config, source, run, context_level, fold)
    trainer = LevelTrainer(job, partial(new_level, config, context_level))
    if resume and (job.folder / "last.pt").is_file():
        trainer.resume()
    trainer.fit()


def level_job(config: TrainingConfig, source: CaseSource, run: Path, context_level: int, fold: int | None) -> LevelJob:
    """What fitting one level needs; CheckpointError where a level below is not finished."""
    given = initial_file(run, context_level)
    warm = config.cascade.warm_start and context_level > 1
    before = level_folder(run, context_level - 1, fold) / "weights.pt"
    return LevelJob(
        config=config,
        context_level=context_level,
        source=allowed(source, config.data),
        wanted=partial(_is_trained_on, config, context_level, fold),
        context_of=_frozen_levels(config, run, context_level, fold),
        folder=level_folder(run, context_level, fold),
        initial=load_level(given).state if given.is_file() else load_level(before).state if warm else None,
    )


def new_level(config: TrainingConfig, context_level: int) -> ContextLevel:
    """A level with fresh weights."""
    how, beside = config.cascade.join, config.network.field_of_view_channel
    network = build_network(config.network_of(context_level), input_channels(how, beside))
    return ContextLevel(network, how, field_of_view=beside)


def level_folder(run: Path, context_level: int, fold: int | None = None) -> Path:
    """Where a level of a run lives; level 0 is never read."""
    return run / (f"level_{context_level}" if fold is None else f"level_{context_level}_fold_{fold}")


def initial_file(run: Path, context_level: int) -> Path:
    """Weights that a level starts from, where a model is trained on; they come before a warm start."""
    return level_folder(run, context_level) / "initial.pt"


def start_from(
    config: TrainingConfig, run: Path, start: Sequence[LevelWeights], levels: tuple[int, ...] = ()
) -> TrainingConfig:
    """Let the levels of a run start from trained ones; returns the configuration, which says what those learned from.

    Where only some `levels` are to be trained, the others are taken over as they are. A refinement may start from a
    cascade whose one grid is that of its first level. ConfigError for levels of any other network or grid.
    """
    known = start[0].config
    finer = _refines(config, known)
    for part in () if finer else ("network", "preprocessing", "refinement"):
        if getattr(known, part) != getattr(config, part):
            raise ConfigError(
                f"preset {config.name!r} has another [{part}] than what it is to be trained on from "
                f"(preset {known.name!r}); take that section over, or train from scratch"
            )
    sources = (known.data.source, config.data.source)
    source = SIMULATED if set(sources) == {SIMULATED} else ", then ".join(sources)
    before = " ".join(filter(None, (known.data.continues, known.name)))
    data = config.data.model_copy(update={"source": source, "continues": before})
    config = config.model_copy(update={"data": data})
    for weights in start:
        number, state = weights.context_level, weights.state
        if finer and number > 1:
            state = finer_state(new_level(config, number), state)
        given = replace(weights, config=config, state=state)
        save_level(given, initial_file(run, number))
        if levels and number not in levels:
            save_level(given, level_folder(run, number) / "weights.pt")
    return config


def load_context_level(weights: LevelWeights) -> ContextLevel:
    """A finished level, ready to be evaluated."""
    level = new_level(weights.config, weights.context_level)
    level.mirrored = weights.context_level in weights.config.cascade.mirrored_levels
    level.load_state_dict(weights.state)
    return level.eval()


def finished_levels(run: Path) -> tuple[LevelWeights, ...]:
    """The weights of every level of a finished run; CheckpointError where one is missing."""
    first = load_level(level_folder(run, 1) / "weights.pt")
    rest = range(2, first.config.cascade.context_levels + 1)
    return (first, *(load_level(level_folder(run, n) / "weights.pt") for n in rest))


def load_cascade(run: Path, levels: int, fold: int | None = None) -> AutoContextCascade:
    """The first so many finished levels of a run."""
    numbers = range(1, levels + 1)
    finished = [load_context_level(load_level(level_folder(run, n, fold) / "weights.pt")) for n in numbers]
    return AutoContextCascade(finished).requires_grad_(False).eval()


def _refines(config: TrainingConfig, known: TrainingConfig) -> bool:
    """Whether level 1 of a refinement is what all levels of a known cascade are."""
    if config.refinement is None or known.refinement is not None or not config.network.fine_channels:
        return False
    return (known.network, known.preprocessing) == (config.network_of(1), config.first_grid)


def _folds(config: TrainingConfig, context_level: int) -> list[int | None]:
    """The fits a level needs: one per fold where a level above learns from its maps, then one on all cases."""
    is_context = config.cascade.out_of_fold == "kfold" and context_level < config.cascade.context_levels
    return [*range(config.cascade.folds), None] if is_context else [None]


def _is_trained_on(config: TrainingConfig, context_level: int, fold: int | None, seed: int) -> bool:
    """Whether this fit learns from the case."""
    if config.cascade.out_of_fold == "disjoint":
        return seed in config.data.train[context_level - 1]
    return any(seed in cases for cases in config.data.train) and (fold is None or seed % config.cascade.folds != fold)


def _frozen_levels(config: TrainingConfig, run: Path, context_level: int, fold: int | None) -> ContextOf:
    """The levels below for a case: in mode "kfold" those of the fold that held the case out."""
    below = context_level - 1
    if below == 0:
        return _no_context
    if config.cascade.out_of_fold == "disjoint" or fold is not None:
        only = load_cascade(run, below, fold)
        return lambda seed: only
    by_fold = [load_cascade(run, below, n) for n in range(config.cascade.folds)]
    return _by_fold(by_fold, load_cascade(run, below), config)


def _by_fold(by_fold: list[AutoContextCascade], full: AutoContextCascade, config: TrainingConfig) -> ContextOf:
    """Held-out levels for cases in training, the levels fitted on everything for validation cases."""

    def context_of(seed: int) -> AutoContextCascade:
        return full if seed in config.data.validation else by_fold[seed % len(by_fold)]

    return context_of


def _no_context(seed: int) -> None:
    """Level 1 sees the constant 0."""
