from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from app.imaging.volume import Float3
from training.cases import intensity
from training.cases.augment import augment, draw_augmentation
from training.cases.sources import GridCase, PhantomCache, prepare
from training.config.presets import load_config
from training.config.training import AugmentationConfig, TrainingConfig
from training.phantom.views import draw_rotation


@pytest.fixture(scope="module")
def case(cache: PhantomCache, smoke: TrainingConfig) -> GridCase:
    return prepare(cache.load(1), smoke.preprocessing)


def test_the_same_draw_gives_the_same_sample(case: GridCase, smoke: TrainingConfig) -> None:
    for seed in range(20):
        drawn = draw_augmentation(np.random.default_rng(seed), AugmentationConfig())
        first, second = (augment(case, drawn, (32, 24, 24), smoke.preprocessing) for _ in range(2))
        assert torch.equal(first.volume, second.volume)
        assert torch.equal(first.truth, second.truth)


def test_samples_are_finite_clipped_and_have_the_stages_shape(case: GridCase, smoke: TrainingConfig) -> None:
    low, high = smoke.preprocessing.clip
    for seed in range(60):
        drawn = draw_augmentation(np.random.default_rng(seed), AugmentationConfig())
        sample = augment(case, drawn, (32, 24, 24), smoke.preprocessing)
        assert sample.volume.shape == sample.truth.shape == (1, 1, 32, 24, 24)
        assert torch.isfinite(sample.volume).all()
        assert low <= float(sample.volume.min()) <= float(sample.volume.max()) <= high
        assert 0 <= float(sample.truth.min()) <= float(sample.truth.max()) <= 1


def test_the_papers_flips_and_half_turns_permute_voxels(case: GridCase) -> None:
    paper = load_config("paper").augmentation.model_copy(update={"erase_probability": 0.0})
    i, j, k = case.image.shape
    spec = load_config("smoke").preprocessing
    for seed in range(8):
        sample = augment(case, draw_augmentation(np.random.default_rng(seed), paper), (i, j, k), spec)
        flips = (np.flip(case.truth, axes) for axes in ((), 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2)))
        assert any(np.allclose(sample.truth.numpy()[0, 0], flip, atol=2e-3) for flip in flips)


def test_a_scan_cut_down_to_the_head_keeps_the_head_whole(case: GridCase, smoke: TrainingConfig) -> None:
    cutting = AugmentationConfig(
        close_crop_probability=1.0, crop_probability=0.0, rotation_probability=0.0, translation_mm=0.0
    )
    shape, spacing = (48, 48, 48), case.spacing_mm
    orders = set()
    for seed in range(12):
        drawn = draw_augmentation(np.random.default_rng(seed), cutting)
        whole = augment(case, replace(drawn, close=None), shape, smoke.preprocessing)
        cut = augment(case, drawn, shape, smoke.preprocessing)
        assert drawn.close is not None
        assert torch.equal(cut.truth, whole.truth)
        seen = bounds(cut.volume[0, 0] != cut.volume.min())
        head = bounds(cut.truth[0, 0] > 0.5)
        for (low, high), (start, stop), (first, last) in zip(drawn.close, seen, head, strict=True):
            assert start <= last
            assert first - start <= low / spacing + 0.5
            assert stop - last <= high / spacing + 0.5
        assert (cut.volume != cut.volume.min()).sum() < (whole.volume != whole.volume.min()).sum()
        orders.add(tuple(np.abs(drawn.pose.matrix).argmax(axis=0).tolist()))
    assert len(orders) > 2


def bounds(mask: torch.Tensor) -> list[tuple[int, int]]:
    held = torch.nonzero(mask)
    return list(zip(held.amin(0).tolist(), held.amax(0).tolist(), strict=True))


def test_rotations_are_rotations() -> None:
    turned = draw_rotation(np.random.default_rng(4), 180)
    assert np.allclose(turned @ turned.T, np.eye(3))
    assert np.linalg.det(turned) == pytest.approx(1)


def test_erasing_sets_a_box_to_zero() -> None:
    image = torch.ones(10, 20, 30)
    erased = intensity.erase(image, torch.Generator(), centre=(0.5, 0.5, 0.5), size=(0.4, 0.2, 0.2))
    assert float(erased[5, 10, 15]) == 0
    assert int((erased == 0).sum()) == 5 * 5 * 7
    assert float(image.min()) == 1


def test_a_shadow_darkens_beyond_its_start_only() -> None:
    wedge = intensity.Wedge((-1.0, 0, 0), (0.0, 0, 0), (0.0, 1, 0), (0.2, 0.2), start=1.0, left=0.1)
    shaded = intensity.shadow(torch.ones(33, 17, 17), torch.Generator(), wedge)
    assert float(shaded[30, 8, 8]) == pytest.approx(0.1, abs=0.01)
    assert float(shaded[2, 8, 8]) == pytest.approx(1, abs=0.01)
    assert float(shaded[30, 0, 0]) > 0.5


def test_blur_keeps_the_mass_of_a_point() -> None:
    point = torch.zeros(15, 15, 15)
    point[7, 7, 7] = 1
    blurred = intensity.blur(point, torch.Generator(), (1.0, 0.5, 1.5))
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    assert float(blurred[7, 7, 7]) < 0.3


@pytest.mark.parametrize("middle", [None, (16.0, 12.0, 12.0)])
def test_a_power_of_the_values_is_undone_where_serving_corrects_the_gamma(
    case: GridCase, smoke: TrainingConfig, middle: Float3 | None
) -> None:
    seen = replace(case, middle=middle)
    plain = replace(draw_augmentation(np.random.default_rng(3), smoke.augmentation), looks=(), synthesis=None)
    curved = replace(plain, looks=(partial(intensity.contrast, gamma=0.6, low=0.0, high=1.0),))
    changes = []
    for median_grey in (None, 0.33):
        spec = smoke.preprocessing.model_copy(update={"median_grey": median_grey})
        one, other = (augment(seen, drawn, (32, 24, 24), spec).volume for drawn in (plain, curved))
        changes.append(float((one - other).abs().mean()))
    assert changes[1] < 0.1 * changes[0]
