"""Meshes with distances: known ones, and a row that can be compared."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from training.benchmark.figures.meshes import MeshView, distance_meshes, surface_distances

CUBIC = (1.0, 1.0, 1.0)


def ball(radius: float) -> NDArray[Any]:
    x, y, z = np.mgrid[:48, :48, :48] - 23.5
    return np.asarray(x**2 + y**2 + z**2 <= radius**2)


def test_a_ball_three_mm_larger_is_three_mm_away_everywhere() -> None:
    found = surface_distances(MeshView("larger", ball(18), ball(15), CUBIC))
    assert found is not None
    assert found.distances == pytest.approx(3.0, abs=0.6)


def test_meshes_of_a_row_share_their_colours_and_say_their_own_numbers() -> None:
    views = [[MeshView("near", ball(16), ball(15), CUBIC), MeshView("far", ball(20), ball(15), CUBIC)]]
    bars = [ax for ax in distance_meshes(views, "row").axes if ax.get_xlabel().startswith("mm, mean")]
    assert [bar.get_xlim() for bar in bars] == [bars[0].get_xlim()] * 2
    assert bars[0].get_xlim()[1] == pytest.approx(5.0, abs=0.6)
    means = [float(bar.get_xlabel().split()[2].rstrip(",")) for bar in bars]
    assert means == pytest.approx([1.0, 5.0], abs=0.6)


def test_an_empty_estimate_is_said_and_leaves_the_others_their_scale() -> None:
    views = [[MeshView("none", ball(0) & False, ball(15), CUBIC), MeshView("far", ball(20), ball(15), CUBIC)]]
    page = distance_meshes(views, "row")
    assert "no head found" in [text.get_text() for ax in page.axes for text in ax.texts]
    assert sum(ax.get_xlabel().startswith("mm, mean") for ax in page.axes) == 1
