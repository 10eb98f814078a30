import json
import shlex
from pathlib import Path

import pytest

from tests.helpers.makers import publish_threshold_model
from training.cli import main as cli
from training.evaluation.provenance import format_command, read_commands, record_command, shorten_path


def test_a_command_is_told_as_it_was_typed_without_this_machine_s_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    options = (
        ("--cases", 20), ("--data", Path("/home/somebody/my scans")), ("--store", Path("/usr/models")),
        ("--out", Path("runs/a b")), ("--version", None), ("--force", True), ("--quiet", False),
        ("--margin", [1.0, 2.0]),
    )  # fmt: skip
    assert format_command("evaluate", options, [Path("x/1")]) == (
        "fetalhead-train evaluate x/1 --cases 20 --data 'my scans' --store models --out 'runs/a b' --force "
        "--margin 1.0 2.0"
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("runs/cpu", "runs/cpu"),
        ("/usr/models/x", "models/x"),
        ("/home/somebody/runs/own/store/fetal_head/1", "runs/own/store/fetal_head/1"),
        ("/home/somebody/own/store/fetal_head/1", "own/store/fetal_head/1"),
        ("/home/somebody/hospital/scans", "scans"),
    ],
)
def test_a_path_tells_no_more_than_it_must(path: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert str(shorten_path(Path(path))) == told


def test_a_later_command_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert read_commands(folder) == {}
    for section, command in (("test", "first"), ("shifted", "other"), ("test", "second")):
        record_command(folder, section, command)
    assert read_commands(folder) == {"test": "second", "shifted": "other"}


@pytest.mark.slow
def test_what_is_recorded_measures_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish_threshold_model(Path("models"))
    where = ["--spacing", "4", "--store", "models", "--out", "first"]
    assert cli.main(["evaluate", "--cohort", "held_out", "--cases", "3", *where]) == 0
    assert cli.main(["evaluate", "--cohort", "held_out", "--cases", "2", *where]) == 0
    assert cli.main(["reproducibility", "--groups", "2", *where]) == 0
    found = json.loads(Path("first/evaluation.json").read_text(encoding="utf-8"))
    measured, repeated = found["held_out"], found["reproducibility"]
    assert measured["cases"] == 3
    assert measured["command"] == (
        "fetalhead-train evaluate --cohort held_out --cases 3 --spacing 4.0 --store models --name fetal_head "
        "--version 1 --out first"
    )
    assert measured["spacing_mm"] == repeated["spacing_mm"] == [4.0, 4.0]
    Path("first").rename("before")
    for command in found["command"].split(" && "):
        assert cli.main(shlex.split(command)[1:]) == 0
    again = json.loads(Path("first/evaluation.json").read_text(encoding="utf-8"))
    assert again["command"] == found["command"]
    assert again["held_out"]["dsc_by_case"] == measured["dsc_by_case"]
    assert again["reproducibility"] == repeated
