"""What the tables say of one training seed and of several, and of the paper."""

from pathlib import Path

import pytest

from tests.training.paper.results import measured
from training.paper.comparisons import compare, format_section
from training.paper.comparisons import format_table as shown_comparisons
from training.paper.report import write_report
from training.paper.scales import SCALES
from training.paper.tables import COLUMNS, format_markdown, format_p


def test_several_seeds_have_a_mean_and_a_spread() -> None:
    found = measured("USegNet", 0.80, 0.82, 0.87)
    assert found.mean("dsc") == pytest.approx(0.83)
    assert found.seed_sd_percent == pytest.approx(3.60555)
    assert "| **83.00 ± 3.61** |" in format_markdown([found])


def test_one_seed_has_no_spread() -> None:
    assert measured("USegNet", 0.8).seed_sd_percent is None
    assert "| **80.00** |" in format_markdown([measured("USegNet", 0.8)])


def test_the_median_seed_is_one_of_them() -> None:
    assert measured("USegNet", 0.9, 0.7, 0.8).median_seed == 2
    assert measured("USegNet", 0.9, 0.7).median_seed == 1
    assert measured("USegNet", 0.9).median_seed == 0


def test_what_the_paper_reports_stands_below_each_system() -> None:
    lines = format_markdown([measured("USegNet-DS", 0.8), measured("USegNet-DS-Conv", 0.8)]).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| USegNet-DS", "| *in the paper*", "| USegNet-DS-Conv"]
    assert lines[3].split(" | ")[1:6] == ["*94.95*", "*89.33*", "*90.42*", "*0.62*", "*5.41*"]
    assert lines[3].endswith(" | *0.78* |")
    assert len({line.count("|") for line in lines}) == 1
    with_paper = measured("USegNet-DS", 0.8)
    assert [COLUMNS[name](with_paper) for name in ("paper_hdb_mm", "paper_seconds")] == [5.409, 0.78]


def test_missed_heads_are_counted_where_there_are_any() -> None:
    whole, missing = measured("USegNet", 0.8, 0.8), measured("USegNet", 0.8, 0.8, missed=3)
    assert "Heads missed" not in format_markdown([whole])
    table = format_markdown([whole, missing]).splitlines()
    assert table[0].endswith("| Heads missed |")
    assert [line.split(" | ")[-1] for line in table[2:]] == ["0 of 10 |", " |", "3 of 10 |", " |"]
    assert len({line.count("|") for line in table}) == 1


def test_minutes_of_training_stay_in_the_csv() -> None:
    systems = [measured("USegNet", 0.8)]
    assert COLUMNS["training_minutes"](systems[0]) == 1.0
    assert "raining" not in format_markdown(systems)


def test_time_is_the_median_over_seeds_of_the_median_over_cases() -> None:
    found = measured("USegNet", 0.8, 0.8, 0.8, seconds=(1.0, 0.123, 0.2))
    assert found.seconds == pytest.approx(0.2)
    assert " | 0.2 |" in format_markdown([found])


def test_table_and_order_round_once(tmp_path: Path) -> None:
    """76.2949 is 76.29 in two digits, though 76.295 in three."""
    names = ("USegNet", "p-USegNet", "2D-USegNet")
    systems = {name: measured(name, 0.762949) for name in names}
    page = write_report(tmp_path, SCALES["smoke"], systems, [], []).read_text(encoding="utf-8")
    assert page.count("76.29") == page.count("76.") == 2 * len(systems) + 3


def test_a_clear_difference_is_found_and_another_is_not_resolved() -> None:
    systems = {
        "USegNet": measured("USegNet", 0.80, 0.81, 0.80),
        "USegNet-DS": measured("USegNet-DS", 0.70, 0.71, 0.70),
        "SAM-1": measured("SAM-1", 0.71, 0.69, 0.72),
    }
    found = {(one.pair.system, one.pair.against): one for one in compare(systems)}
    assert [one.finding for one in found.values()] == ["worse", "not resolved"]
    assert found["SAM-1", "USegNet-DS"].difference.by_seed == pytest.approx((0.01, -0.02, 0.02))
    assert "| +1.0 -2.0 +2.0 |" in shown_comparisons(list(found.values()))


def test_what_only_the_correction_takes_away_is_said() -> None:
    pair = compare(
        {"USegNet": measured("USegNet", 0.80, 0.81, 0.80), "USegNet-DS": measured("USegNet-DS", 0.9, 0.91, 0.9)}
    )
    (one,) = pair
    assert one.finding == "better"
    assert type(one)(one.pair, one.difference, 0.2, 0.01).finding == "better before correction"


def test_one_seed_resolves_nothing() -> None:
    compared = compare(
        {name: measured(name, 0.9 if name == "USegNet-DS" else 0.1) for name in ("USegNet", "USegNet-DS")}
    )
    assert [(one.finding, one.p) for one in compared] == [("not resolved", None)]
    assert " | - | " in format_section(compared)
    assert "the variation between seeds is unknown" in format_section(compared)


def test_both_p_are_corrected_for_the_family() -> None:
    systems = [measured(name, dsc, dsc) for name, dsc in (("USegNet", 0.80), ("USegNet-DS", 0.81), ("SAM-1", 0.82))]
    compared = compare({found.system.name: found for found in systems})
    alone = [one.difference.wilcoxon_p for one in compared]
    assert alone == [0.0625, 0.0625]
    assert [one.wilcoxon_p for one in compared] == [0.125, 0.125]
    assert [one.p for one in compared] == [2 * (one.difference.p or 0) for one in compared]


@pytest.mark.parametrize(("p", "shown"), [(0.00099, "< 0.001"), (0.001, "0.001"), (0.0464, "0.046"), (1.0, "1.000")])
def test_a_small_p_is_not_shown_as_nothing(p: float, shown: str) -> None:
    assert format_p(p) == shown
