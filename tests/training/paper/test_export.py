from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from training.cases.sources import PhantomCache
from training.config.data import SeedRange
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig
from training.evaluation.torch_segmenter import TorchSegmenter
from training.export.errors import ExportError
from training.export.publish import export
from training.fitting.run_folder import RunFolder
from training.paper.runs import make_run
from training.paper.systems import SYSTEMS
from training.phantom import SimulationRequest, simulate

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base() -> TrainingConfig:
    base = load_config("benchmark-smoke")
    ranges = (SeedRange(first=0, stop=10), SeedRange(first=500000, stop=500010))
    return base.model_copy(
        update={"budget": BudgetConfig(steps=(3, 1)), "data": base.data.model_copy(update={"train": ranges})}
    )


def trained(name: str, base: TrainingConfig, cache: PhantomCache, folder: Path) -> RunFolder:
    run = make_run(SYSTEMS[name], base, 1, folder)
    run.fit(cache, folder)
    return run.folder


def test_a_system_of_slices_is_exported_and_served(base: TrainingConfig, cache: PhantomCache, tmp_path: Path) -> None:
    slug = SYSTEMS["2D-USegNet"].slug
    run = trained("2D-USegNet", base, cache, tmp_path)
    export(run, cache, tmp_path / "store", datetime(2026, 1, 2, tzinfo=UTC), name=slug)
    segmenter = HeadSegmenter(ModelStore(tmp_path / "store").resolve(slug), RuntimeSettings(provider="cpu", threads=1))
    assert segmenter.selftest() < 1e-4
    volume = simulate(SimulationRequest(seed=5, spacing=5.0)).volume
    assert segmenter.segment(volume).mask.shape == volume.data.shape


def test_a_system_of_tiles_is_measured_but_not_exported(
    base: TrainingConfig, cache: PhantomCache, tmp_path: Path
) -> None:
    run = trained("p-USegNet", base, cache, tmp_path)
    volume = simulate(SimulationRequest(seed=5, spacing=5.0)).volume
    assert TorchSegmenter.of_run(run)(volume, None).mask.shape == volume.data.shape
    with pytest.raises(ExportError, match="a network of tiles is measured, not served"):
        export(run, cache, tmp_path / "store", datetime(2026, 1, 2, tzinfo=UTC))
