"""An interval for each case: as wide as its errors are large, and holding as often as it says."""

import numpy as np
import pytest
from numpy.random import Generator
from scipy import stats

from app.contract.report import QualityNumbers
from training.evaluation.calibration import JudgedCase
from training.evaluation.statistics.case_interval import (
    FEWEST,
    explain_interval,
    find_width_limit,
    fit_case_interval,
)


def draw_case(rng: Generator, seed: int, degraded: bool = False, agreement: float | None = None) -> JudgedCase:
    """Draw a case whose errors' SD is a fifth of its entropy; the other numbers tell nothing."""
    entropy = 0.15 * np.exp(rng.normal(0.5 if degraded else 0, 0.5))
    numbers = QualityNumbers(
        context_agreement_dsc=agreement, foreground_entropy=entropy, soft_volume_change=rng.uniform(0.01, 0.03)
    )
    return JudgedCase(0.95, 200.0, numbers, 200 * (1 - rng.normal(0.01, entropy / 5)), seed, degraded)


def draw_cases(rng: Generator, scans: int) -> list[JudgedCase]:
    return [draw_case(rng, seed, degraded) for seed in range(scans) for degraded in (False, True)]


def test_the_width_follows_the_number_that_predicts_the_error() -> None:
    found = fit_case_interval(draw_cases(np.random.default_rng(0), 300), "simulated")
    assert found is not None
    assert found.by_case is not None
    assert (found.by_case.cases, found.by_case.data) == (300, "simulated")
    assert found.bias_percent == pytest.approx(1.0, abs=0.4)
    exponents = {factor.number: factor.exponent for factor in found.by_case.factors}
    assert set(exponents) == {"foreground_entropy", "soft_volume_change"}  # agreement was not measured
    assert exponents["foreground_entropy"] > 0.25
    assert exponents["soft_volume_change"] < 0.1


def test_it_holds_for_the_next_case_as_often_as_it_says() -> None:
    rng, inside, tries = np.random.default_rng(1), 0, 300
    for _ in range(tries):
        found = fit_case_interval(draw_cases(rng, 40), "simulated")
        assert found is not None
        after = draw_case(rng, 40)
        low, high = found.model_copy(update={"floor_ml": 0.0}).around(200.0, after.numbers)
        inside += low <= after.true_ml <= high
    assert stats.binomtest(inside, tries, 0.95, alternative="less").pvalue > 0.01


def test_it_holds_where_the_case_is_hard_and_is_narrow_where_it_is_easy() -> None:
    rng = np.random.default_rng(2)
    found = fit_case_interval(draw_cases(rng, 400), "simulated")
    assert found is not None
    later = [draw_case(rng, seed) for seed in range(2000)]
    entropies = [case.numbers.foreground_entropy or 0.0 for case in later]
    hard = [case for case, entropy in zip(later, entropies, strict=True) if entropy > np.quantile(entropies, 0.8)]
    held = [low <= case.true_ml <= high for case in hard for low, high in [found.around(200.0, case.numbers)]]
    errors = np.abs([case.relative_error - found.bias_percent / 100 for case in later])
    uniform = np.quantile(errors, 0.95)
    assert np.mean(held) > np.mean([abs(c.relative_error - 0.01) <= uniform for c in hard]) + 0.03
    widths = [found.find_half_width_percent(case.numbers) for case in later]
    assert np.median(widths) < 100 * uniform


def test_too_few_scans_set_none_and_it_says_so() -> None:
    cases = draw_cases(np.random.default_rng(3), FEWEST)
    assert fit_case_interval(cases, "own") is not None
    assert fit_case_interval(cases[2:], "own") is None
    assert f"fewer than {FEWEST} validation scans" in explain_interval(None)
    assert "for a typical case" in explain_interval(fit_case_interval(cases, "own"))


def test_at_most_five_per_cent_of_the_good_cases_are_wider_than_the_limit() -> None:
    cases = draw_cases(np.random.default_rng(4), 200)
    found = fit_case_interval(cases, "simulated")
    assert found is not None
    limit = find_width_limit(cases, found).review
    assert limit is not None
    good = [case for case in cases if abs(case.volume_ml - case.true_ml) <= 0.05 * case.true_ml]
    wider = sum(found.find_half_width_percent(case.numbers) > limit for case in good)
    assert 0.03 * len(good) < wider <= 0.05 * len(good)
    far_off = [case for case in cases if abs(case.volume_ml - case.true_ml) > 0.1 * case.true_ml]
    assert sum(found.find_half_width_percent(case.numbers) > limit for case in far_off) > 0.15 * len(far_off)
    assert find_width_limit(cases, None).review is None
    assert find_width_limit(far_off, found).review is None


def test_levels_that_agree_completely_can_be_fitted() -> None:
    rng = np.random.default_rng(5)
    cases = [draw_case(rng, seed, agreement=1.0 if seed % 3 else 0.97) for seed in range(60)]
    found = fit_case_interval(cases, "simulated")
    assert found is not None
    assert np.isfinite(found.find_half_width_percent(QualityNumbers(context_agreement_dsc=1.0, foreground_entropy=0.1)))
