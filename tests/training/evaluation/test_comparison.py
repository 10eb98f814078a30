import numpy as np
import pytest
from scipy import stats

from tests.training.evaluation.test_report import result
from training.evaluation.comparison import mean_by_case, paired_difference


def test_only_common_cases_are_compared() -> None:
    found = paired_difference({1: 0.9, 2: 0.8, 3: 0.7}, {2: 0.7, 3: 0.5, 4: 0.0})
    assert found.cases == 2
    assert found.mean == pytest.approx(0.15)
    with pytest.raises(ValueError, match="no case in common"):
        paired_difference({1: 0.9}, {2: 0.9})


def test_interval_and_test_agree_with_scipys() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.9, 0.05, 60), rng.normal(0.88, 0.05, 60)
    found = paired_difference(dict(enumerate(a)), dict(enumerate(b)))
    reference = stats.bootstrap((a - b,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert found.ci95 == pytest.approx((reference.low, reference.high), abs=1e-3)
    assert found.p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_equal_systems_do_not_differ() -> None:
    same = {n: 0.9 for n in range(5)}
    found = paired_difference(same, same)
    assert (found.mean, found.ci95, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_seeds_are_averaged_before_cases_are_counted() -> None:
    first, second = [result(1, 100), result(2, 100)], [result(1, 100), result(2, 100)]
    second[0] = second[0].model_copy(update={"dsc": first[0].dsc - 0.2, "adb_mm": None})
    assert mean_by_case([first, second], "dsc")[1] == pytest.approx(first[0].dsc - 0.1)
    assert mean_by_case([first, second], "adb_mm")[1] == first[0].adb_mm
