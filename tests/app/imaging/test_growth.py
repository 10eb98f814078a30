import pytest

from app.imaging import growth


@pytest.mark.parametrize(
    ("weeks", "hc", "hc_sd", "tcd"),
    [
        (20, 172.5, 7.4, 20.5),
        (24, 219.1, 8.3, 26.2),
        (28, 260.4, 8.9, 32.9),
        (31, 286.6, 9.4, 38.7),
    ],
)
def test_sizes_agree_with_the_published_table(weeks: float, hc: float, hc_sd: float, tcd: float) -> None:
    assert growth.head_circumference(weeks).mean_mm == pytest.approx(hc, abs=0.06)
    assert growth.head_circumference(weeks).sd_mm == pytest.approx(hc_sd, abs=0.06)
    assert growth.transcerebellar_diameter(weeks).mean_mm == pytest.approx(tcd, abs=0.06)


def test_spread_at_fourteen_weeks_matches_the_table() -> None:
    assert growth.head_circumference(14).mean_mm == pytest.approx(97.88, abs=0.02)


def test_equivalent_circumference_inverts_the_expected_volume() -> None:
    volume = growth.expected_head_volume_ml(25, z=1.0)
    assert growth.equivalent_circumference(volume) == pytest.approx(growth.head_circumference(25).at(1.0))


@pytest.mark.parametrize("weeks", [13.9, 40.1, float("nan")])
def test_ages_outside_the_standard_are_refused(weeks: float) -> None:
    with pytest.raises(ValueError, match="14 to 40 weeks"):
        growth.head_circumference(weeks)
