from pathlib import Path

import pytest
import torch

from training.cases.sources import PhantomCache
from training.config.data import SeedRange
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig
from training.fitting.checkpoint import load_level
from training.paper.runs import SystemRun, make_run
from training.paper.systems import SYSTEMS


@pytest.fixture
def base() -> TrainingConfig:
    base = load_config("benchmark-smoke")
    ranges = (SeedRange(first=0, stop=10), SeedRange(first=500000, stop=500010))
    return base.model_copy(
        update={"budget": BudgetConfig(steps=(2, 1)), "data": base.data.model_copy(update={"train": ranges})}
    )


def fitted(name: str, base: TrainingConfig, cache: PhantomCache, root: Path) -> SystemRun:
    run = make_run(SYSTEMS[name], base, 1, root)
    assert not run.is_finished()
    run.fit(cache, root)
    assert run.is_finished()
    return run


def test_auto_context_takes_over_level_1_of_the_same_network(
    base: TrainingConfig, cache: PhantomCache, tmp_path: Path
) -> None:
    alone = fitted("USegNet-DS-HAS", base, cache, tmp_path)
    both = fitted("USegNet-DS-HAS-Ctx", base, cache, tmp_path)
    first, taken = (load_level(run.folder.level(1).weights) for run in (alone, both))
    assert all(torch.equal(value, taken.state[name]) for name, value in first.state.items())
    assert taken.config.context_levels == 2
    assert load_level(both.folder.level(2).weights).steps == 1


def test_an_interrupted_run_goes_on_to_the_end_of_its_budget(
    base: TrainingConfig, cache: PhantomCache, tmp_path: Path
) -> None:
    fitted("USegNet", base, cache, tmp_path)
    longer = make_run(SYSTEMS["USegNet"], base.model_copy(update={"budget": BudgetConfig(steps=(3, 1))}), 1, tmp_path)
    assert not longer.is_finished()


@pytest.mark.parametrize("name", ["p-USegNet", "2D-USegNet"])
def test_tiles_and_slices_are_trained(name: str, base: TrainingConfig, cache: PhantomCache, tmp_path: Path) -> None:
    run = fitted(name, base, cache, tmp_path)
    score = load_level(run.folder.level(1).weights).validation_dsc
    assert score is not None
    assert 0 <= score <= 1
