from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.imaging.orientation import Orientation
from app.imaging.postprocess import PostprocessingSpec
from app.imaging.preprocess import Preprocessed
from app.imaging.reliability import dilate, dsc, measure_reliability, surface
from app.imaging.volume import VolumeGeometry

RULES = PostprocessingSpec()
SHAPE = (24, 24, 24)


def cube(start: int = 6, stop: int = 16, value: float = 1.0) -> np.ndarray:
    probability = np.zeros(SHAPE, dtype=np.float32)
    probability[(slice(start, stop),) * 3] = value
    return probability


@pytest.fixture
def everywhere() -> Preprocessed:
    return Preprocessed(
        tensor=np.zeros((1, 1, *SHAPE), dtype=np.float32),
        geometry=VolumeGeometry(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])),
        orientation=Orientation((0, 1, 2), (False, False, False)),
        field_of_view=np.ones(SHAPE, dtype=bool),
        covered=((0, 0, 0), SHAPE),
    )


def test_a_certain_head_in_mid_view(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube(), cube()], everywhere, RULES)
    assert numbers.context_agreement_dsc == 1
    assert numbers.level_volume_change == 0
    assert numbers.foreground_entropy == pytest.approx(0, abs=1e-4)
    assert numbers.components == 1
    assert numbers.outside_mass_fraction == pytest.approx(0, abs=1e-6)
    assert numbers.soft_volume_change == pytest.approx(0, abs=1e-6)
    assert numbers.fov_contact_fraction == 0
    assert numbers.outside_fov_fraction == 0


def test_a_cube_fills_as_much_of_its_ellipsoid_as_a_cube_does(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube(4, 20)], everywhere, RULES)
    cube_in_ellipsoid = 1 / (4 / 3 * np.pi * 5**1.5 / 12**1.5)
    assert numbers.ellipsoid_ratio == pytest.approx(cube_in_ellipsoid, rel=0.01)


def test_the_levels_are_compared_by_their_masks(everywhere: Preprocessed) -> None:
    before = cube(6, 16)
    before[14:16] = 0.3
    numbers = measure_reliability([before, cube()], everywhere, RULES)
    assert numbers.context_agreement_dsc == pytest.approx(2 * 800 / 1800)
    assert numbers.level_volume_change == pytest.approx(0.2)


def test_a_single_level_has_nobody_to_agree_with(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube()], everywhere, RULES)
    assert numbers.context_agreement_dsc is None
    assert numbers.level_volume_change is None


def test_nothing_found_gives_no_numbers(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube(), cube(value=0.4)], everywhere, RULES)
    assert numbers.components == 0
    assert numbers.context_agreement_dsc is None


def test_an_even_guess_has_an_entropy_of_one_bit(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube(value=0.5)], everywhere, RULES)
    assert numbers.foreground_entropy == pytest.approx(1)
    assert numbers.soft_volume_change == pytest.approx(0.5)


def test_probability_elsewhere_is_counted(everywhere: Preprocessed) -> None:
    probability = cube()
    probability[20:22, 20:22, :] = 1.0
    probability[22:, :, :] = 0.04
    numbers = measure_reliability([probability], everywhere, RULES)
    assert numbers.components == 2
    assert numbers.outside_mass_fraction == pytest.approx(96 / 1096, rel=1e-5)


def test_contact_with_the_edge_of_the_field_of_view(everywhere: Preprocessed) -> None:
    field = np.ones(SHAPE, dtype=bool)
    field[16:] = False
    numbers = measure_reliability([cube()], replace(everywhere, field_of_view=field), RULES)
    surface_voxels = 10**3 - 8**3
    assert numbers.fov_contact_fraction == pytest.approx((100 + 36) / surface_voxels)
    assert numbers.outside_fov_fraction == 0
    field[13:] = False
    numbers = measure_reliability([cube()], replace(everywhere, field_of_view=field), RULES)
    assert numbers.outside_fov_fraction == pytest.approx(0.3)


def test_contact_with_the_border_of_the_array(everywhere: Preprocessed) -> None:
    numbers = measure_reliability([cube(0, 10)], everywhere, RULES)
    surface_voxels = 10**3 - 8**3
    assert numbers.fov_contact_fraction == pytest.approx((1000 - 729) / surface_voxels)
    assert measure_reliability([cube(1, 11)], everywhere, RULES).fov_contact_fraction == 0


def test_padding_beyond_the_source_is_not_the_border(everywhere: Preprocessed) -> None:
    padded = replace(everywhere, covered=((0, 0, 4), (24, 24, 16)))
    numbers = measure_reliability([cube()], padded, RULES)
    assert numbers.fov_contact_fraction == pytest.approx(100 / (10**3 - 8**3))
    assert numbers.outside_fov_fraction == 0
    spilled = measure_reliability([cube()], replace(padded, covered=((0, 0, 0), (24, 24, 11))), RULES)
    assert spilled.outside_fov_fraction == pytest.approx(0.5)


def test_masks_by_hand() -> None:
    one = np.zeros((5, 5, 5), dtype=bool)
    one[2, 2, 2] = True
    assert dilate(one).sum() == 7
    assert dilate(one, 2).sum() == 25
    assert surface(np.ones((4, 4, 4), dtype=bool)).sum() == 64 - 8
    assert surface(dilate(one)).sum() == 6
    assert dsc(one, dilate(one)) == 2 / 8
    assert dsc(one & False, one & False) == 1
    assert dsc(one, one & False) == 0
