from __future__ import annotations

import itertools

import numpy as np
import pytest

from app.imaging.errors import NotMeasurable
from app.imaging.volume import Volume, VolumeGeometry, corresponding_box
from tests.helpers.geometries import oblique


def world(geometry: VolumeGeometry, *index: float) -> np.ndarray:
    place: np.ndarray = geometry.affine[:3, :3] @ np.asarray(index) + geometry.affine[:3, 3]
    return place


def test_spacing_volume_and_extent_come_from_the_affine() -> None:
    geometry = VolumeGeometry((10, 20, 30), oblique())
    assert geometry.spacing_mm == (0.5, 0.7, 1.1)
    assert geometry.voxel_volume_mm3 == pytest.approx(0.5 * 0.7 * 1.1)
    assert geometry.extent_mm == pytest.approx((5.0, 14.0, 33.0))


def test_a_mirrored_affine_has_a_positive_voxel_volume() -> None:
    affine = oblique() @ np.diag([-1.0, 1.0, 1.0, 1.0])
    assert VolumeGeometry((4, 4, 4), affine).voxel_volume_mm3 == pytest.approx(0.385)


@pytest.mark.parametrize(
    ("affine", "code"),
    [
        (np.zeros((4, 4)), "affine_singular"),
        (np.diag([1.0, 1.0, 0.0, 1.0]), "affine_singular"),
        (np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "affine_singular"),
        (np.array([[1, 0.1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "affine_sheared"),
        (np.diag([1.0, np.nan, 1.0, 1.0]), "affine_not_finite"),
        (np.diag([1.0, np.inf, 1.0, 1.0]), "affine_not_finite"),
        (np.eye(3), "affine_not_finite"),
    ],
)
def test_an_affine_that_measures_nothing_is_refused(affine: np.ndarray, code: str) -> None:
    with pytest.raises(NotMeasurable) as caught:
        VolumeGeometry((4, 4, 4), affine)
    assert caught.value.code == code


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 0), (2, 2, 2, 2)])
def test_a_shape_that_is_no_volume_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(NotMeasurable, match="not a volume"):
        VolumeGeometry(shape, np.eye(4))


def test_data_and_geometry_must_agree() -> None:
    with pytest.raises(NotMeasurable, match="differ in shape"):
        Volume(np.zeros((2, 3, 4)), VolumeGeometry((4, 3, 2), np.eye(4)))


def test_geometry_is_a_value() -> None:
    one, same = VolumeGeometry((4, 5, 6), oblique()), VolumeGeometry((4, 5, 6), oblique())
    assert one == same
    assert hash(one) == hash(same)
    assert one != VolumeGeometry((4, 5, 6), np.eye(4))
    with pytest.raises(ValueError, match="read-only"):
        one.affine[0, 0] = 3.0


@pytest.mark.parametrize(("spacing", "divisor"), [(0.95, 1), (0.95, 8), (2.1, 8), (0.3, 4)])
def test_rescaled_is_isotropic_aligned_and_concentric(spacing: float, divisor: int) -> None:
    source = VolumeGeometry((155, 103, 61), oblique())
    scaled = source.rescale(spacing, divisor)
    assert scaled.spacing_mm == pytest.approx((spacing,) * 3, abs=1e-5)
    assert all(n % divisor == 0 for n in scaled.shape)
    assert all(n * spacing >= extent - 1e-2 for n, extent in zip(scaled.shape, source.extent_mm, strict=True))
    assert all((n - divisor) * spacing < extent for n, extent in zip(scaled.shape, source.extent_mm, strict=True))
    centres = [world(g, *((np.asarray(g.shape) - 1) / 2)) for g in (source, scaled)]
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-9)
    directions = np.linalg.solve(source.affine[:3, :3], scaled.affine[:3, :3])
    np.testing.assert_allclose(directions, np.diag(np.diag(directions)), atol=1e-9)


def test_rescaling_to_the_same_spacing_keeps_the_grid() -> None:
    source = VolumeGeometry((155, 103, 176), np.diag([0.95, 0.95, 0.95, 1.0]))
    assert source.rescale(0.95).shape == source.shape
    np.testing.assert_allclose(source.rescale(0.95).affine, source.affine, atol=1e-9)


def test_cropped_voxels_stay_where_they_are() -> None:
    geometry = VolumeGeometry((10, 20, 30), oblique())
    crop = geometry.crop((2, 3, 4), (8, 13, 10))
    assert crop.shape == (6, 10, 6)
    np.testing.assert_allclose(world(crop, 1, 1, 1), world(geometry, 3, 4, 5))


@pytest.mark.parametrize("permutation", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_reoriented_voxels_stay_where_they_are(
    permutation: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> None:
    geometry = VolumeGeometry((3, 4, 5), oblique())
    data = np.arange(60).reshape(3, 4, 5)
    turned = Volume(data, geometry).reorient(permutation, flips)
    for index in np.ndindex(turned.data.shape):
        source = np.argwhere(data == turned.data[index])[0]
        np.testing.assert_allclose(world(turned.geometry, *index), world(geometry, *source), atol=1e-9)


def test_the_corresponding_box_holds_the_voxels_with_their_centre_inside() -> None:
    fine = VolumeGeometry.from_spacing((20, 30, 40), (1.0, 1.0, 1.0))
    coarse = VolumeGeometry.from_spacing((6, 8, 10), (4.0, 4.0, 4.0))
    assert corresponding_box(coarse.crop((2, 3, 4), (4, 4, 5)), fine) == ((6, 11, 16), (14, 15, 20))
    assert corresponding_box(fine.crop((1, 0, 0), (19, 30, 40)), coarse) == ((1, 0, 0), (5, 8, 10))
    assert corresponding_box(fine.crop((0, 0, 0), (1, 1, 1)), coarse) == ((0, 0, 0), (1, 1, 1))
