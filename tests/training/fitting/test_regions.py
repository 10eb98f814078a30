"""Level 1 on a coarse grid of the whole volume, level 2 in cubes around the head that it found."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from app.imaging.arrays import Float32, Float64
from app.imaging.levels import run_level, run_levels
from app.imaging.metrics import dsc
from app.imaging.postprocess import PostprocessingSpec
from app.imaging.preprocess import preprocess
from app.imaging.regions import crop, find_region
from app.imaging.resample import resample
from app.imaging.volume import Volume
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from training.cases.augment import augment, draw_augmentation, fit_to_grid
from training.cases.sources import GridCase, PhantomCache
from training.config.training import BudgetConfig, ConfigError, TrainingConfig
from training.evaluation.torch_segmenter import TorchSegmenter
from training.export.card import format_model_card
from training.export.publish import export
from training.export.weights import load_weights
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import load_level
from training.fitting.level_cases import open_cases, with_context
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_state
from training.fitting.validation import validate
from training.networks.cascade import AutoContextCascade

COARSE_MM, MIDDLE_MM, FINE_MM = 6.0, 5.0, 4.0
EXTENT_MM = 120.0
LEVELS = (
    {"grid_spacing_mm": COARSE_MM, "stage": [{"spacing_mm": COARSE_MM, "shape": (32, 24, 24)}]},
    {
        "region": {"extent_mm": EXTENT_MM, "margin_mm": 4.0},
        "stage": [
            {"spacing_mm": MIDDLE_MM, "until": 0.5, "shape": (24, 24, 24)},
            {"spacing_mm": FINE_MM, "shape": (32, 32, 32)},
        ],
    },
)
CPU = torch.device("cpu")


def regional_config(base: TrainingConfig, **changes: object) -> TrainingConfig:
    """A preset with level 1 on its grid and level 2 in cubes on one twice as fine."""
    served = base.preprocessing.model_copy(update={"spacing_mm": FINE_MM})
    return TrainingConfig.model_validate(base.model_dump() | {"preprocessing": served, "level": LEVELS} | changes)


@pytest.fixture(scope="module")
def regional(smoke: TrainingConfig) -> TrainingConfig:
    return regional_config(smoke, budget=BudgetConfig(steps=(4, 4)))


class Bright(torch.nn.Module):
    """A level that finds what is far brighter than the mean, and keeps the shapes of what it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: set[tuple[int, ...]] = set()

    def probability(self, volume: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        assert context is None
        self.shapes.add(tuple(volume.shape[2:]))
        return torch.sigmoid(4 * (volume - 1))


def bright_case(cache: PhantomCache, config: TrainingConfig, spacing_mm: float = FINE_MM) -> tuple[GridCase, Bright]:
    """A case on a grid, its head brighter than all else, and the level that found it."""
    case = cache.load(500000)
    bright = Volume((case.image.data // 3 + 100 * case.truth.data).astype(np.uint8), case.image.geometry)
    below = Bright()
    spec = config.preprocessing.model_copy(update={"spacing_mm": spacing_mm})
    cascade = AutoContextCascade([below])  # type: ignore[list-item]
    return with_context(replace(case, image=bright), spec, config, cascade, CPU), below


def head_middle(case: GridCase) -> Float64:
    """The middle of the box around the truth, mm from the middle of the grid."""
    inside = np.argwhere(case.truth >= 0.5)
    middle: Float64 = (inside.min(0) + inside.max(0)) / 2 - (np.array(case.truth.shape) - 1) / 2
    return middle * case.spacing_mm


@pytest.mark.slow
def test_both_levels_are_trained_on_their_own_grids(
    cache: PhantomCache, regional: TrainingConfig, tmp_path: Path
) -> None:
    auto_context.fit(regional, cache, RunFolder(tmp_path), (1, 2), resume=False)
    second = load_level(tmp_path / "level_2" / "weights.pt")
    assert second.steps == 4
    assert second.validation_dsc is not None
    job = auto_context.make_job(regional, cache, RunFolder(tmp_path), 2)
    stages = [job.stage(fraction) for fraction in (0.0, 0.49, 0.5, 1.0)]
    assert [stage.spacing_mm for stage in stages] == [MIDDLE_MM, MIDDLE_MM, FINE_MM, FINE_MM]
    assert [stage.shape for stage in stages] == [(24, 24, 24)] * 2 + [(32, 32, 32)] * 2


@pytest.mark.parametrize("spacing_mm", [MIDDLE_MM, FINE_MM])
def test_the_level_below_is_asked_once_on_its_own_grid_whatever_the_stage(
    cache: PhantomCache, regional: TrainingConfig, spacing_mm: float
) -> None:
    case, below = bright_case(cache, regional, spacing_mm)
    served = preprocess(cache.load(500000).image, regional.preprocessing).geometry
    assert below.shapes == {served.rescale(COARSE_MM, regional.preprocessing.shape_divisor).shape}
    assert case.context is not None
    assert case.context.shape == case.truth.shape
    assert dsc(case.context >= 0.5, case.truth >= 0.5) > 0.9
    assert case.middle is not None
    found = (np.array(case.middle) - (np.array(case.truth.shape) - 1) / 2) * spacing_mm
    assert np.abs(found - head_middle(case)).max() < COARSE_MM


def test_an_unchanged_cube_is_the_very_one_that_serving_cuts(cache: PhantomCache, regional: TrainingConfig) -> None:
    case, _ = bright_case(cache, regional)
    sample = fit_to_grid(case, (32, 32, 32), regional.preprocessing)
    assert case.context is not None
    assert sample.context is not None
    region = regional.level[1].region
    assert region is not None
    image, context = (values.astype(np.float32) for values in (case.image, case.context))
    box = find_region(context, region, FINE_MM, regional.preprocessing.shape_divisor)
    assert any(a < 0 or b > n for a, b, n in zip(box.start, box.stop, image.shape, strict=True))
    np.testing.assert_allclose(sample.volume[0, 0], crop(image, box, float(image.min())), atol=0.05)
    np.testing.assert_allclose(sample.context[0, 0], crop(context, box, 0.0), atol=1e-3)


def test_cubes_lie_around_the_head_with_their_context(cache: PhantomCache, regional: TrainingConfig) -> None:
    case, _ = bright_case(cache, regional)
    case = replace(case, context=case.truth)
    rng = np.random.default_rng(4)
    whole = float(case.truth.astype(np.float32).sum())
    gentle = regional.augmentation.model_copy(
        update={"crop_probability": 0.0, "scale": (1.0, 1.0), "translation_mm": 6.0}
    )
    for _ in range(8):
        sample = augment(case, draw_augmentation(rng, gentle), (32, 32, 32), regional.preprocessing)
        assert sample.context is not None
        assert torch.allclose(sample.context, sample.truth, atol=0.02)
        assert float(sample.truth.sum()) > 0.8 * whole


def test_validation_sees_what_serving_sees(cache: PhantomCache, regional: TrainingConfig, tmp_path: Path) -> None:
    auto_context.fit(regional, cache, RunFolder(tmp_path), (1,), resume=False)
    job = auto_context.make_job(regional, cache, RunFolder(tmp_path), 2)
    level, last = new_state(job).averaged, job.stage(1.0)
    validated: list[tuple[int, ...]] = []
    hook = level.register_forward_pre_hook(lambda _, given: validated.append(tuple(given[0].shape)))
    (found,) = validate(job, level, open_cases(job, last).validation, last)
    hook.remove()
    case = cache.load(1000000)
    served = preprocess(case.image, regional.preprocessing)
    image = served.tensor[0, 0]

    def first(seen: Float32, context: Float32 | None) -> Float32:
        assert job.below is not None
        answer: Float32 = job.below(torch.from_numpy(seen)).numpy()
        return answer

    def second(seen: Float32, context: Float32 | None) -> Float32:
        assert validated == [seen.shape]
        with torch.inference_mode():
            given = None if context is None else torch.from_numpy(context)
            answer: Float32 = level.probability(torch.from_numpy(seen), given).numpy()
        return answer

    (below,) = run_levels(regional.level[:1], [first], image, regional.preprocessing)
    probability = run_level(regional.level[1], second, image, below, regional.preprocessing).probability
    truth = resample(served.orientation.apply(case.truth), served.geometry).data
    assert found == pytest.approx(dsc(probability > 0.5, truth >= 0.5), abs=0.02)


@pytest.mark.parametrize(
    ("number", "change", "problem"),
    [
        (0, {"grid_spacing_mm": FINE_MM}, "trains at 6.0 mm, serving at 4.0 mm"),
        (0, {"grid_spacing_mm": 2.0, "stage": [{"spacing_mm": 2.0, "shape": (32, 24, 24)}]}, "must be coarser"),
        (0, {"region": {"margin_mm": 4.0}}, "level 1 sees the whole volume"),
        (1, {"stage": [{"spacing_mm": FINE_MM, "shape": (32, 32, 24)}]}, "must see the whole region"),
        (1, {"stage": [{"spacing_mm": FINE_MM, "shape": (32, 32, 36)}]}, "multiples of 8"),
    ],
)
def test_levels_that_cannot_be_are_refused(
    smoke: TrainingConfig, number: int, change: dict[str, object], problem: str
) -> None:
    levels = [dict(level) for level in LEVELS]
    levels[number] |= change
    with pytest.raises(ValueError, match=problem):
        regional_config(smoke, level=levels)


def test_a_level_of_whole_volumes_has_one_stage(smoke: TrainingConfig) -> None:
    coarse = {"stage": [{"spacing_mm": 9.0, "until": 0.5, "shape": (24, 16, 16)}, smoke.level[0].stage[0]]}
    with pytest.raises(ValueError, match="level 2 needs one stage"):
        TrainingConfig.model_validate(smoke.model_dump() | {"level": [smoke.level[0], coarse]})


@pytest.mark.slow
def test_a_model_of_regions_is_served_as_it_was_trained(
    cache: PhantomCache, regional: TrainingConfig, tmp_path: Path
) -> None:
    longer = regional.model_copy(update={"budget": BudgetConfig(steps=(40, 10))})
    auto_context.fit(longer, cache, RunFolder(tmp_path), (1, 2), resume=False)
    export(RunFolder(tmp_path), cache, tmp_path / "store", datetime(2025, 1, 1, tzinfo=UTC))
    stored = ModelStore(tmp_path / "store").resolve("fetal_head", None)
    first, second = stored.manifest.levels
    assert (first.grid_spacing_mm, first.region) == (COARSE_MM, None)
    assert (second.grid_spacing_mm, second.region) == (None, regional.level[1].region)
    assert second.region_gate is None
    assert stored.manifest.preprocessing.spacing_mm == FINE_MM
    served = HeadSegmenter(stored, RuntimeSettings(provider="cpu", threads=1))
    assert served.selftest() < 1e-3
    volume = cache.load(1000000).image
    found = served.segment(volume)
    prepared, levels = TorchSegmenter.of_run(RunFolder(tmp_path)).probabilities(volume)
    assert [level.shape for level in found.level_probabilities] == [prepared.geometry.shape] * 2
    for ours, theirs in zip(found.level_probabilities, levels, strict=True):
        assert dsc(ours >= 0.5, theirs >= 0.5) > 0.99
    assert not np.array_equal(found.level_probabilities[0], found.level_probabilities[1])
    told = f"level 1 on a {COARSE_MM} mm grid, level 2 on a {FINE_MM} mm grid in a cube of 120 mm around the head"
    assert told in format_model_card(stored.manifest, None)
    assert load_weights("fetal_head/1", tmp_path / "store")[0].config.level == regional.level


@pytest.mark.slow
def test_a_level_of_whole_volumes_may_learn_to_see_a_region_on_a_finer_grid(
    cache: PhantomCache, smoke: TrainingConfig, tmp_path: Path
) -> None:
    brief = smoke.model_copy(update={"budget": BudgetConfig(steps=(2, 2))})
    auto_context.fit(brief, cache, RunFolder(tmp_path / "a"), (1, 2), resume=False)
    start = load_weights(str(tmp_path / "a"), tmp_path)
    finer = regional_config(smoke, budget=BudgetConfig(steps=(0, 1)), name="finer")
    assert finer.trained_levels == (2,)
    begun = auto_context.start_from(finer, RunFolder(tmp_path / "b"), start, finer.trained_levels)
    assert [step.preset for step in begun.steps] == [smoke.name, "finer"]
    auto_context.fit(begun, cache, RunFolder(tmp_path / "b"), finer.trained_levels, resume=False)
    first, second = (load_level(tmp_path / "b" / f"level_{n}" / "weights.pt") for n in (1, 2))
    assert (first.steps, second.steps) == (2, 1)
    assert all(torch.equal(value, start[0].state[name]) for name, value in first.state.items())
    given = auto_context.make_job(begun, cache, RunFolder(tmp_path / "b"), 2).initial
    assert given is not None
    assert all(torch.equal(value, start[1].state[name]) for name, value in given.items())
    with pytest.raises(ConfigError, match="another grid or region of level 2"):
        auto_context.start_from(finer, RunFolder(tmp_path / "c"), start, (1,))
    with pytest.raises(ConfigError, match="another grid or region of level 2"):
        auto_context.start_from(smoke, RunFolder(tmp_path / "d"), load_weights(str(tmp_path / "b"), tmp_path))


@pytest.mark.slow
def test_a_model_that_learned_anatomy_tells_how_certain_it_is_of_the_pose(
    cache: PhantomCache, regional: TrainingConfig, tmp_path: Path
) -> None:
    network = {"architecture": "residual", "residual_channels": (4, 4, 4, 4)}
    shape = (32, 32, 32)
    first, second = (dict(level) for level in LEVELS)
    first["stage"] = [{"spacing_mm": COARSE_MM, "shape": shape}]
    second |= {"anatomy": True, "stage": [{"spacing_mm": FINE_MM, "shape": shape}]}
    served = regional.preprocessing.model_copy(update={"shape_divisor": 16})
    changes = {"network": network, "level": (first, second), "preprocessing": served, "budget": {"steps": (4, 4)}}
    config = TrainingConfig.model_validate(regional.model_dump() | changes)
    auto_context.fit(config, cache, RunFolder(tmp_path), (1, 2), resume=False)  # these cases know no frame
    export(RunFolder(tmp_path), cache, tmp_path / "store", datetime(2025, 1, 1, tzinfo=UTC))
    stored = ModelStore(tmp_path / "store").resolve("fetal_head", None)
    everything = {"postprocessing": PostprocessingSpec(threshold=0.05)}  # a network of four steps is sure of nothing
    stored = replace(stored, manifest=stored.manifest.model_copy(update=everything))
    found = HeadSegmenter(stored, RuntimeSettings(provider="cpu", threads=1)).segment(cache.load(1000000).image)
    assert found.quality.pose_certainty is not None
    assert 0 <= found.quality.pose_certainty < 0.5
    assert found.pose is None
