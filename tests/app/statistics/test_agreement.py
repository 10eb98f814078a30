import numpy as np
import pytest
from scipy import stats

from app.statistics.agreement import Agreement, measure_agreement


def test_hand_worked_limits_of_agreement() -> None:
    found = measure_agreement([101, 199, 303], [100, 200, 300])
    assert found.bias_ml == pytest.approx(1.0)
    assert found.sd_ml == pytest.approx(2.0)
    assert found.loa_half_width_ml == pytest.approx(3.92, abs=0.001)
    assert found.mean_absolute_relative_error_percent == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.bias_ci95_ml[1] == pytest.approx(1 + 4.3027 * 2 / 3**0.5, abs=1e-3)


def test_correlation_ignores_scale_and_concordance_does_not() -> None:
    found = measure_agreement([110, 220, 330], [100, 200, 300])
    assert found.pearson == pytest.approx(1)
    assert found.concordance < 0.99
    assert found.relative_bias_percent == pytest.approx(10)
    assert found.relative_loa_half_width_percent == pytest.approx(0, abs=1e-9)


def test_too_few_or_empty_volumes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 pairs"):
        measure_agreement([100], [100])
    with pytest.raises(ValueError, match="positive true volumes"):
        measure_agreement([100, 0], [100, 0])


def test_equal_differences_have_a_slope_of_zero() -> None:
    found = measure_agreement([101, 201, 301], [100, 200, 300])
    assert (found.proportional_bias, found.proportional_bias_ci95, found.proportional_bias_p) == (0, (0, 0), 1)


def test_the_slope_has_an_interval_and_a_p() -> None:
    found = measure_agreement([100, 201, 303, 404, 506], [100, 200, 300, 400, 500])
    mean, difference = np.array([100, 200.5, 301.5, 402, 503]), np.array([0, 1, 3, 4, 6])
    known = stats.linregress(mean, difference)
    assert found.proportional_bias == pytest.approx(known.slope)
    assert found.proportional_bias_p == pytest.approx(known.pvalue)
    half = 3.182446 * known.stderr
    assert found.proportional_bias_ci95 == pytest.approx((known.slope - half, known.slope + half), rel=1e-5)


@pytest.mark.parametrize(("measured", "true"), [([99, 101], [98, 103]), ([99, 101, 100], [101, 99, 100])])
def test_where_there_is_no_slope_none_is_told(measured: list[float], true: list[float]) -> None:
    found = measure_agreement(measured, true)
    assert (found.proportional_bias, found.proportional_bias_ci95, found.proportional_bias_p) == (None, None, None)
    assert Agreement.model_validate_json(found.model_dump_json(exclude_none=True)) == found
