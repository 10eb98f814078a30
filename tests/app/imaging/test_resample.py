from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from app.imaging.errors import ImagingError
from app.imaging.resample import apply_separable, interpolation_matrix, resample
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.geometries import oblique


def coordinates(geometry: VolumeGeometry) -> np.ndarray:
    """World coordinates (mm) of every voxel, (I, J, K, 3)."""
    indices = np.moveaxis(np.indices(geometry.shape), 0, -1)
    world: np.ndarray = indices @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    return world


def ramp(geometry: VolumeGeometry) -> np.ndarray:
    values: np.ndarray = 3.0 + coordinates(geometry) @ np.array([0.31, -0.17, 0.23])
    return values


def interior(array: np.ndarray, voxels: int) -> np.ndarray:
    return array[(slice(voxels, -voxels),) * 3]


@pytest.mark.parametrize("spacing", [0.3, 0.38, 0.95, 1.7, 2.1])
@pytest.mark.parametrize("antialias", [True, False])
def test_a_linear_ramp_stays_where_it_is(spacing: float, antialias: bool) -> None:
    source = VolumeGeometry((80, 70, 60), oblique((0.5, 0.6, 0.7)))
    target = source.rescale(spacing)
    result = resample(Volume(ramp(source), source), target, fill="edge", antialias=antialias)
    np.testing.assert_allclose(interior(result.data, 5), interior(ramp(target), 5), atol=2e-4)


@pytest.mark.parametrize("step", [0.4, 1.0, 1.03, 1.5, 2.5, 5.53])
def test_weights_sum_to_one_and_balance_on_their_position(step: float) -> None:
    weights = interpolation_matrix(200, int(180 / step), origin=10.0, step=step)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-9)
    assert weights.min() >= 0
    positions = 10.0 + step * np.arange(len(weights))
    inner = (positions > 10) & (positions < 190)
    np.testing.assert_allclose((weights @ np.arange(200))[inner], positions[inner], atol=1e-6)


@pytest.mark.parametrize("step", [1.5, 2.0, 4.2])
def test_antialiasing_has_the_variance_of_a_triangle_of_the_steps_width(step: float) -> None:
    weights = interpolation_matrix(101, 1, origin=50.0, step=step)[0]
    variance = weights @ (np.arange(101) - 50.0) ** 2
    assert variance == pytest.approx(step**2 / 6, rel=0.05)


def test_upsampling_by_two_interpolates_at_quarter_voxels() -> None:
    weights = interpolation_matrix(3, 6, origin=-0.25, step=0.5, edge=True)
    expected = [[4, 0, 0], [3, 1, 0], [1, 3, 0], [0, 3, 1], [0, 1, 3], [0, 0, 4]]
    np.testing.assert_allclose(4 * weights, np.array(expected, dtype=float), atol=1e-9)


def test_outside_the_field_of_view_is_fill() -> None:
    source = VolumeGeometry.from_spacing((4, 4, 4), (1.0, 1.0, 1.0))
    target = VolumeGeometry.from_spacing((8, 4, 4), (1.0, 1.0, 1.0))
    volume = Volume(np.full((4, 4, 4), 9, dtype=np.uint8), source)
    assert resample(volume, target, fill=-2.0).data[:, 0, 0] == pytest.approx([-2, -2, 9, 9, 9, 9, -2, -2])
    assert resample(volume, target, fill="edge").data[:, 0, 0] == pytest.approx([9] * 8)
    assert resample(volume, target).data[:, 0, 0] == pytest.approx([0, 0, 9, 9, 9, 9, 0, 0])


def test_the_same_grid_gives_the_same_values() -> None:
    geometry = VolumeGeometry((7, 8, 9), oblique())
    data = np.random.default_rng(1).integers(0, 255, (7, 8, 9)).astype(np.uint8)
    np.testing.assert_array_equal(resample(Volume(data, geometry), geometry).data, data.astype(np.float32))


def test_a_mirrored_grid_gives_mirrored_values() -> None:
    geometry = VolumeGeometry((7, 8, 9), oblique())
    data = np.random.default_rng(1).integers(0, 255, (7, 8, 9)).astype(np.uint8)
    mirrored = geometry.reorient((0, 1, 2), (True, False, True))
    result = resample(Volume(data, geometry), mirrored)
    np.testing.assert_allclose(result.data, data[::-1, :, ::-1], atol=1e-4)


@pytest.mark.parametrize("permutation", [(1, 0, 2), (2, 1, 0)])
def test_grids_with_other_axes_are_refused(permutation: tuple[int, int, int]) -> None:
    geometry = VolumeGeometry((16, 16, 16), np.diag([1.0, 1.0, 1.0, 1.0]))
    with pytest.raises(ImagingError) as caught:
        resample(Volume(np.zeros((16, 16, 16)), geometry), geometry.reorient(permutation, (False,) * 3))
    assert caught.value.code == "grids_not_aligned"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">i2", np.float32, np.float64])
def test_the_result_depends_on_values_alone(order: str, dtype: str) -> None:
    data = np.random.default_rng(2).integers(0, 255, (40, 33, 51))
    matrices = [interpolation_matrix(n, n // 3, 1.0, 3.0) for n in data.shape]
    plain = apply_separable(data.astype(np.float32), matrices)
    stored = np.array(data.astype(dtype), order=order)  # type: ignore[call-overload]
    np.testing.assert_array_equal(apply_separable(stored, matrices), plain)


@pytest.mark.parametrize("radius", [26.0, 38.4, 50.0])
def test_a_soft_sphere_keeps_its_volume_from_a_coarse_grid_to_a_fine_one(radius: float) -> None:
    fine = VolumeGeometry.from_spacing((180, 172, 176), (0.7, 0.7, 0.7))
    distance = np.linalg.norm(coordinates(fine) - [1.3, -0.4, 0.2], axis=-1)
    truth = (distance < radius).astype(np.uint8)
    soft = resample(Volume(truth, fine), fine.rescale(2.1, 8))
    restored = resample(soft, fine, fill="edge", antialias=False).data >= 0.5
    volume = restored.sum() * fine.voxel_volume_mm3
    curvature = 3 * (2 * 2.1**2 / 6) / radius**2
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.001 + curvature)
    if radius > 30:
        assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.005)


@pytest.mark.parametrize("order", ["C", "F"])
def test_leaving_out_the_zeros_of_a_matrix_changes_nothing(order: Literal["C", "F"]) -> None:
    shape, steps = (61, 75, 70), (2.6, 0.7, 1.0)
    values = np.random.default_rng(0).integers(0, 255, shape)
    data = np.asarray(values, dtype=np.uint8, order=order)
    matrices = [interpolation_matrix(n, 50, -3.0, step) for n, step in zip(shape, steps, strict=True)]
    expected = np.einsum("ai,bj,ck,ijk->abc", *matrices, values, optimize=True)
    np.testing.assert_allclose(apply_separable(data, matrices), expected, atol=1e-3)
