from __future__ import annotations

import numpy as np
import pytest

from app.imaging.biometry import measure_biometry

SHAPE = (140, 120, 130)
SPACING = (0.9, 1.0, 1.1)


def ellipsoid(
    semi_axes: tuple[float, float, float], centre: tuple[float, float, float] = (0, 0, 0), angle: float = 0.0
) -> np.ndarray:
    """A solid ellipsoid on the test grid, turned about k; mm from the grid's centre."""
    i, j, k = np.indices(SHAPE, sparse=True)
    x, y, z = (
        (index - (n - 1) / 2) * step - at for index, n, step, at in zip((i, j, k), SHAPE, SPACING, centre, strict=True)
    )
    u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    inside: np.ndarray = (u / semi_axes[0]) ** 2 + (v / semi_axes[1]) ** 2 + (z / semi_axes[2]) ** 2 <= 1
    return inside


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.2])
def test_the_axes_of_an_ellipsoid_are_found(angle: float) -> None:
    found = measure_biometry(ellipsoid((42.0, 33.0, 33.0), angle=angle), SPACING)
    assert found is not None
    assert found.occipitofrontal_diameter_mm == pytest.approx(84, rel=0.01)
    assert found.biparietal_diameter_mm == pytest.approx(66, rel=0.01)
    assert found.head_circumference_mm == pytest.approx(np.pi * 75, rel=0.01)


def test_face_and_neck_change_little() -> None:
    head = ellipsoid((42.0, 33.0, 33.0)) | ellipsoid((16.0, 20.0, 24.0), (18.0, 0.0, -26.0))
    found = measure_biometry(head, SPACING)
    assert found is not None
    assert found.head_circumference_mm == pytest.approx(np.pi * 75, rel=0.03)


def test_what_is_no_head_has_no_biometry() -> None:
    assert measure_biometry(np.zeros(SHAPE, dtype=bool), SPACING) is None
    assert measure_biometry(np.zeros((0, 0, 0), dtype=bool), SPACING) is None
    assert measure_biometry(ellipsoid((3.0, 3.0, 3.0)), SPACING) is None
    assert measure_biometry(ellipsoid((55.0, 20.0, 20.0)), SPACING) is None
    rubbish = np.random.default_rng(0).random(SHAPE) > 0.5
    assert measure_biometry(rubbish, SPACING) is None
