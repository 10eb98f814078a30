"""`fetalhead-train` for programs: one JSON object for a result, another for what went wrong."""

import argparse
import json
import sys
from pathlib import Path

import pytest

from training.cli import _parser, main
from training.own_data.folder import read_folder

Capture = pytest.CaptureFixture[str]


def test_every_command_takes_json() -> None:
    (commands,) = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    without = [name for name, command in commands.choices.items() if "--json" not in command.format_help()]
    assert without == ["completion"]


def test_a_result(tmp_path: Path, capsys: Capture) -> None:
    assert main(["cohort", str(tmp_path / "scans"), "--cases", "1", "--spacing", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(tmp_path / "scans"), "kind": "train", "scans": 1}


def test_a_cohort_as_a_folder_of_ones_own(tmp_path: Path) -> None:
    arguments = ["cohort", str(tmp_path), "--kind", "shifted", "--cases", "2", "--spacing", "4", "--nifti"]
    assert main(arguments) == 0
    found = read_folder(tmp_path)
    assert [case.name for case in found.cases] == ["03000000", "03000001"]
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nii.gz")}
    assert len(written) == 4
    assert main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == written


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cohort", "OUT", "--cases", "1", "--kind", "clinical"], 2, "no cohort 'clinical'"),
        (["cohort", "OUT", "--cases", "1", "--look", "blurred"], 2, "no look 'blurred'"),
        (["fit", "nothing-like-it"], 2, "no preset 'nothing-like-it'"),
        (["publish", "nowhere", "--evaluation", "missing.json"], 2, "missing.json"),
    ],
)
def test_what_went_wrong(arguments: list[str], code: int, said: str, capsys: Capture) -> None:
    assert main([*arguments, "--json"]) == code
    problem = json.loads(capsys.readouterr().err)
    assert problem["exit_code"] == code
    assert said in problem["error"]
    assert main(arguments) == code
    assert capsys.readouterr().err.startswith("fetalhead-train: ")


def test_arguments_that_cannot_be_used(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cohort", "OUT", "--json"])
    assert stopped.value.code == 2
    assert "--cases" in json.loads(capsys.readouterr().err)["error"]


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delitem(sys.modules, "training.bars", raising=False)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # what the import system takes for "not importable"
    assert main(["cohort", "OUT", "--cases", "0", "--json"]) == 2
    assert "fetalhead[cpu,train]" in json.loads(capsys.readouterr().err)["error"]
