from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from app.inference.coarse import CoarserGrid
from app.inference.manifest import Focus
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from training.cases.augment import (
    Augmentation,
    Pose,
    at_head,
    augment,
    draw_augmentation,
    unaugmented,
)
from training.cases.sources import GridCase, PhantomCache, prepare
from training.config.training import (
    BudgetConfig,
    ConfigError,
    RefinementConfig,
    TrainingConfig,
)
from training.evaluation.metrics import count_overlap, dsc
from training.evaluation.torch_segmenter import TorchSegmenter
from training.export.card import model_card
from training.export.publish import export
from training.export.weights import weights_of
from training.fitting import cascade as auto_context
from training.fitting.checkpoint import load_level
from training.fitting.loop import LevelTrainer
from training.fitting.refinement import box_around, refined, with_coarse_context

COARSE_MM = 6.0
FINE_MM = 3.0


@pytest.fixture
def refining(smoke: TrainingConfig) -> TrainingConfig:
    """The smoke preset with its grid as level 1's, and level 2 on one twice as fine."""
    return TrainingConfig.model_validate(
        smoke.model_dump()
        | {
            "preprocessing": smoke.preprocessing.model_copy(update={"spacing_mm": FINE_MM}),
            "refinement": RefinementConfig(coarse_spacing_mm=COARSE_MM, shape=(40, 32, 32)),
            "budget": BudgetConfig(steps=(2, 2)),
        }
    )


def fine_case(cache: PhantomCache, config: TrainingConfig) -> GridCase:
    """A case whose coarse context is its own truth, blurred by the coarse grid."""
    case = prepare(cache.load(500000), config.preprocessing)
    return replace(case, context=case.truth)


def test_both_levels_are_trained_on_their_own_grids(
    cache: PhantomCache, refining: TrainingConfig, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = tmp_path_factory.mktemp("run")
    auto_context.fit(refining, cache, run, (1, 2), resume=False)
    assert refining.first_grid.spacing_mm == COARSE_MM
    second = load_level(run / "level_2" / "weights.pt")
    assert second.steps == 2
    assert second.validation_dsc is not None
    trainer = LevelTrainer(auto_context.level_job(refining, cache, run, 2), lambda: auto_context.new_level(refining))
    assert trainer.stage(0.0).spacing_mm == FINE_MM
    assert trainer.stage(0.0).shape == (40, 32, 32)


def test_the_coarse_context_lies_where_the_head_is(cache: PhantomCache, refining: TrainingConfig) -> None:
    case = prepare(cache.load(500000), refining.preprocessing)
    ramp = np.linspace(-2, 2, case.image.shape[0])[:, None, None] + np.zeros(case.image.shape)
    case = replace(case, image=ramp.astype(np.float16))

    class Bright(torch.nn.Module):
        """Says 1 where the coarse image is brighter than its mean."""

        def __init__(self) -> None:
            super().__init__()
            self.nothing = torch.nn.Parameter(torch.zeros(1))

        def forward(self, volume: torch.Tensor) -> torch.Tensor:
            assert volume.shape[2:] < tuple(case.image.shape)
            return (volume > 0).float()

    found = with_coarse_context(case, Bright(), CoarserGrid(FINE_MM, refining.first_grid)).context  # type: ignore[arg-type]
    assert found is not None
    assert found.shape == case.image.shape
    bright = case.image.astype(np.float32) > 0
    agree = (found.astype(np.float32) > 0.5) == bright
    assert agree.mean() > 0.95


def test_training_boxes_lie_around_the_head_with_their_context(cache: PhantomCache, refining: TrainingConfig) -> None:
    case = fine_case(cache, refining)
    rng = np.random.default_rng(4)
    seen = []
    for _ in range(8):
        drawn = at_head(draw_augmentation(rng, refining.augmentation.model_copy(update={"crop_probability": 0.0})))
        sample = augment(case, drawn, (40, 32, 32), refining.preprocessing)
        assert sample.context is not None
        assert torch.allclose(sample.context, sample.truth, atol=0.02)
        seen.append(float(sample.truth.sum()) / float(case.truth.astype(np.float32).sum()))
    assert np.median(seen) > 0.5


def test_an_unchanged_box_has_the_values_that_serving_gives_it(cache: PhantomCache, refining: TrainingConfig) -> None:
    case = fine_case(cache, refining)
    still = Augmentation(Pose(np.eye(3), 0.0, np.zeros(3)), (), None, None, 0)
    sample = augment(case, still, (40, 32, 32), refining.preprocessing)
    box = tuple(
        slice((n - length + 1) // 2, (n - length + 1) // 2 + length)
        for n, length in zip(case.image.shape, (40, 32, 32), strict=True)
    )
    served = torch.from_numpy(case.image[box].astype(np.float32))
    assert torch.allclose(sample.volume[0, 0], served, atol=0.05)


def test_outside_the_box_the_coarse_answer_stays(cache: PhantomCache, refining: TrainingConfig) -> None:
    case = fine_case(cache, refining)
    box = box_around(case.truth.astype(np.float32), 6.0, FINE_MM, 8)
    inside = np.zeros(case.truth.shape, bool)
    inside[box] = True
    assert not (case.truth.astype(np.float32) > 0.5)[~inside].any()
    sample = unaugmented(case)
    assert sample.context is not None
    level = auto_context.new_level(refining).eval()
    with torch.inference_mode():
        answer = refined(level, sample.volume, sample.context, box)
    assert torch.equal(answer[0, 0][~torch.from_numpy(inside)], sample.context[0, 0][~torch.from_numpy(inside)])
    assert not torch.equal(answer, sample.context)


@pytest.mark.parametrize(("coarse", "shape"), [(3.0, (40, 32, 32)), (6.0, (40, 32, 30))])
def test_grids_that_cannot_be_are_refused(smoke: TrainingConfig, coarse: float, shape: tuple[int, int, int]) -> None:
    changed = smoke.model_dump() | {
        "preprocessing": smoke.preprocessing.model_copy(update={"spacing_mm": FINE_MM}),
        "refinement": {"coarse_spacing_mm": coarse, "shape": shape},
    }
    with pytest.raises((ConfigError, ValueError)):
        TrainingConfig.model_validate(changed)


def test_a_refining_model_is_served_as_it_was_trained(
    cache: PhantomCache, refining: TrainingConfig, tmp_path: Path
) -> None:
    auto_context.fit(
        refining.model_copy(update={"budget": BudgetConfig(steps=(60, 20))}), cache, tmp_path, (1, 2), False
    )
    candidate = export(tmp_path, cache, tmp_path / "store", datetime(2025, 1, 1, tzinfo=UTC))
    stored = ModelStore(tmp_path / "store").resolve("fetal_head", None)
    assert stored.manifest.first_level == refining.first_grid
    assert stored.manifest.preprocessing.spacing_mm == FINE_MM
    focus = Focus(margin_mm=10.0, cases=1, dsc_loss=0.0)
    manifest = stored.manifest.model_copy(update={"focus": focus})
    served = HeadSegmenter(replace(stored, manifest=manifest), RuntimeSettings(provider="cpu", threads=1))
    assert served.selftest() < 1e-3
    trained = TorchSegmenter.of_run(tmp_path)
    volume = cache.load(1000000).image
    found = served.segment(volume)
    prepared, levels = trained.probabilities(volume)
    assert [level.shape for level in found.level_probabilities] == [prepared.geometry.shape] * 2
    for ours, theirs in zip(found.level_probabilities, levels, strict=True):
        assert dsc(count_overlap(ours >= 0.5, theirs >= 0.5)) > 0.99
    assert not np.array_equal(found.level_probabilities[0], found.level_probabilities[1])
    card = model_card(stored.manifest, None)
    assert f"level 1 on a {COARSE_MM} mm grid, level 2 in the head's box on a {FINE_MM} mm grid" in card
    assert weights_of("fetal_head/1", tmp_path / "store")[0].config.refinement == refining.refinement
    assert candidate.is_dir()
