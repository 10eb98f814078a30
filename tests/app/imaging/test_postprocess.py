from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from app.imaging.arrays import Float32
from app.imaging.postprocess import (
    PostprocessingSpec,
    bounding_box,
    component_sizes,
    fill_holes,
    head_volume_ml,
    largest_component,
    restore,
    segment_mask,
)
from app.imaging.preprocess import Preprocessed, PreprocessingSpec, preprocess, resample_mask_like
from app.imaging.volume import Bool3, Index3, Volume, VolumeGeometry
from tests.helpers.geometries import SIGNED_PERMUTATIONS
from tests.helpers.makers import sphere_ml, sphere_volume

RULES = PostprocessingSpec()


def soft_truth(volume: Volume, spacing_mm: float = 2.1) -> tuple[Float32, Preprocessed]:
    """A perfect network's answer for a sphere volume."""
    preprocessed = preprocess(volume, PreprocessingSpec(spacing_mm=spacing_mm))
    mask = Volume((volume.data > 110).astype(np.uint8), volume.geometry)
    return resample_mask_like(mask, preprocessed), preprocessed


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [
        ((128, 120, 124), (1.0, 1.0, 1.0)),
        ((128, 110, 60), (0.9, 1.05, 2.0)),
        ((50, 40, 44), (2.4, 2.9, 2.7)),
        ((250, 230, 240), (0.45, 0.48, 0.46)),
    ],
)
def test_a_sphere_keeps_its_volume_on_the_way_back(shape: Index3, spacing: tuple[float, float, float]) -> None:
    volume = sphere_volume(38.4, shape, spacing)
    probability, preprocessed = soft_truth(volume)
    found = segment_mask(probability, preprocessed, volume.geometry, RULES)
    assert found.components == 1
    assert found.mask.dtype == np.uint8
    assert found.mask.shape == shape
    assert head_volume_ml(found.mask, volume.geometry) == pytest.approx(sphere_ml(38.4), rel=0.006)
    assert head_volume_ml(found.head, volume.geometry) == head_volume_ml(found.mask, volume.geometry)
    truth = volume.data > 110
    overlap = 2 * (truth & (found.mask > 0)).sum() / (truth.sum() + found.mask.sum())
    assert overlap > 0.98


@pytest.mark.parametrize(("permutation", "flips"), SIGNED_PERMUTATIONS)
def test_the_mask_comes_back_in_the_stored_orientation(permutation: Index3, flips: Bool3) -> None:
    volume = sphere_volume(30.0, (44, 40, 36), (1.9, 2.0, 2.2))
    plain = segment_mask(*soft_truth(volume), volume.geometry, RULES)
    turned = volume.reorient(permutation, flips)
    found = segment_mask(*soft_truth(turned), turned.geometry, RULES)
    expected = Volume(plain.mask, volume.geometry).reorient(permutation, flips)
    np.testing.assert_array_equal(found.mask, expected.data)


def test_nothing_found_is_an_empty_mask() -> None:
    volume = sphere_volume()
    probability, preprocessed = soft_truth(volume)
    found = segment_mask(probability * np.float32(0.49), preprocessed, volume.geometry, RULES)
    assert found.components == 0
    assert not found.mask.any()
    assert head_volume_ml(found.mask, volume.geometry) == 0


def test_a_whole_array_of_head_is_answered() -> None:
    volume = sphere_volume()
    probability, preprocessed = soft_truth(volume)
    found = segment_mask(np.ones_like(probability), preprocessed, volume.geometry, RULES)
    assert found.mask.all()


def test_only_the_largest_piece_without_its_holes_is_the_head() -> None:
    volume = sphere_volume(30.0)
    probability, preprocessed = soft_truth(volume)
    whole = segment_mask(probability, preprocessed, volume.geometry, RULES)
    probability[2:7, 2:7, 2:7] = 1.0
    centre = tuple(int(n) for n in np.argwhere(probability > 0.99).mean(axis=0))
    probability[tuple(slice(n - 2, n + 2) for n in centre)] = 0.0
    found = segment_mask(probability, preprocessed, volume.geometry, RULES)
    assert found.components == 2
    np.testing.assert_array_equal(found.mask, whole.mask)
    unfilled = RULES.model_copy(update={"fill_holes": False})
    hollow = segment_mask(probability, preprocessed, volume.geometry, unfilled)
    assert hollow.mask.sum() < whole.mask.sum()
    everything = RULES.model_copy(update={"largest_component": False})
    assert segment_mask(probability, preprocessed, volume.geometry, everything).mask.sum() > whole.mask.sum()


def test_specks_are_not_counted() -> None:
    volume = sphere_volume(38.4)
    probability, preprocessed = soft_truth(volume)
    probability[1, 1, 1] = 1.0
    assert segment_mask(probability, preprocessed, volume.geometry, RULES).components == 1


def test_the_probability_is_restored_around_the_head_alone() -> None:
    volume = sphere_volume(25.0, (128, 120, 124), (1.0, 1.0, 1.0))
    probability, preprocessed = soft_truth(volume)
    restored = restore(probability, preprocessed, volume.geometry, RULES)
    sizes = np.subtract(restored.stop, restored.start)
    assert restored.values.shape == tuple(sizes)
    assert (sizes < 2 * (25.0 + RULES.head_margin_mm + 3 * 2.1)).all()
    for face in (restored.values[0], restored.values[-1], restored.values[:, 0], restored.values[:, :, -1]):
        assert face.max() < 0.5


def test_components_touch_at_corners() -> None:
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[4, 4, 4] = True
    assert sorted(component_sizes(mask)) == [1, 2]
    assert largest_component(mask).sum() == 2
    assert largest_component(np.zeros((3, 3, 3), dtype=bool)).sum() == 0


def test_holes_are_filled_and_bays_are_not() -> None:
    mask = np.ones((5, 5, 5), dtype=bool)
    mask[2, 2, 2] = False
    assert fill_holes(mask).all()
    mask[2, 2, :3] = False
    assert fill_holes(mask).sum() == 122


def test_the_bounding_box_has_a_margin_inside_the_array() -> None:
    mask = np.zeros((10, 10, 10), dtype=bool)
    mask[3:5, 0:2, 9] = True
    assert bounding_box(mask) == ((3, 0, 9), (5, 2, 10))
    assert bounding_box(mask, 2) == ((1, 0, 7), (7, 4, 10))
    assert bounding_box(np.zeros((4, 5, 6), dtype=bool)) == ((0, 0, 0), (4, 5, 6))


def test_the_volume_is_voxels_times_the_determinant() -> None:
    affine = np.diag([-0.5, 2.0, 4.0, 1.0])
    mask = np.zeros((10, 10, 10), dtype=np.uint8)
    mask[:5] = 1
    assert head_volume_ml(mask, VolumeGeometry((10, 10, 10), affine)) == pytest.approx(500 * 4.0 / 1000)


def test_a_specification_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        PostprocessingSpec.model_validate({"treshold": 0.4})
    with pytest.raises(ValidationError):
        PostprocessingSpec(threshold=1.0)
