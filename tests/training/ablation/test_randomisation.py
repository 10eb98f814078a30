from pathlib import Path

import pytest

from tests.training.ablation.recipe import short_recipe
from tests.training.results import shown
from training.ablation.randomisation import (
    LEFT_OUT,
    PARTS,
    RandomisationAblation,
    format_table,
)
from training.ablation.recipes import FULL
from training.cases.sources import PhantomCache
from training.config.training import AugmentationConfig
from training.fitting.checkpoint import load_level
from training.phantom import SimulationRequest, simulate
from training.phantom.cohort import phantom_file, save_phantom


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for seed in (0, 1_000_000):
        save_phantom(phantom_file(folder, seed), simulate(SimulationRequest(seed, 8.0)))
    return folder


@pytest.mark.slow
def test_every_kind_of_randomisation_is_left_out_and_measured(phantoms: Path, tmp_path: Path) -> None:
    config = short_recipe(2)
    work = RandomisationAblation(config, tmp_path, cases=2, spacing=8.0)
    assert list(work.fit(PhantomCache(phantoms))) == [FULL, *LEFT_OUT]
    made = load_level(tmp_path / "without_poses_and_sizes" / "level_1" / "weights.pt").config.augmentation
    assert made == config.augmentation.model_copy(update=dict(LEFT_OUT["poses and sizes"]))
    full, found = work.evaluate(shown)
    assert [one.left_out for one in found] == list(LEFT_OUT)
    for one in found:
        for part in PARTS:
            assert one.difference[part].cases == 2
            assert one.difference[part].mean == pytest.approx(one.dsc[part] - full[part])
    assert format_table(full, found).count("\n") == 2 + len(LEFT_OUT)
    begun = (tmp_path / FULL / "evaluation" / "test.jsonl").stat().st_mtime_ns
    assert list(work.fit(PhantomCache(phantoms))) == [FULL, *LEFT_OUT]
    work.evaluate(shown)
    assert (tmp_path / FULL / "evaluation" / "test.jsonl").stat().st_mtime_ns == begun


def test_kinds_name_every_randomisation_once() -> None:
    named = [name for kind, off in LEFT_OUT.items() if kind != "everything" for name in off]
    others = {"enabled", "rotation_degrees"}
    assert sorted(named) == sorted(set(AugmentationConfig.model_fields) - others)
