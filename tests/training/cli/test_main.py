"""`fetalhead-train` for programs: one JSON object for a result, another for what went wrong."""

import argparse
import json
import sys
from pathlib import Path

import pytest

from model_store import packaged_store
from training.cli.main import main, make_parser
from training.own_data.folder import read_folder

Capture = pytest.CaptureFixture[str]


def test_every_command_takes_json() -> None:
    (commands,) = [action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)]
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["phantom", "OUT", "--spacing", "0"], "'0' is not a size from 0.2 to 20 mm"),
        (["phantom", "OUT", "--spacing", "-1"], "'-1' is not a size"),
        (["phantom", "OUT", "--spacing", "nan"], "'nan' is not a size"),
        (["cohort", "OUT", "--cases", "1", "--kind", "clinical"], "invalid choice: 'clinical' (choose from"),
        (["cohort", "OUT", "--cases", "1", "--look", "blurred"], "invalid choice: 'blurred' (choose from"),
        (["cohort", "OUT", "--cases", "0"], "'0' is not a whole number of 1 or more"),
        (["cohort", "OUT", "--cases", "-1"], "'-1' is not a whole number"),
        (["evaluate", "--out", "OUT", "--cases", "0"], "'0' is not a whole number"),
    ],
)
def test_values_that_cannot_be_used(arguments: list[str], said: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--json"])
    assert stopped.value.code == 2
    assert said in json.loads(capsys.readouterr().err)["error"]
    assert not Path("OUT").exists()


def test_a_seed_that_is_none(tmp_path: Path, capsys: Capture) -> None:
    assert main(["phantom", str(tmp_path / "out"), "--seed", "-1"]) == 2
    assert "a seed is a whole number from 0 on, got -1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("setting", [None, "elsewhere"])
def test_which_store_is_read(setting: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FETALHEAD_MODEL_STORE", raising=False)
    if setting is not None:
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", setting)
    evaluate = ["evaluate", "--out", "OUT"]
    assert make_parser().parse_args(evaluate).store == (packaged_store() if setting is None else Path(setting))
    assert make_parser().parse_args(["publish", "candidate"]).store == Path(setting or "model_store")
    assert make_parser().parse_args([*evaluate, "--store", "given"]).store == Path("given")
    (tmp_path / "model_store").mkdir()
    assert make_parser().parse_args(evaluate).store == Path(setting or "model_store")


def test_arguments_that_cannot_be_used(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["cohort", "OUT", "--json"])
    assert stopped.value.code == 2
    assert "--cases" in json.loads(capsys.readouterr().err)["error"]


def test_without_torch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.delitem(sys.modules, "training.export.publish", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)  # what the import system takes for "not importable"
    assert main(["export", str(tmp_path), "--json"]) == 2
    assert "fetalhead[cpu,train]" in json.loads(capsys.readouterr().err)["error"]
