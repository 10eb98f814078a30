from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.gamma import STEPS, correct_gamma, find_exponent, measure_middle
from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.sampling import SAMPLES, sample_evenly
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.geometries import SIGNED_PERMUTATIONS

Values = NDArray[np.float64]
MIDDLE = 0.33


@pytest.fixture(scope="module")
def echoes() -> Values:
    """A scan of speckle in (0, 1] with black on two sides."""
    rng = np.random.default_rng(8)
    values: Values = (0.01 + rng.gamma(2, 0.12, (48, 40, 44))).clip(0.01, 1)
    values[:7] = 0
    values[:, 33:] = 0
    return values


def as_volume(values: NDArray[np.generic]) -> Volume:
    return Volume(values, VolumeGeometry.from_spacing(values.shape, (1.0, 1.0, 1.0)))


@pytest.mark.parametrize("gamma", [0.5, 0.8, 1.25, 2.0])
def test_every_power_of_the_values_gives_the_same_volume(echoes: Values, gamma: float) -> None:
    plain, other = (correct_gamma(as_volume(v), MIDDLE).data.astype(float) for v in (echoes, echoes**gamma))
    assert np.abs(plain - other).max() < 0.002 * STEPS


@pytest.mark.parametrize("gamma", [0.8, 1.25])
def test_a_gamma_curve_of_8_bits_hardly_changes_a_networks_input(echoes: Values, gamma: float) -> None:
    levels = np.rint(echoes * 255)
    curved = np.rint((levels / 255) ** gamma * 255)
    spec = PreprocessingSpec(spacing_mm=2.0, median_grey=MIDDLE)
    plain, other = (preprocess(as_volume(v.astype(np.uint8)), spec) for v in (levels, curved))
    inside = plain.field_of_view
    assert np.abs(plain.tensor - other.tensor)[0, 0][inside].mean() < 0.02
    without = spec.model_copy(update={"median_grey": None})
    plain, other = (preprocess(as_volume(v.astype(np.uint8)), without) for v in (levels, curved))
    assert np.abs(plain.tensor - other.tensor)[0, 0][inside].mean() > 0.05


def test_an_offset_and_a_factor_change_nothing(echoes: Values) -> None:
    plain = correct_gamma(as_volume(echoes), MIDDLE).data.astype(float)
    other = correct_gamma(as_volume(echoes * 1700 - 500), MIDDLE).data.astype(float)
    assert np.abs(plain - other).max() < 0.001 * STEPS


def test_the_median_echo_becomes_what_was_asked_for(echoes: Values) -> None:
    corrected = correct_gamma(as_volume(echoes), MIDDLE).data
    seen = corrected[corrected > 0] / STEPS
    assert measure_middle(seen) == pytest.approx(MIDDLE, abs=0.02)


def test_black_stays_black_and_every_echo_stays_above_it(echoes: Values) -> None:
    corrected = correct_gamma(as_volume(echoes), MIDDLE).data
    np.testing.assert_array_equal(corrected == 0, echoes == 0)


def test_volumes_that_are_nearly_black_or_white_keep_their_noise_down() -> None:
    assert find_exponent(np.full(100, 0.9999), MIDDLE) == 1.0
    nearly_black = np.concatenate([np.full(90, 0.001), np.full(10, 1.0)])
    assert find_exponent(nearly_black, MIDDLE) == 0.4
    nearly_white = np.concatenate([np.full(90, 0.99), np.full(10, 1.0)])
    assert find_exponent(nearly_white, MIDDLE) == 6.0
    assert find_exponent(np.zeros(0), MIDDLE) == 1.0


@pytest.mark.parametrize("shape", [(90, 81, 77), (4, 900, 901), (1, 1, 700_000), (2, 600, 601)])
def test_a_sample_is_the_same_in_any_storage_order(shape: tuple[int, int, int]) -> None:
    data = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)
    expected = np.sort(sample_evenly(data))
    assert SAMPLES / 30 < expected.size < 30 * SAMPLES
    assert np.unique(expected).size == expected.size
    for permutation, flips in SIGNED_PERMUTATIONS:
        turned = data.transpose(permutation)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        np.testing.assert_array_equal(np.sort(sample_evenly(turned)), expected)
