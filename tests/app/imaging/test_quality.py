from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from app.contract.report import QualityNumbers
from app.imaging.growth import expected_head_volume_ml, head_circumference
from app.imaging.quality import Limit, QualitySpec, age_z, assess, count_mask_doubts, missing_fraction

GOOD = QualityNumbers(
    context_agreement_dsc=0.98,
    level_volume_change=0.01,
    foreground_entropy=0.1,
    components=1,
    outside_mass_fraction=0.01,
    soft_volume_change=0.01,
    ellipsoid_ratio=0.97,
    fov_contact_fraction=0.0,
    outside_fov_fraction=0.0,
)
SPEC = QualitySpec()


def judged(volume_ml: float = 240.0, weeks: float | None = None, **numbers: float) -> tuple[str, list[str]]:
    assessment = assess(GOOD.model_copy(update=numbers), volume_ml, SPEC, weeks)
    return assessment.verdict, [flag.code for flag in assessment.flags]


def test_a_good_measurement_is_ok() -> None:
    assert judged() == ("ok", [])


@pytest.mark.parametrize(
    ("number", "value", "verdict", "code"),
    [
        ("context_agreement_dsc", 0.89, "review", "levels_disagree"),
        ("context_agreement_dsc", 0.59, "reject", "levels_disagree"),
        ("level_volume_change", 0.25, "review", "levels_disagree_in_volume"),
        ("level_volume_change", 0.7, "reject", "levels_disagree_in_volume"),
        ("foreground_entropy", 0.5, "review", "uncertain_outline"),
        ("components", 4, "review", "several_components"),
        ("outside_mass_fraction", 0.2, "review", "probability_elsewhere"),
        ("outside_mass_fraction", 0.7, "reject", "probability_elsewhere"),
        ("soft_volume_change", 0.2, "review", "soft_outline"),
        ("soft_volume_change", 0.6, "reject", "soft_outline"),
        ("ellipsoid_ratio", 0.8, "review", "implausible_shape"),
        ("ellipsoid_ratio", 0.5, "reject", "implausible_shape"),
        ("fov_contact_fraction", 0.03, "ok", "touches_edge"),
        ("fov_contact_fraction", 0.06, "review", "truncated"),
        ("fov_contact_fraction", 0.17, "reject", "truncated"),
    ],
)
def test_each_number_has_its_flag(number: str, value: float, verdict: str, code: str) -> None:
    assert judged(**{number: value}) == (verdict, [code])


def test_unclear_anatomy_is_doubted_where_the_model_has_a_limit() -> None:
    unclear = GOOD.model_copy(update={"pose_certainty": 0.123})
    assert assess(unclear, 240.0, SPEC).verdict == "ok"
    (flag,) = (found := assess(unclear, 240.0, QualitySpec(pose_certainty=Limit(review=0.4)))).flags
    assert (found.verdict, flag.code) == ("review", "unclear_anatomy")
    assert flag.detail == "it is certain by 12.3 % where face and vertex lie; limit: at least 40 %"


def test_a_wide_interval_is_looked_at_and_never_rejects() -> None:
    spec = QualitySpec(half_width_percent=Limit(review=18.0))
    assert assess(GOOD, 240.0, spec, half_width_percent=18.0).verdict == "ok"
    (flag,) = (found := assess(GOOD, 240.0, spec, half_width_percent=23.46)).flags
    assert (found.verdict, flag.code) == ("review", "wide_interval")
    assert flag.detail == "the 95 % interval reaches 23.5 % to either side of the volume; limit: at most 18 %"
    assert assess(GOOD, 240.0, spec).verdict == "ok"
    assert assess(GOOD, 240.0, SPEC, half_width_percent=90.0).verdict == "ok"


@pytest.mark.parametrize(
    ("volume_ml", "verdict", "codes"),
    [
        (0.0, "reject", ["no_head_found"]),
        (39.9, "reject", ["implausible_volume"]),
        (40.1, "review", ["outside_validated_range"]),
        (59.9, "review", ["outside_validated_range"]),
        (60.0, "ok", []),
        (600.0, "ok", []),
        (600.1, "review", ["outside_validated_range"]),
        (700.1, "reject", ["implausible_volume"]),
    ],
)
def test_the_size_must_be_plausible(volume_ml: float, verdict: str, codes: list[str]) -> None:
    assert judged(volume_ml) == (verdict, codes)


@pytest.mark.parametrize("volume_ml", [31.0, 57.0, 643.0, 812.0])
def test_no_flag_tells_the_volume(volume_ml: float) -> None:
    for flag in assess(GOOD, volume_ml, SPEC, 25.0).flags:
        assert f"{volume_ml:.0f}" not in flag.detail + flag.remedy


@pytest.mark.parametrize("weeks", [20.0, 25.0, 30.0])
@pytest.mark.parametrize(
    ("z", "verdict", "codes"),
    [
        (0.0, "ok", []),
        (1.5, "ok", []),
        (-2.9, "ok", ["size_unusual_for_age"]),
        (5.0, "review", ["size_contradicts_age"]),
        (-5.0, "review", ["size_contradicts_age"]),
    ],
)
def test_the_size_must_fit_the_age(weeks: float, z: float, verdict: str, codes: list[str]) -> None:
    volume = expected_head_volume_ml(weeks, z)
    found, flags = judged(volume, weeks)
    assert (found, [code for code in flags if code != "outside_validated_range"]) == (verdict, codes)


@pytest.mark.parametrize("weeks", [10.0, 13.9, 40.1, 42.0])
def test_ages_beyond_the_standard_are_not_judged(weeks: float) -> None:
    assert judged(240.0, weeks) == ("ok", [])


def test_z_is_smaller_than_the_populations_by_the_derivations_uncertainty() -> None:
    assert age_z(expected_head_volume_ml(25.0), 25.0, 0.06) == pytest.approx(0, abs=1e-9)
    z = age_z(expected_head_volume_ml(25.0, 2.0), 25.0, 0.06)
    population = head_circumference(25.0)
    both = (population.sd_mm**2 + (population.mean_mm * 0.02) ** 2) ** 0.5
    assert z == pytest.approx(2 * population.sd_mm / both)
    assert age_z(expected_head_volume_ml(25.0, 2.0), 25.0, 0.0) == pytest.approx(2.0)


def test_the_worst_finding_decides_and_all_are_told() -> None:
    verdict, codes = judged(50.0, fov_contact_fraction=0.5, components=5)
    assert verdict == "reject"
    assert codes == ["truncated", "several_components", "outside_validated_range"]


def test_without_a_volume_no_remedy_is_to_look_at_the_mask() -> None:
    doubtful = GOOD.model_copy(update={"fov_contact_fraction": 0.5, "components": 5, "soft_volume_change": 0.2})
    remedies = [flag.remedy for flag in assess(doubtful, expected_head_volume_ml(25.0, 5.0), SPEC, 25.0).flags]
    assert len(remedies) == 4
    assert "mask" not in " ".join(remedies)
    assert "mask" in assess(GOOD.model_copy(update={"components": 5}), 240.0, SPEC).flags[0].remedy


@pytest.mark.parametrize(
    ("numbers", "limit", "detail"),
    [
        (
            {"outside_mass_fraction": 0.0041},
            {"outside_mass_fraction": Limit(review=0.0032)},
            "0.41 % of the probability lies off the head; limit: at most 0.32 %",
        ),
        (
            {"ellipsoid_ratio": 0.97196},
            {"ellipsoid_ratio": Limit(review=0.97204, reject=0.6)},
            "the mask fills 97.196 % of the ellipsoid of its extent; limit: at least 97.204 %",
        ),
        (
            {"context_agreement_dsc": 0.5},
            {"context_agreement_dsc": Limit(review=0.957, reject=0.62)},
            "DSC 0.5 between the two context levels; limit: at least 0.62",
        ),
        ({"level_volume_change": 12.0}, {}, "volume changed by 1200 % between levels; limit: at most 60 %"),
        ({"components": 4}, {}, "4 separate pieces look like a head; limit: at most 3"),
        (
            {"fov_contact_fraction": 0.0551},
            {},
            "5.51 % of the head's surface meets the edge of the field of view; limit: at most 5.5 %; "
            "a sphere cut off like this lacks 0.99 % of its volume",
        ),
    ],
)
def test_a_number_stands_beside_its_limit_and_is_told_apart_from_it(
    numbers: dict[str, float], limit: dict[str, Limit], detail: str
) -> None:
    (flag,) = assess(GOOD.model_copy(update=numbers), 240.0, SPEC.model_copy(update=limit)).flags
    assert flag.detail == detail


DOUBTFUL = {"context_agreement_dsc": 0.89, "foreground_entropy": 0.5, "components": 4, "soft_volume_change": 0.2}


@pytest.mark.parametrize(("doubts", "verdict"), [(3, "review"), (4, "reject")])
def test_more_doubts_at_once_than_any_good_case_has_reject(doubts: int, verdict: str) -> None:
    numbers = GOOD.model_copy(update=dict(list(DOUBTFUL.items())[:doubts]))
    strict = SPEC.model_copy(update={"mask_doubts": Limit(reject=3.0)})
    found = assess(numbers, 240.0, strict)
    assert found.verdict == verdict
    assert (found.flags[0].code == "many_doubts") == (verdict == "reject")
    assert count_mask_doubts(numbers, strict) == doubts
    assert assess(numbers, 240.0, SPEC).verdict == "review", "a model that says nothing of it is not judged by it"


@pytest.mark.parametrize("height", [0.1, 0.4, 1.0])
def test_what_a_cut_costs_a_sphere(height: float) -> None:
    inside = np.linspace(1 - height, 1, 100_001)
    cap = np.trapezoid(np.pi * (1 - inside**2), inside) / (4 / 3 * np.pi)
    contact = np.pi * (1 - (1 - height) ** 2) / (4 * np.pi)
    assert missing_fraction(contact) == pytest.approx(cap, rel=1e-6)


def test_a_cut_beyond_the_centre_costs_half_at_least() -> None:
    assert missing_fraction(0.0) == 0
    assert missing_fraction(0.4) == missing_fraction(0.25) == pytest.approx(0.5)


def test_a_cut_is_doubted_from_one_per_cent_of_the_volume_on_and_refused_from_ten() -> None:
    limit = SPEC.fov_contact_fraction
    assert limit.review is not None
    assert limit.reject is not None
    assert missing_fraction(limit.review) == pytest.approx(0.01, rel=0.02)
    assert missing_fraction(limit.reject) == pytest.approx(0.10, rel=0.05)


def test_without_a_note_a_small_contact_is_not_told() -> None:
    quiet = SPEC.model_copy(update={"fov_contact_note": None})
    assert assess(GOOD.model_copy(update={"fov_contact_fraction": 0.03}), 240.0, quiet).flags == ()


def test_what_was_not_measured_is_not_judged() -> None:
    assert assess(QualityNumbers(components=1), 240.0, SPEC).verdict == "ok"


def test_every_flag_says_what_to_do() -> None:
    bad = GOOD.model_copy(update={"context_agreement_dsc": 0.1, "fov_contact_fraction": 0.9, "components": 9})
    for flag in assess(bad, 30.0, SPEC, 25.0).flags:
        assert flag.detail
        assert flag.remedy


def test_a_limit_without_thresholds_never_objects() -> None:
    assert Limit().above(1e9) == "ok"
    assert Limit(reject=1.0).above(1.5) == "reject"
    assert Limit(review=1.0).below(0.5) == "review"


def test_a_specification_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        QualitySpec.model_validate({"agreement": 0.9})
