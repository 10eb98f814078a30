from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.inference.manifest import Tiling
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from training.cases.sources import PhantomCache
from training.config.data import SeedRange
from training.config.presets import load_config
from training.config.training import BudgetConfig, TrainingConfig
from training.export.publish import export
from training.paper.runs import run_of
from training.paper.systems import SYSTEMS
from training.phantom import SimulationRequest, simulate


@pytest.fixture(scope="module")
def base() -> TrainingConfig:
    base = load_config("benchmark-smoke")
    ranges = (SeedRange(first=0, stop=10), SeedRange(first=500000, stop=500010))
    return base.model_copy(
        update={"budget": BudgetConfig(steps=(3, 1)), "data": base.data.model_copy(update={"train": ranges})}
    )


@pytest.mark.parametrize(
    ("name", "tiling"),
    [("p-USegNet", Tiling(size_voxels=16, overlap=0.5)), ("2D-USegNet", None)],
)
def test_systems_are_exported_and_served(
    name: str, tiling: Tiling | None, base: TrainingConfig, cache: PhantomCache, tmp_path: Path
) -> None:
    system = SYSTEMS[name]
    run = run_of(system, base, 1, tmp_path)
    run.fit(cache, tmp_path)
    export(run.folder, cache, tmp_path / "store", datetime(2026, 1, 2, tzinfo=UTC), name=system.slug)
    stored = ModelStore(tmp_path / "store").resolve(system.slug)
    segmenter = HeadSegmenter(stored, RuntimeSettings(provider="cpu", threads=1))
    assert segmenter.manifest.tiling == tiling
    assert segmenter.selftest() < 1e-4
    volume = simulate(SimulationRequest(seed=5, spacing=5.0)).volume
    assert segmenter.segment(volume).mask.shape == volume.data.shape
