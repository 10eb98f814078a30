from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.imaging.quality import Limit, QualitySpec
from tests.helpers.makers import publish_threshold_model
from tests.training.spheres import write_sphere
from training.cases.sources import PhantomCache
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig
from training.export.publish import export
from training.export.rules import KeptChange, keep_change, keep_rules
from training.fitting import cascade
from training.fitting.run_folder import RunFolder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PhantomCache:
    folder: Path = tmp_path_factory.mktemp("spheres")
    for seed in (0, 1, 2, 500000, 500001, 1000000):
        write_sphere(folder, seed)
    return PhantomCache(folder)


@pytest.fixture(scope="session")
def finished_run(cache: PhantomCache, smoke: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, begun with a published model, with its candidate in `store`; whoever changes it copies it."""
    folder = tmp_path_factory.mktemp("finished")
    publish_threshold_model(folder / "published", quality=QualitySpec(components=Limit(review=17)))
    run = folder / "run"
    layout = RunFolder(run)
    keep_rules("fetal_head", folder / "published", layout)
    keep_change(KeptChange(share=0.5, threshold=0.43, cases=1, dsc={0.0: 0.9, 0.5: 0.95, 1.0: 0.94}), layout)
    cascade.fit(smoke.model_copy(update={"budget": BudgetConfig(steps=(2, 2))}), cache, layout, (1, 2), resume=False)
    export(layout, cache, layout.store, datetime(2026, 1, 2, tzinfo=UTC))
    return run


@pytest.fixture(scope="session")
def smoke() -> TrainingConfig:
    return load_config("smoke").model_copy(update={"budget": BudgetConfig(steps=(20, 10))})
