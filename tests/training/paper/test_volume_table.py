"""Volumes in the report: every training seed counts, and every repeated scan is written down."""

import csv
from pathlib import Path

from tests.training.paper.results import measured, repeated
from training.paper.volume_table import format_over_seeds, format_volumes, write_repeated


def test_mean_and_range_over_seeds() -> None:
    assert format_over_seeds([1.0, 2.0, 6.0], "+.1f") == "+3.0 [+1.0, +6.0]"
    assert format_over_seeds([1.25], ".2f") == "1.25"


def test_volumes_are_of_all_seeds() -> None:
    found = measured("USegNet", 0.8, 0.8)
    shifted = tuple(r.model_copy(update={"measured_ml": r.measured_ml + 10}) for r in found.test[0])
    first = sum(r.measured_ml - r.true_ml for r in found.test[0]) / len(found.test[0])
    both = type(found)(found.system, (1, 2), (found.test[0], shifted), found.shifted, 1, 1.0)
    page = format_volumes({"USegNet": both}, [], "USegNet")
    assert f"{first + 5:+.1f} [{first:+.1f}, {first + 10:+.1f}]" in page


def test_reproducibility_is_of_all_seeds_and_in_a_file(tmp_path: Path) -> None:
    runs = [repeated((190, 200, 210), (290, 300, 310)), repeated((180, 200, 220), (280, 300, 320))]
    write_repeated(tmp_path / "reproducibility.csv", runs, (1, 2))
    with (tmp_path / "reproducibility.csv").open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 12
    assert [row["direction"] for row in rows[:4]] == ["lateral", "anterior", "vertex", "lateral"]
    assert [(row["training_seed"], row["measured_ml"]) for row in rows[5:8]] == [
        ("1", "310.0"),
        ("2", "180.0"),
        ("2", "200.0"),
    ]
