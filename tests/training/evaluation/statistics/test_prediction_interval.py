"""The served interval: set by ten cases and more, checked on others."""

import numpy as np
import pytest
from scipy import stats

from app.inference.volume_interval import VolumeInterval, WidthByCase, WidthFactor
from tests.training.results import result
from training.evaluation.statistics.prediction_interval import (
    check_interval,
    choose_interval,
    find_median_half_width,
    fit_volume_interval,
)

ERRORS = (-4.0, -2.0, -1.0, 0.0, 1.0, 1.0, 2.0, 3.0, 4.0, 6.0)
"""Per cent of the measured volume."""


def case(number: int, error_percent: float, verdict: str = "ok"):  # type: ignore[no-untyped-def]
    return result(number, 200.0, verdict).model_copy(update={"true_ml": 200 * (1 - error_percent / 100)})


def test_hand_worked_prediction_interval() -> None:
    found = fit_volume_interval([case(n, error) for n, error in enumerate(ERRORS)])
    assert found is not None
    assert found.bias_percent == pytest.approx(1.0)
    sd = np.std(ERRORS, ddof=1)
    assert found.half_width_percent == pytest.approx(2.262157 * sd * 1.1**0.5, abs=1e-3)


def test_it_holds_for_the_next_case_as_often_as_it_says() -> None:
    rng, inside, tries = np.random.default_rng(1), 0, 400
    for _ in range(tries):
        errors = rng.normal(1, 3, 11)
        found = fit_volume_interval([case(n, error) for n, error in enumerate(errors[:10])])
        assert found is not None
        one = check_interval([case(10, errors[10])], found.model_copy(update={"floor_ml": 0.0}))
        assert one is not None
        inside += one.inside
    assert stats.binomtest(inside, tries, 0.95).pvalue > 0.01


def test_fewer_than_ten_volumes_set_none() -> None:
    cases = [case(n, error) for n, error in enumerate(ERRORS)]
    assert fit_volume_interval(cases[:9]) is None
    assert fit_volume_interval([*cases[:9], case(9, 0.0, "reject")]) is None


def test_only_what_got_a_volume_counts() -> None:
    found = fit_volume_interval([case(n, error) for n, error in enumerate(ERRORS)])
    assert found is not None
    others = [case(0, 1.0), case(1, 12.0, "review"), case(2, 50.0, "reject"), case(3, -1.0)]
    checked = check_interval(others, found)
    assert checked is not None
    assert (checked.cases, checked.inside) == (3, 2)
    assert str(checked) == "2 of 3 (67 %, 21 to 94 %)"
    assert check_interval(others[2:3], found) is None


FACTOR = WidthFactor(number="foreground_entropy", typical=0.2, least=0.1, exponent=1.0)
OWN = VolumeInterval(half_width_percent=6.0, by_case=WidthByCase(factors=(FACTOR,), cases=77, data="simulated"))


def test_a_models_own_interval_counts_where_data_of_the_same_kind_set_it() -> None:
    cases = [case(n, error) for n, error in enumerate(ERRORS)]
    fitted = fit_volume_interval(cases)
    assert choose_interval(OWN, cases) == OWN
    assert choose_interval(OWN, cases, "own") == fitted
    assert choose_interval(VolumeInterval(), cases) == fitted
    assert choose_interval(None, cases) == fitted


def test_an_interval_that_follows_the_case_is_checked_with_each_cases_width() -> None:
    doubtful, sure = {"foreground_entropy": 0.4, "components": 1.0}, {"foreground_entropy": 0.1, "components": 1.0}
    numbers = [doubtful, sure, sure]
    cases = [case(n, 9.0).model_copy(update={"quality": quality}) for n, quality in enumerate(numbers)]
    checked = check_interval(cases, OWN)
    assert checked is not None
    assert (checked.cases, checked.inside) == (3, 1)
    assert find_median_half_width(cases, OWN) == pytest.approx(3.0)
    assert find_median_half_width(cases, OWN.model_copy(update={"floor_ml": 8.0})) == pytest.approx(4.0)
    assert find_median_half_width([], OWN) is None
