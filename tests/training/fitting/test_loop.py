import gc
from pathlib import Path

import pytest
import torch

from training.cases.sources import GridCases, PhantomCache
from training.config.training import BudgetConfig, ConfigError, TrainingConfig
from training.export.weights import load_weights
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import CheckpointError, load_level, resume_training
from training.fitting.job import LevelJob
from training.fitting.level_cases import open_cases
from training.fitting.loop import train
from training.fitting.run_folder import RunFolder
from training.fitting.state import TrainingState, new_state
from training.fitting.step import learning_rate


def first_level(config: TrainingConfig, cache: PhantomCache, folder: Path) -> tuple[LevelJob, TrainingState]:
    job = auto_context.make_job(config, cache, RunFolder(folder), 1)
    return job, new_state(job)


@pytest.mark.slow
def test_interrupted_training_continues_exactly(cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path) -> None:
    config = smoke.model_copy(update={"budget": BudgetConfig(steps=(8, 8))})
    job, whole = first_level(config, cache, tmp_path / "whole")
    train(job, whole)
    train(*first_level(config, cache, tmp_path / "parts"), stop_at_step=4)
    torch.manual_seed(99)
    job, rest = first_level(config, cache, tmp_path / "parts")
    resume_training(job, rest)
    assert rest.progress.step == 4
    train(job, rest)
    assert rest.progress.step == 8
    for name, value in whole.level.state_dict().items():
        assert torch.equal(value, rest.level.state_dict()[name]), name
        assert torch.equal(whole.averaged.state_dict()[name], rest.averaged.state_dict()[name]), name
    kept, told = (load_level(tmp_path / run / "level_1" / "weights.pt") for run in ("whole", "parts"))
    assert (kept.steps, kept.cases, kept.validation_dsc) == (told.steps, told.cases, told.validation_dsc)


def test_a_finished_level_leaves_no_cases_in_memory(cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path) -> None:
    """Trainings that follow each other in one process would fill the memory: cycles are collected too seldom."""
    before = {id(cases) for cases in cases_in_memory()}
    gc.disable()
    try:
        train(*first_level(smoke, cache, tmp_path), stop_at_step=2)
        assert [cases for cases in cases_in_memory() if id(cases) not in before] == []
    finally:
        gc.enable()


def cases_in_memory() -> list[GridCases]:
    return [found for found in gc.get_objects() if type(found) is GridCases]


def test_resuming_with_another_configuration_is_refused(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    train(*first_level(smoke, cache, tmp_path), stop_at_step=1)
    other = first_level(smoke.model_copy(update={"seed": 5}), cache, tmp_path)
    with pytest.raises(CheckpointError, match=f"the checkpoint in {tmp_path}/level_1 was made with another config"):
        resume_training(*other)


def test_learning_rate_warms_up_and_falls_to_one_per_cent(smoke: TrainingConfig) -> None:
    optimiser = smoke.optimiser
    peak = optimiser.learning_rate
    assert learning_rate(optimiser, 0.0) < 0.05 * peak
    assert learning_rate(optimiser, optimiser.warmup) == pytest.approx(peak)
    assert learning_rate(optimiser, 1.0) == pytest.approx(0.01 * peak)


@pytest.mark.slow
def test_second_level_starts_from_the_first_and_learns_on_its_maps(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    config = smoke.model_copy(update={"budget": BudgetConfig(steps=(2, 2))})
    auto_context.fit(config, cache, RunFolder(tmp_path), (1, 2), resume=False)
    first = load_level(tmp_path / "level_1" / "weights.pt")
    job = auto_context.make_job(config, cache, RunFolder(tmp_path), 2)
    assert job.initial is not None
    assert all(torch.equal(value, first.state[name]) for name, value in job.initial.items())
    assert list(open_cases(job, job.stage(0)).training.seeds()) == [500000, 500001]
    assert job.below is not None
    assert load_level(tmp_path / "level_2" / "weights.pt").cases > 0


def test_a_run_is_trained_on_from_another_ones_levels(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    config = smoke.model_copy(update={"budget": BudgetConfig(steps=(2, 2))})
    auto_context.fit(config, cache, RunFolder(tmp_path / "first"), (1, 2), resume=False)
    start = load_weights(str(tmp_path / "first"), tmp_path)
    longer = config.model_copy(update={"name": "longer", "seed": 8})
    run = tmp_path / "longer"
    started = auto_context.start_from(longer, RunFolder(run), start)
    assert [(step.preset, step.data) for step in started.steps] == [(config.name, "simulated"), ("longer", "simulated")]
    auto_context.fit(longer, cache, RunFolder(run), (1,), resume=False)
    for level in start:
        job = auto_context.make_job(longer, cache, RunFolder(run), level.context_level)
        assert job.initial is not None
        assert all(torch.equal(value, level.state[name]) for name, value in job.initial.items())
    wider = longer.model_copy(update={"network": longer.network.model_copy(update={"width": 2.0})})
    with pytest.raises(ConfigError, match=r"another \[network\]"):
        auto_context.start_from(wider, RunFolder(run), start)


def test_levels_that_are_not_trained_are_taken_over(cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path) -> None:
    config = smoke.model_copy(update={"budget": BudgetConfig(steps=(2, 2))})
    auto_context.fit(config, cache, RunFolder(tmp_path / "first"), (1, 2), resume=False)
    start = load_weights(str(tmp_path / "first"), tmp_path)
    run, second = tmp_path / "second", config.model_copy(update={"budget": BudgetConfig(steps=(0, 1))})
    begun = auto_context.start_from(second, RunFolder(run), start, second.trained_levels)
    auto_context.fit(begun, cache, RunFolder(run), second.trained_levels, resume=False)
    kept, trained = (load_level(run / f"level_{n}" / "weights.pt") for n in (1, 2))
    assert (kept.steps, trained.steps) == (2, 1)
    assert all(torch.equal(value, start[0].state[name]) for name, value in kept.state.items())
    assert not all(torch.equal(value, start[1].state[name]) for name, value in trained.state.items())


def test_a_level_without_a_budget_stays_what_it_began_as(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    config = smoke.model_copy(update={"budget": BudgetConfig(minutes=(0, 1))})
    assert config.trained_levels == (2,)
    job, state = first_level(config, cache, tmp_path)
    before = {name: value.clone() for name, value in state.level.state_dict().items()}
    train(job, state)
    kept = load_level(tmp_path / "level_1" / "weights.pt")
    assert kept.steps == 0
    assert all(torch.equal(value, before[name]) for name, value in kept.state.items())


def test_only_the_first_level_goes_from_coarse_to_fine(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    level, stage = smoke.level[0], smoke.level[0].stage[0]
    stages = (stage.model_copy(update={"spacing_mm": 9.0, "until": 0.5}), stage)
    levels = (level.model_copy(update={"stage": stages}), level)
    config = smoke.model_copy(update={"level": levels, "budget": BudgetConfig(steps=(2, 2))})
    first, _ = first_level(config, cache, tmp_path)
    assert [first.stage(fraction).spacing_mm for fraction in (0.0, 0.49, 0.5, 1.0)] == [9.0, 9.0, 6.0, 6.0]
    auto_context.fit(config, cache, RunFolder(tmp_path), (1,), resume=False)
    assert auto_context.make_job(config, cache, RunFolder(tmp_path), 2).stage(0.0).spacing_mm == 6.0
