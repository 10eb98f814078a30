from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from app.report.charts import Measured, Pair, growth_chart, repeatability_chart, repeated

SVG = "{http://www.w3.org/2000/svg}"


def measured(
    volume_ml: float,
    day: int = 1,
    hour: int = 9,
    subject: str | None = "S-1",
    weeks: float | None = 26.0,
    file: str | None = None,
) -> Measured:
    at = datetime(2026, 1, day, hour, tzinfo=UTC)
    return Measured(subject, at, weeks, volume_ml, (volume_ml * 0.9, volume_ml * 1.1), "ok", file)


def described(chart: bytes) -> str:
    """The chart's title and description, as a screen reader finds them; and a check that it is well-formed."""
    root = ElementTree.fromstring(chart)
    assert root.tag == f"{SVG}svg"
    return " ".join(text.strip() for text in root.itertext())


def points(chart: bytes) -> int:
    """How many dots were drawn."""
    root = ElementTree.fromstring(chart)
    groups = [g for g in root.iter(f"{SVG}g") if str(g.get("id", "")).startswith("PathCollection")]
    return sum(len(list(group.iter(f"{SVG}use"))) for group in groups)


def test_growth_names_its_band_as_derived() -> None:
    text = described(growth_chart([measured(230.0)], "Head volumes of S-1"))
    assert "Head volumes of S-1" in text
    assert "derived from INTERGROWTH-21st head circumference" in text
    assert "Not a reference chart" in text


def test_growth_counts_what_it_cannot_show() -> None:
    text = described(growth_chart([measured(230.0), measured(240.0, weeks=None)], "all"))
    assert "1 without a gestational age" in text


@pytest.mark.parametrize("ages", [[], [10.5], [41.0], [18.0, 39.0]])
def test_growth_is_drawn_for_any_ages(ages: list[float]) -> None:
    assert described(growth_chart([measured(230.0, weeks=age) for age in ages], "all", "dark"))


def test_pairs_are_of_one_subject_and_day_in_order() -> None:
    scans = [
        measured(210.0, hour=11),
        measured(200.0, hour=9),
        measured(190.0, hour=15),
        measured(300.0, day=2),
        measured(250.0, subject="S-2"),
        measured(999.0, subject=None),
        measured(999.0, subject=None),
    ]
    assert repeated(scans) == [Pair(205.0, 10.0), Pair(200.0, -20.0)]


def test_another_age_and_the_same_file_make_no_pair() -> None:
    assert repeated([measured(100.0, hour=9, weeks=20.0), measured(400.0, hour=10, weeks=28.0)]) == []
    again = [measured(200.0, hour=hour, file="a") for hour in (9, 10)]
    assert repeated(again) == []
    assert repeated([*again, measured(210.0, hour=11, file="b")]) == [Pair(205.0, 10.0)]


def test_repeatability_shows_every_pair_and_limits_from_three_on() -> None:
    pairs = [Pair(200.0, 10.0), Pair(300.0, -10.0)]
    assert points(repeatability_chart(pairs)) == 2
    assert repeatability_chart(pairs).count(b"limit") == 0
    assert repeatability_chart([*pairs, Pair(250.0, 0.0)]).count(b"limit") == 2


def test_without_repeated_scans_it_says_so() -> None:
    assert "No subject was scanned twice" in described(repeatability_chart([]))
