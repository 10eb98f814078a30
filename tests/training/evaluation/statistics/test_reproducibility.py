import pytest

from tests.helpers.golden import Golden
from tests.training.results import result
from training.evaluation.cases import CaseResult
from training.evaluation.statistics.reproducibility import select_complete_groups, summarise_reproducibility
from training.evaluation.tables import format_repeated


def views(subject: int, *volumes: float) -> list[CaseResult]:
    return [result(subject * 10 + n, v).model_copy(update={"subject_seed": subject}) for n, v in enumerate(volumes)]


def test_hand_worked_spread() -> None:
    found = summarise_reproducibility([*views(1, 99, 100, 101), *views(2, 197, 200, 203)])
    assert (found.groups, found.views) == (2, 3)
    assert (found.min_sd_ml, found.mean_sd_ml, found.max_sd_ml) == pytest.approx((1, 2, 3))
    assert found.mean_sd_population_ml == pytest.approx(2 * (2 / 3) ** 0.5)
    assert found.within_subject_sd_ml == pytest.approx(5**0.5)
    assert found.icc == pytest.approx((15000 - 5) / (15000 + 10))
    assert found.icc_ci95 is not None
    assert found.icc_ci95[0] < found.icc < found.icc_ci95[1]
    assert found.icc_agreement == pytest.approx((15000 - 2) / (15000 + 2 * 2 + 3 / 2 * (8 - 2)))
    assert found.spacing_mm is None


def test_a_subject_whose_head_was_never_found_has_no_coefficient_of_variation() -> None:
    found = summarise_reproducibility([*views(1, 99, 100, 101), *views(2, 0, 0, 0)])
    assert found.wcv_percent == pytest.approx(1.0)
    with pytest.raises(ValueError, match="every scan measures 0 mL"):
        summarise_reproducibility([*views(1, 0, 0), *views(2, 0, 0)])


def test_the_voxels_of_the_scans_are_told(golden: Golden) -> None:
    edges = {"spacing_mm": (0.38, 0.38, 0.5)}
    results = [r.model_copy(update=edges) for r in (*views(1, 99, 101), *views(2, 197, 203))]
    assert summarise_reproducibility(results).spacing_mm == (0.38, 0.5)
    golden(format_repeated(summarise_reproducibility(results)), "reproducibility.md")


def test_unequal_groups_are_refused() -> None:
    results = [*views(1, 99, 100, 101), *views(2, 197, 200)]
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        summarise_reproducibility(results)
    whole, left_out = select_complete_groups(results)
    assert {r.subject_seed for r in whole} == {1}
    assert left_out == ("subject 2: 2 of 3 views measured",)
