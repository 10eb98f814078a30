from pathlib import Path

import pytest

from tests.training.spheres import write_sphere
from training.cases.sources import PhantomCache
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PhantomCache:
    folder: Path = tmp_path_factory.mktemp("spheres")
    for seed in (0, 1, 2, 500000, 500001, 1000000):
        write_sphere(folder, seed)
    return PhantomCache(folder)


@pytest.fixture(scope="session")
def smoke() -> TrainingConfig:
    return load_config("smoke").model_copy(update={"budget": BudgetConfig(steps=(20, 10))})
