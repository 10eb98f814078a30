from pathlib import Path

import pytest
import torch

from tests.training.ablation.recipe import short_recipe
from tests.training.results import shown
from training.ablation.parts import COHORTS, RANDOMISATION, ablate_kind, ablate_randomisation
from training.ablation.study import FULL, format_table
from training.cases.sources import PhantomCache, list_seeds
from training.config.presets import load_config
from training.config.training import AugmentationConfig
from training.evaluation.cases import read_journal
from training.fitting.checkpoint import load_level
from training.phantom import SimulationRequest, simulate
from training.phantom.cohort import phantom_file, request_for, save_phantom


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for seed, (family, look) in enumerate(
        (("parametric", "grainy"), ("freeform", "grainy"), ("parametric", "compound"))
    ):
        save_phantom(phantom_file(folder, seed), simulate(SimulationRequest(seed, 8.0, family=family, look=look)))
    save_phantom(phantom_file(folder, 1_000_000), simulate(SimulationRequest(1_000_000, 8.0, look="grainy")))
    return folder


def test_excluded_looks_and_families_are_not_trained_on(phantoms: Path) -> None:
    cache, data = PhantomCache(phantoms), load_config("smoke").data
    assert list_seeds(cache, data) == cache.seeds()
    without = {"exclude_looks": ("grainy",)}, {"exclude_families": ("freeform",)}
    found = [list_seeds(cache, data.model_copy(update=update)) for update in without]
    assert found == [[2, 1_000_000], [0, 2, 1_000_000]]


def test_the_first_so_many_of_each_range_are_trained_on(phantoms: Path) -> None:
    data = load_config("smoke").data
    assert [len([s for s in (0, 1, 2) if s in cases]) for cases in data.train] == [3, 0]
    some = data.model_copy(update={"cases_at_most": (2, 5)})
    assert list_seeds(PhantomCache(phantoms), some) == [0, 1, 1_000_000]
    few = some.model_copy(update={"exclude_looks": ("compound",), "cases_at_most": (1, 0)})
    assert list_seeds(PhantomCache(phantoms), few) == [0, 1_000_000]


@pytest.mark.slow
def test_each_family_is_left_out_and_measured(phantoms: Path, tmp_path: Path) -> None:
    source, test = PhantomCache(phantoms), [request_for("test", number, 8.0) for number in range(2)]
    work = ablate_kind(short_recipe(3), "family", source, tmp_path, test)
    assert list(work.fit(source)) == ["full", "without_parametric", "without_freeform"]
    seen = {name: load_level(tmp_path / name / "level_1" / "weights.pt") for name in ("full", "without_parametric")}
    assert {level.cases for level in seen.values()} == {1}, "as many patients with the family as without"
    found = work.evaluate(shown)
    assert [(one.left_out, one.scans, one.cases, one.difference.cases) for one in found] == [
        ("parametric", "family_parametric", 2, 2),
        ("freeform", "family_freeform", 2, 2),
    ]
    assert all(one.difference.mean == pytest.approx(one.dsc_left_out - one.dsc_full) for one in found)
    for one in found:
        errors = (one.volume_error_full_percent, one.volume_error_left_out_percent)
        assert one.volume_error_difference.mean == pytest.approx(errors[1] - errors[0])
        assert f"| {errors[0]:.1f} to {errors[1]:.1f} | {errors[1] - errors[0]:+.2f} [" in format_table(found)
    assert format_table(found).count("\n") == 3
    assert {one.family for one in read_journal(tmp_path / "full/evaluation/family_freeform.jsonl")} == {"freeform"}

    again = ["full_seed_2", "without_parametric_seed_2", "without_freeform_seed_2"]
    assert list(work.fit(source, seeds=2))[3:] == again
    for before, one in zip(found, work.evaluate(shown, seeds=2), strict=True):
        assert one.difference.by_seed[0] == pytest.approx(before.difference.mean)
        assert one.difference.mean == pytest.approx(sum(one.difference.by_seed) / 2)
    first, second = (load_level(tmp_path / name / "level_1" / "weights.pt").state for name in ("full", again[0]))
    assert any(not torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_every_kind_of_randomisation_is_left_out_and_measured(phantoms: Path, tmp_path: Path) -> None:
    config, source = short_recipe(2), PhantomCache(phantoms)
    scans = {cohort: [request_for(cohort, number, 8.0) for number in range(2)] for cohort in COHORTS}
    work = ablate_randomisation(config, tmp_path, scans)
    assert len(list(work.fit(source))) == 1 + len(RANDOMISATION)
    made = load_level(tmp_path / "without_poses_and_sizes" / "level_1" / "weights.pt").config.augmentation
    assert made == config.augmentation.model_copy(update=dict(RANDOMISATION["poses and sizes"]))
    found = work.evaluate(shown)
    assert [(one.left_out, one.scans) for one in found] == [(kind, name) for kind in RANDOMISATION for name in COHORTS]
    assert all(one.difference.cases == 2 for one in found)
    assert format_table(found).count("\n") == 1 + 2 * len(RANDOMISATION)
    files = [tmp_path / FULL / name for name in ("evaluation/test.jsonl", "level_1/weights.pt")]
    begun = [file.stat().st_mtime_ns for file in files]
    assert len(list(work.fit(source))) == 1 + len(RANDOMISATION)
    assert work.evaluate(shown) == found
    assert [file.stat().st_mtime_ns for file in files] == begun


def test_kinds_name_every_randomisation_once() -> None:
    named = [name for kind, off in RANDOMISATION.items() if kind != "everything" for name in off]
    others = {"enabled", "rotation_degrees"}
    assert sorted(named) == sorted(set(AugmentationConfig.model_fields) - others)
