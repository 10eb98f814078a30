"""Meshes with distances: known ones, and a row that can be compared."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.paper.figures.meshes import MeshView, draw_meshes, measure_distances

CUBIC = (1.0, 1.0, 1.0)


def ball(radius: float) -> NDArray[Any]:
    x, y, z = np.mgrid[:48, :48, :48] - 23.5
    return np.asarray(x**2 + y**2 + z**2 <= radius**2)


def test_a_ball_three_mm_larger_is_three_mm_away_everywhere() -> None:
    found = measure_distances(MeshView("larger", ball(18), ball(15), CUBIC))
    assert found is not None
    assert found.distances == pytest.approx(3.0, abs=0.6)


def pages(*views: MeshView) -> Figure:
    return draw_meshes({"case 7": views}, "title")


def bars(page: Figure) -> list[Any]:
    return [ax for ax in page.axes if ax.get_ylabel() == "distance [mm]"]


def test_meshes_of_a_row_share_their_colours_and_say_their_own_numbers() -> None:
    page = pages(MeshView("near", ball(16), ball(15), CUBIC), MeshView("far", ball(20), ball(15), CUBIC))
    (bar,) = bars(page)
    assert bar.get_ylim() == (0.0, pytest.approx(5.0, abs=0.6))
    titles = [ax.get_title().split() for ax in page.axes if "mean" in ax.get_title()]
    assert [words[0] for words in titles] == ["near", "far"]
    assert [float(words[2].rstrip(",")) for words in titles] == pytest.approx([1.0, 5.0], abs=0.6)


def test_a_row_says_its_case() -> None:
    page = pages(MeshView("near", ball(16), ball(15), CUBIC))
    (row,) = page.subfigs
    assert row.get_suptitle().strip() == "case 7"


def test_an_empty_estimate_is_said_and_leaves_the_others_their_scale() -> None:
    page = pages(MeshView("none", ball(0) & False, ball(15), CUBIC), MeshView("far", ball(20), ball(15), CUBIC))
    assert "no head found" in [text.get_text() for ax in page.axes for text in ax.texts]
    assert bars(page)[0].get_ylim()[1] == pytest.approx(5.0, abs=0.6)
