from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.spatial.transform import Rotation

from app.imaging.errors import NotMeasurable
from app.imaging.nifti.file import decode_nifti
from app.imaging.orientation import Orientation, intrinsic_orientation
from app.imaging.preprocess import Preprocessed, PreprocessingSpec, fill_cavities, preprocess, resample_mask_like
from app.imaging.volume import Bool3, Index3, Volume, VolumeGeometry
from tests.helpers.geometries import SIGNED_PERMUTATIONS
from tests.helpers.makers import NiftiOptions, sphere_ml, sphere_volume, volume_bytes

SPEC = PreprocessingSpec(spacing_mm=2.1)
CORRECTED = PreprocessingSpec(spacing_mm=2.1, median_grey=0.33)


@pytest.fixture(scope="module")
def scan() -> Volume:
    rng = np.random.default_rng(5)
    data = rng.gamma(2, 20, (61, 40, 52)).clip(1, 255).astype(np.uint8)
    data[:9] = 0
    data[:, 30:] = 0
    return Volume(data, VolumeGeometry.from_spacing(data.shape, (0.9, 0.7, 1.3)))


@pytest.fixture(scope="module", params=[SPEC, CORRECTED], ids=["plain", "gamma corrected"])
def spec(request: pytest.FixtureRequest) -> PreprocessingSpec:
    chosen: PreprocessingSpec = request.param
    return chosen


@pytest.fixture(scope="module")
def expected(scan: Volume, spec: PreprocessingSpec) -> Preprocessed:
    return preprocess(scan, spec)


@pytest.mark.parametrize(("permutation", "flips"), SIGNED_PERMUTATIONS)
def test_any_storage_orientation_and_pose_gives_the_identical_input(
    scan: Volume, spec: PreprocessingSpec, expected: Preprocessed, permutation: Index3, flips: Bool3
) -> None:
    turned = scan.reorient(permutation, flips)
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("zyx", [33 * permutation[0] + 5, 71, -20], degrees=True).as_matrix()
    pose[:3, 3] = (120.3, -44.1, 9.7)
    single_precision = (pose @ turned.geometry.affine).astype(np.float32)
    stored = Volume(np.asfortranarray(turned.data), VolumeGeometry(turned.data.shape, single_precision))
    result = preprocess(stored, spec)
    np.testing.assert_array_equal(result.tensor, expected.tensor)
    np.testing.assert_array_equal(result.field_of_view, expected.field_of_view)


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u2", ">i4", "<f4", ">f4", "<f8", ">f8", "<i8"])
@pytest.mark.parametrize("version", [1, 2])
def test_any_number_type_and_byte_order_gives_the_identical_input(
    scan: Volume, spec: PreprocessingSpec, expected: Preprocessed, dtype: str, version: int
) -> None:
    stored = Volume(scan.data.astype(dtype), scan.geometry)
    options = NiftiOptions(version=version, endianness=">" if dtype.startswith(">") else "<", compress=True)
    decoded = decode_nifti(volume_bytes(stored, options)).volume
    np.testing.assert_array_equal(preprocess(decoded, spec).tensor, expected.tensor)


def test_equal_extents_are_told_apart_by_content() -> None:
    data = np.random.default_rng(3).integers(1, 9, (32, 32, 32)).astype(np.uint8)
    data[20:, 4:, 9:] = 200
    cube = Volume(data, VolumeGeometry.from_spacing(data.shape, (1.0, 1.0, 1.0)))
    plain = preprocess(cube, SPEC).tensor
    for permutation, flips in SIGNED_PERMUTATIONS:
        np.testing.assert_array_equal(preprocess(cube.reorient(permutation, flips), SPEC).tensor, plain)


def test_the_longest_axis_comes_first_and_the_bright_end_last() -> None:
    data = np.ones((10, 30, 20), dtype=np.uint8)
    data[:2, :5, 15:] = 200
    orientation = intrinsic_orientation(Volume(data, VolumeGeometry.from_spacing(data.shape, (1.0, 1.0, 1.0))))
    assert orientation == Orientation((1, 2, 0), (True, False, True))


def test_the_input_is_normalised_inside_the_field_of_view(scan: Volume, expected: Preprocessed) -> None:
    tensor, field = expected.tensor[0, 0], expected.field_of_view
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    assert tensor.shape == expected.geometry.shape
    assert tensor[field].mean() == pytest.approx(0, abs=0.01)
    assert tensor[field].std() == pytest.approx(1, abs=0.02)
    assert tensor.min() >= SPEC.clip[0]
    assert tensor.max() <= SPEC.clip[1]
    assert np.ptp(tensor[~field]) < 0.05
    seen = Volume((scan.data > 0).astype(np.uint8), scan.geometry)
    inside = resample_mask_like(seen, expected)
    assert field[inside > 0.6].all()
    assert not field[inside == 0].any()


def test_values_scaled_linearly_give_the_same_input(
    scan: Volume, spec: PreprocessingSpec, expected: Preprocessed
) -> None:
    scaled = Volume(scan.data.astype(np.float32) * np.float32(3.7) + np.float32(100), scan.geometry)
    result = preprocess(scaled, spec)
    atol = 1e-4 if spec == SPEC else 2e-3  # corrected values are rounded to 16 bits
    np.testing.assert_allclose(result.tensor, expected.tensor, atol=atol)


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_volume_is_refused(value: int) -> None:
    flat = Volume(np.full((20, 20, 20), value, dtype=np.uint8), VolumeGeometry((20, 20, 20), np.eye(4)))
    with pytest.raises(NotMeasurable) as caught:
        preprocess(flat, SPEC)
    assert caught.value.code == "constant_image"


def test_a_volume_with_nan_is_refused() -> None:
    data = np.ones((20, 20, 20), dtype=np.float32)
    data[3, 3, 3] = np.nan
    with pytest.raises(NotMeasurable) as caught:
        preprocess(Volume(data, VolumeGeometry((20, 20, 20), np.eye(4))), SPEC)
    assert caught.value.code == "not_finite"


def test_a_volume_that_shows_nothing_but_a_speck_is_refused() -> None:
    data = np.zeros((24, 24, 24), dtype=np.float32)
    data[11, 11, 11] = 1e-3
    with pytest.raises(NotMeasurable) as caught:
        preprocess(Volume(data, VolumeGeometry((24, 24, 24), np.eye(4))), PreprocessingSpec(spacing_mm=6.0))
    assert caught.value.code == "empty_field_of_view"


def test_the_soft_truth_keeps_the_masks_volume_and_place() -> None:
    volume = sphere_volume(30.0, shape=(80, 90, 72), spacing_mm=(1.0, 0.9, 1.2))
    mask = Volume((volume.data > 110).astype(np.uint8), volume.geometry)
    preprocessed = preprocess(volume, SPEC)
    soft = resample_mask_like(mask, preprocessed)
    assert soft.shape == preprocessed.geometry.shape
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    assert soft.sum() * preprocessed.geometry.voxel_volume_mm3 / 1000 == pytest.approx(sphere_ml(30.0), rel=0.005)
    bright = preprocessed.tensor[0, 0] > preprocessed.tensor[0, 0][soft > 0.99].mean() - 0.3
    assert soft[bright].min() > 0.5


def test_only_closed_cavities_are_filled() -> None:
    mask = np.zeros((7, 7, 7), dtype=bool)
    mask[1:6, 1:6, 1:6] = True
    mask[3, 3, 3] = False
    closed = fill_cavities(mask)
    assert closed.sum() == 125
    mask[3, 3, 3:] = False
    assert fill_cavities(mask).sum() == mask.sum()
    mask[3, 3, 3:] = True
    mask[2, 2, 1] = False
    assert fill_cavities(mask).sum() == mask.sum()


def test_a_specification_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        PreprocessingSpec.model_validate({"spacing_mm": 2.0, "sigma": 1})
    with pytest.raises(ValidationError):
        PreprocessingSpec(spacing_mm=0.0)
