import numpy as np
import pytest

from app.contract.report import QualityNumbers
from app.imaging.quality import Limit, QualitySpec
from app.imaging.volume import Volume, VolumeGeometry
from training.evaluation.calibration import (
    FALSE_ALARMS,
    CalibrationError,
    JudgedCase,
    check_calibration,
    find_review_limits,
)
from training.evaluation.degrade import degrade


def judged(dsc: float, agreement: float, entropy: float) -> JudgedCase:
    numbers = QualityNumbers(context_agreement_dsc=agreement, foreground_entropy=entropy, components=1)
    return JudgedCase(dsc, 236.0, numbers, 236.0, 0)


def good_and_bad() -> list[JudgedCase]:
    rng = np.random.default_rng(0)
    good = [judged(0.95, 0.97 + 0.02 * rng.random(), 0.2 + 0.05 * rng.random()) for _ in range(100)]
    bad = [judged(0.6, 0.90 + 0.04 * rng.random(), 0.4 + 0.1 * rng.random()) for _ in range(20)]
    return good + bad


def calibrated(cases: list[JudgedCase], spec: QualitySpec) -> QualitySpec:
    return spec.model_copy(update=find_review_limits(cases, spec))


class TestCalibration:
    def test_limits_lie_where_three_per_cent_of_the_good_cases_end(self) -> None:
        spec = calibrated(good_and_bad(), QualitySpec())
        assert spec.context_agreement_dsc.review == pytest.approx(0.9706, abs=0.001)
        assert spec.foreground_entropy.review == pytest.approx(0.2485, abs=0.001)

    def test_bad_cases_are_flagged_and_few_good_ones(self) -> None:
        cases = good_and_bad()
        counted = check_calibration(cases, calibrated(cases, QualitySpec()))
        assert (counted.cases, counted.good, counted.bad) == (120, 100, 20)
        assert counted.bad_flagged == 20
        two_numbers, rounded = 2, 1
        assert counted.good_flagged <= two_numbers * (counted.good * FALSE_ALARMS + rounded)

    def test_the_limits_of_no_answer_stay(self) -> None:
        spec = calibrated(good_and_bad(), QualitySpec())
        assert spec.context_agreement_dsc.reject == QualitySpec().context_agreement_dsc.reject

    def test_more_doubts_at_once_than_any_good_case_has_reject_but_never_three(self) -> None:
        assert calibrated(good_and_bad(), QualitySpec()).mask_doubts == Limit(reject=3.0)
        odd = {"level_volume_change": 0.9, "outside_mass_fraction": 0.9, "soft_volume_change": 0.9, "components": 9}
        good = [case.numbers.model_copy(update=odd if n == 0 else {}) for n, case in enumerate(good_and_bad()[:100])]
        cases = [JudgedCase(0.95, 236.0, numbers, 236.0, 0) for numbers in good]
        assert calibrated(cases, QualitySpec()).mask_doubts == Limit(reject=4.0)

    def test_a_number_that_was_never_measured_keeps_its_limit(self) -> None:
        assert calibrated(good_and_bad(), QualitySpec()).ellipsoid_ratio == QualitySpec().ellipsoid_ratio

    def test_a_model_without_good_cases_is_refused(self) -> None:
        with pytest.raises(CalibrationError, match="too weak"):
            calibrated([judged(0.5, 0.9, 0.3)], QualitySpec())


class TestDegrade:
    volume = Volume(
        np.random.default_rng(1).integers(1, 255, (30, 24, 20), dtype=np.uint8), VolumeGeometry((30, 24, 20), np.eye(4))
    )

    @pytest.mark.parametrize("seed", range(12))
    def test_the_picture_changes_and_keeps_its_form(self, seed: int) -> None:
        worse = degrade(self.volume, np.random.default_rng(seed))
        assert worse.data.dtype == np.uint8
        assert worse.geometry is self.volume.geometry
        assert not np.array_equal(worse.data, self.volume.data)

    def test_the_same_seed_degrades_alike(self) -> None:
        first, second = (degrade(self.volume, np.random.default_rng(5)) for _ in range(2))
        assert np.array_equal(first.data, second.data)

    def test_what_was_outside_the_fan_stays_outside(self) -> None:
        data = self.volume.data.copy()
        data[:8] = 0
        for seed in range(8):
            worse = degrade(Volume(data, self.volume.geometry), np.random.default_rng(seed))
            assert worse.data[:8].max() == 0
