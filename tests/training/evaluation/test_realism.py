import re
from dataclasses import replace

import pytest

from app.imaging.volume import Volume
from tests.training.phantom.makers import ellipsoid_head
from training.cli import main as cli
from training.evaluation.probes.realism import ScanStatistics, format_table, measure_base, measure_cohort, measure_grain
from training.phantom import simulate
from training.phantom.cohort import request_for

SCAN = ScanStatistics("test", "grainy", 2.0, 40.0, 100.0, 4.0, 3.5, 70.0, 100.0)


def test_one_row_per_cohort_and_look_below_the_real_scans() -> None:
    others = (
        replace(SCAN, look="contrast", grain=float("nan")),
        replace(SCAN, cohort="typical"),
        replace(SCAN, grey_50=50),
    )
    rows = [line.split(" | ")[:3] for line in format_table([SCAN, *others]).splitlines() if line.startswith("| ")]
    assert [row[0].strip("| ") for row in rows] == ["", "---", "real", "`test`", "`test`", "`typical`"]
    assert [row[2] for row in rows[3:]] == ["1", "2", "1"]


def test_a_row_tells_median_and_range() -> None:
    table = format_table([SCAN, replace(SCAN, grey_50=50.0)])
    assert "45 (40 to 50)" in table
    assert "23 to 68" in table


def test_what_cannot_be_measured_is_not_told() -> None:
    assert "nan" not in format_table([replace(SCAN, grain=float("nan"))])


def test_a_head_above_the_plane_has_no_base() -> None:
    share, width = measure_base(ellipsoid_head(36.0, 46.0, 35.0))
    assert share == pytest.approx(0, abs=0.002)
    assert width == pytest.approx(0, abs=0.1)


def test_statistics_are_those_of_the_scan() -> None:
    (found,) = measure_cohort("typical", [request_for("typical", 0, 3.0)])
    assert (found.cohort, found.look) == ("typical", "neuro")
    assert found.grey_10 < found.grey_50 < found.grey_90
    assert 7 < found.base_percent < 13
    assert found.in_view_percent > 99


def test_a_uniform_brain_has_no_grain() -> None:
    scan = simulate(request_for("typical", 0, 3.0))
    flat = replace(scan, volume=Volume(scan.volume.data * 0 + 60, scan.volume.geometry))
    assert not measure_grain(flat) < 1e6
    assert 1 < measure_grain(scan) < 30


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["realism", "--cohort", "typical", "--cases", "1", "--spacing", "5"]) == 0
    assert re.search(r"\| `typical` \| `neuro` \| 1 \|", capsys.readouterr().out)
