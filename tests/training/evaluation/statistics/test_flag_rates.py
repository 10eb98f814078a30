import pytest

from tests.training.results import result
from training.evaluation.statistics.flag_rates import compute_flag_rates


def test_flagged_and_flagged_in_vain_are_counted() -> None:
    poor = [result(n, verdict=verdict).model_copy(update={"dsc": 0.85}) for n, verdict in enumerate(("ok", "review"))]
    good = [result(10 + n, verdict="reject" if n == 0 else "ok") for n in range(10)]
    found = compute_flag_rates([*poor, *good])
    assert (found.poor.cases, found.poor.flagged, found.poor.share) == (2, 1, 0.5)
    assert (found.good.cases, found.good.flagged, found.good.share) == (10, 1, 0.1)
    assert found.good.ci95 == pytest.approx((0.0179, 0.4042), abs=1e-4)  # Wilson, 1 of 10
    assert str(found.good) == "1 of 10 (10 %, 2 to 40 %)"


def test_a_head_that_is_cut_off_is_not_flagged_in_vain() -> None:
    cut = [
        result(n, verdict=verdict).model_copy(update={"truncated": True}) for n, verdict in enumerate(("ok", "review"))
    ]
    found = compute_flag_rates([*cut, result(10), result(11, verdict="review")])
    assert found.cut_off is not None
    assert (found.cut_off.cases, found.cut_off.flagged) == (2, 1)
    assert (found.good.cases, found.good.flagged) == (2, 1)


def test_no_case_has_no_share() -> None:
    found = compute_flag_rates([result(1)])
    assert (found.poor.share, found.poor.ci95) == (None, None)
    assert str(found.poor) == "no such case"
