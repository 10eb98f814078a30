import numpy as np
import pytest
from scipy import stats

from tests.training.results import result
from training.evaluation.statistics import paired as comparison
from training.evaluation.statistics.paired import (
    _resample_two_way,
    average_by_case,
    compare_paired,
    compare_seeded,
    holm,
)


def test_only_common_cases_are_compared() -> None:
    found = compare_paired({1: 0.9, 2: 0.8, 3: 0.7}, {2: 0.7, 3: 0.5, 4: 0.0})
    assert found.cases == 2
    assert found.mean == pytest.approx(0.15)
    with pytest.raises(ValueError, match="no case in common"):
        compare_paired({1: 0.9}, {2: 0.9})


def test_interval_and_test_agree_with_scipys() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.9, 0.05, 60), rng.normal(0.88, 0.05, 60)
    found = compare_paired(dict(enumerate(a)), dict(enumerate(b)))
    reference = stats.bootstrap((a - b,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    assert found.ci95 == pytest.approx((reference.low, reference.high), abs=1e-3)
    assert found.p == pytest.approx(stats.wilcoxon(a, b).pvalue)


def test_equal_systems_do_not_differ() -> None:
    same = {n: 0.9 for n in range(5)}
    found = compare_paired(same, same)
    assert (found.mean, found.ci95, found.p) == (0.0, (0.0, 0.0), 1.0)


def test_seeds_are_averaged_before_cases_are_counted() -> None:
    first, second = [result(1, 100), result(2, 100)], [result(1, 100), result(2, 100)]
    second[0] = second[0].model_copy(update={"dsc": first[0].dsc - 0.2, "adb_mm": None})
    assert average_by_case([first, second], "dsc")[1] == pytest.approx(first[0].dsc - 0.1)
    assert average_by_case([first, second], "adb_mm")[1] == first[0].adb_mm


def runs(values: np.ndarray) -> list[dict[int, float]]:
    """One mapping of cases per training seed from an array (seeds, cases)."""
    return [{case: float(value) for case, value in enumerate(row)} for row in values]


def test_one_seed_is_the_bootstrap_over_cases() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.9, 0.05, (1, 60)), rng.normal(0.88, 0.05, (1, 60))
    found = compare_seeded(runs(a), runs(b), shared_seeds=False)
    alone = compare_paired(runs(a)[0], runs(b)[0])
    assert (found.mean, found.wilcoxon_p) == pytest.approx((alone.mean, alone.p))
    assert found.ci95 == pytest.approx(alone.ci95, abs=1e-3)
    assert found.p is None
    assert not found.one_way


def test_shared_seeds_that_alone_differ_have_the_known_interval() -> None:
    """Each seed has its own difference, the same in every case: all three draws alike come once in 27, above 2.5 %."""
    b = np.zeros((3, 20))
    a = b + np.array([[0.01], [0.02], [0.06]])
    found = compare_seeded(runs(a), runs(b), shared_seeds=True)
    wide = np.sqrt(3 / 2)
    assert found.mean == pytest.approx(0.03)
    assert found.by_seed == pytest.approx((0.01, 0.02, 0.06))
    assert found.ci95 == pytest.approx((0.03 - 0.02 * wide, 0.03 + 0.03 * wide))
    assert found.one_way


def test_own_seeds_have_the_unbiased_variance_of_both_systems() -> None:
    a, b = np.array([[0.80], [0.82], [0.87]]), np.array([[0.70], [0.71], [0.75]])
    means = _resample_two_way(np.repeat(a, 9, axis=1), np.repeat(b, 9, axis=1), False, np.random.default_rng(0))
    assert means.var() == pytest.approx(a.var(ddof=1) / 3 + b.var(ddof=1) / 3, rel=0.03)


def test_cases_are_drawn_for_both_systems_together() -> None:
    hard = np.linspace(0.2, 0.9, 50)
    a, b = np.tile(hard + 0.01, (3, 1)), np.tile(hard, (3, 1))
    for shared in (True, False):
        assert compare_seeded(runs(a), runs(b), shared).ci95 == pytest.approx((0.01, 0.01))


def test_seed_effects_cancel_only_where_they_are_shared() -> None:
    b = np.array([[0.7], [0.8], [0.9]]) + np.zeros((3, 30))
    together, apart = (compare_seeded(runs(b + 0.01), runs(b), shared) for shared in (True, False))
    assert together.ci95 == pytest.approx((0.01, 0.01))
    assert together.one_way
    assert together.p is not None
    assert together.p < 0.001
    assert apart.by_seed == pytest.approx((0.01, 0.01, 0.01))
    assert apart.ci95[0] < 0 < apart.ci95[1]
    assert not apart.one_way
    assert apart.p is not None
    assert apart.p > 0.5
    assert apart.wilcoxon_p < 0.001


def test_seeds_of_either_sign_are_no_direction() -> None:
    a = np.array([[0.05], [0.06], [-0.001]]) + np.zeros((3, 30))
    assert not compare_seeded(runs(a), runs(0 * a), shared_seeds=True).one_way


def test_unequal_seeds_and_other_cases_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="got 1 and 2"):
        compare_seeded([{1: 0.9}], [{1: 0.9}, {1: 0.8}], shared_seeds=False)
    with pytest.raises(ValueError, match="no case in common"):
        compare_seeded([{1: 0.9}], [{2: 0.9}], shared_seeds=False)


def test_holm_corrects_for_the_number_of_tests() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.7, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def simulated_coverage(shared: bool, rng: np.random.Generator, times: int = 600) -> float:
    """How often the interval holds 0 where systems do not differ: 3 seeds, 80 cases, SD as in the comparison on CPU."""
    held = 0
    for _ in range(times):
        seeds = rng.normal(0, 0.012, (2, 3, 1))
        a, b = rng.normal(0, 0.028, (2, 1, 80)) + rng.normal(0, 0.03, (2, 3, 80)) + seeds
        low, high = np.quantile(_resample_two_way(a, b, shared, rng), (0.025, 0.975))
        held += low <= 0 <= high
    return held / times


@pytest.mark.slow
def test_intervals_over_three_seeds_hold_a_little_less_often_than_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "RESAMPLES", 500)
    found = [simulated_coverage(shared, np.random.default_rng(1)) for shared in (False, True)]
    monkeypatch.setattr(comparison, "_widen", lambda values: values)
    narrow = [simulated_coverage(shared, np.random.default_rng(1)) for shared in (False, True)]
    assert found == [pytest.approx(0.93, abs=0.03), pytest.approx(0.905, abs=0.03)]
    assert narrow == [pytest.approx(0.88, abs=0.03), pytest.approx(0.865, abs=0.03)]
