import pytest

from tests.training.evaluation.test_report import result
from training.evaluation.cases import CaseResult
from training.evaluation.reproducibility import complete_groups, reproducibility


def views(subject: int, *volumes: float) -> list[CaseResult]:
    return [result(subject * 10 + n, v).model_copy(update={"subject_seed": subject}) for n, v in enumerate(volumes)]


def test_hand_worked_spread() -> None:
    found = reproducibility([*views(1, 99, 100, 101), *views(2, 197, 200, 203)])
    assert (found.groups, found.views) == (2, 3)
    assert (found.min_sd_ml, found.mean_sd_ml, found.max_sd_ml) == pytest.approx((1, 2, 3))
    assert found.mean_sd_population_ml == pytest.approx(2 * (2 / 3) ** 0.5)
    assert found.within_subject_sd_ml == pytest.approx(5**0.5)
    assert found.icc == pytest.approx((15000 - 5) / (15000 + 10))


def test_unequal_groups_are_refused() -> None:
    results = [*views(1, 99, 100, 101), *views(2, 197, 200)]
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        reproducibility(results)
    assert {r.subject_seed for r in complete_groups(results)} == {1}
