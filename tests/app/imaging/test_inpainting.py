"""Thin holes take their surroundings, deep ones a value of their own."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging.inpainting import inpaint


def test_a_thin_hole_takes_the_values_around_it() -> None:
    values = np.broadcast_to(np.arange(20, dtype=np.float32)[:, None, None], (20, 12, 12)).copy()
    plain, holes = values.copy(), np.zeros(values.shape, np.bool_)
    holes[4:16, 5:7, 5] = True
    values[holes] = 4095
    inpaint(values, holes, 0.0)
    np.testing.assert_allclose(values, plain, atol=0.6)


@pytest.mark.parametrize("corner", [0, 8])
def test_a_deep_hole_becomes_the_other_value_up_to_its_rim(corner: int) -> None:
    values, holes = np.full((28, 28, 28), 7, np.float32), np.zeros((28, 28, 28), np.bool_)
    holes[corner : corner + 14, corner : corner + 14, corner : corner + 14] = True
    holes[25, 25, 25] = True
    values[holes] = 4095
    inpaint(values, holes, -1.0)
    assert values[25, 25, 25] == 7
    assert (values[corner + 4 : corner + 10, corner + 4 : corner + 10, corner + 4 : corner + 10] == -1).all()
    assert set(np.unique(values)) <= {-1, 7}
    assert (values[~holes] == 7).all()


def test_without_a_hole_nothing_changes() -> None:
    values = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    inpaint(values, np.zeros((3, 3, 3), np.bool_), 0.0)
    np.testing.assert_array_equal(values, np.arange(27).reshape(3, 3, 3))
