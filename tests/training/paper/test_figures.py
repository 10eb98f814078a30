"""Figures: which case and seed they show, and what stands beside what is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from tests.training.paper.results import CASES, measured, repeated
from training.paper.figures.gallery import Gallery, choose_reference
from training.paper.figures.slices import (
    BAR_MM,
    CaseView,
    draw_contours,
    draw_probabilities,
)
from training.paper.figures.volumes import draw_agreement, draw_repeated
from training.paper.tables import SystemResults


def view(middle: int = 20) -> CaseView:
    """A ball of 20 mm radius on a grid of 2, 2 and 1 mm."""
    x, y, z = np.mgrid[:48, :40, :96]
    mask = ((2 * (x - 24)) ** 2 + (2 * (y - middle)) ** 2 + (z - 40) ** 2 <= 20**2).astype(np.float32)
    image = np.linspace(0, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    return CaseView("case 7, grainy", image, mask, {"A": mask, "B": 0 * mask}, {"A": 1.0, "B": 0.25}, (2.0, 2.0, 1.0))


def texts(ax: Axes) -> list[str]:
    return [ax.get_title(), ax.get_ylabel(), *(text.get_text() for text in ax.texts)]


def annotations(ax: Axes) -> list[Annotation]:
    return [text for text in ax.texts if isinstance(text, Annotation)]


def bar_mm(ax: Axes) -> list[float]:
    return [float(np.ptp(line.get_xdata())) for line in ax.lines]


def test_outlines_say_case_score_and_scale() -> None:
    page = draw_contours([view(), view()])
    assert "planes j-k" in page.get_suptitle()
    first = page.axes[0]
    assert "case 7, grainy\nA: DSC 1.000\nB: DSC 0.250" in texts(first)
    assert f"{BAR_MM:.0f} mm" in texts(first)
    assert bar_mm(first) == [pytest.approx(BAR_MM)]
    assert first.get_aspect() == 1.0


def test_panels_show_the_head_in_the_middle_of_windows_of_one_size() -> None:
    page = draw_contours([view(), view(middle=12)])
    (left, right), (low, high) = page.axes[3].get_xlim(), page.axes[3].get_ylim()
    assert ((left + right) / 2, (low + high) / 2) == pytest.approx((24.0, 40.0))
    assert (right - left, high - low) == pytest.approx((82.0, 82.0))
    assert np.ptp(page.axes[0].get_xlim()) == pytest.approx(right - left)


def test_probabilities_say_plane_score_and_scale() -> None:
    page = draw_probabilities(view())
    assert "case 7" in page.get_suptitle()
    assert [page.axes[n].get_ylabel() for n in (0, 3, 6)] == ["plane j-k", "plane i-k", "plane i-j"]
    assert [page.axes[n].get_title() for n in (1, 2)] == ["A, DSC 1.000", "B, DSC 0.250"]
    assert all(bar_mm(page.axes[n]) == [pytest.approx(BAR_MM)] for n in (0, 3, 6))


def test_agreement_is_named_outside_of_the_frame() -> None:
    results = measured("USegNet", 0.8).test[0]
    page = draw_agreement(results, "USegNet")
    _, millilitres, percent = page.axes
    for ax, unit in ((millilitres, "mL"), (percent, "%")):
        assert "bias and 95 % limits of agreement" in ax.get_title()
        named = annotations(ax)
        assert [text.get_text().split("\n")[0] for text in named] == ["bias", "lower limit", "upper limit"]
        assert all(text.xy[0] > 1 and f" {unit}\n" in text.get_text() for text in named)
    bias = np.mean([100 * (r.measured_ml / r.true_ml - 1) for r in results])
    assert annotations(percent)[0].xy[1] == pytest.approx(bias)


def test_every_volume_of_a_fetus_is_a_point() -> None:
    ax = draw_repeated(repeated((190, 200, 260), (290, 300, 310)), "USegNet").axes[0]
    points = {line.get_label(): np.asarray(line.get_ydata()).tolist() for line in ax.lines}
    assert points == {"lateral": [190, 290], "anterior": [200, 300], "vertex": [260, 310]}


def test_the_reference_without_the_full_system_is_the_best() -> None:
    systems = {"USegNet": measured("USegNet", 0.7), "SAM-1": measured("SAM-1", 0.9), "UAM-1": measured("UAM-1", 0.8)}
    assert choose_reference(systems) == "SAM-1"
    assert (
        choose_reference(systems | {"USegNet-DS-HAS-Ctx": measured("USegNet-DS-HAS-Ctx", 0.1)}) == "USegNet-DS-HAS-Ctx"
    )


def with_scores(*scores: list[float]) -> SystemResults:
    """A system whose cases have these DSC, one list per training seed."""
    found = measured("USegNet", *(0.0 for _ in scores))
    runs = tuple(
        tuple(r.model_copy(update={"dsc": dsc}) for r, dsc in zip(run, values, strict=True))
        for run, values in zip(found.test, scores, strict=True)
    )
    return replace(found, test=runs)


def test_cases_are_ranked_by_the_network_that_is_drawn() -> None:
    system = with_scores([0.9, 0.8, 0.7, 0.6, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5], [0.9, 0.9, 0.9, 0.9, 0.9])
    gallery = Gallery({"USegNet": system}, {}, 1, [], Path(), ())
    assert [gallery._find_rank("USegNet", share) for share in (0, 0.5, 1)] == [CASES[0], CASES[2], CASES[4]]
    assert gallery._collect_scores(["USegNet"], CASES[1]) == {"USegNet": 0.2}
