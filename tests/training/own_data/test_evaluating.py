"""Evaluation on cases of one's own, whatever their part."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from tests.helpers.makers import publish_threshold_model, sphere_volume
from training.cli.main import main

Capture = pytest.CaptureFixture[str]
RADII = (30.0, 33.0, 36.0, 38.4)
WITHOUT_TRAINING_TOOLS = """
import sys
from importlib.abc import MetaPathFinder

TOOLS = {"matplotlib", "monai", "onnx", "onnx_ir", "onnxscript", "skimage", "tensorboard", "torch"}

class Refusing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in TOOLS:
            raise ModuleNotFoundError(name=name)

sys.meta_path.insert(0, Refusing())
from training.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    publish_threshold_model(root)
    return root


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "own"
    for name in ("images", "labels"):
        (root / name).mkdir(parents=True)
    for number, radius in enumerate(RADII):
        scan = sphere_volume(radius)
        (root / "images" / f"P{number}.nii.gz").write_bytes(encode_volume(scan))
        truth = Volume((scan.data > 110).astype(np.uint8), scan.geometry)
        (root / "labels" / f"P{number}.nii.gz").write_bytes(encode_volume(truth))
    return root


def evaluate(folder: Path, store: Path, out: Path, *more: str) -> int:
    return main(["evaluate", "--data", str(folder), "--store", str(store), "--out", str(out), "--threads", "1", *more])


def test_all_cases_can_be_evaluated(folder: Path, store: Path, tmp_path: Path, capsys: Capture) -> None:
    assert evaluate(folder, store, tmp_path / "out", "--part", "all") == 0
    printed = capsys.readouterr()
    assert "all (4 own)" in printed.out
    assert "part 'all': 4 cases" in printed.err
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert sorted(found["all"]["dsc_by_case"]) == ["P0", "P1", "P2", "P3"]
    assert "--part all" in found["all"]["command"]
    assert "test" not in found


def test_evaluating_and_comparing_need_none_of_the_training_tools(folder: Path, store: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    asked = ["--data", str(folder), "--part", "all", "--store", str(store), "--threads", "1", "--out", out]
    for arguments in (["evaluate", *asked], ["compare", out, out]):
        command = [sys.executable, "-c", WITHOUT_TRAINING_TOOLS, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        assert "4" in done.stdout


def test_the_training_part_can_be_evaluated(folder: Path, store: Path, tmp_path: Path, capsys: Capture) -> None:
    assert evaluate(folder, store, tmp_path / "out", "--part", "train") == 0
    assert "train (2 own)" in capsys.readouterr().out


def test_an_evaluation_with_one_case_says_what_to_do(
    folder: Path, store: Path, tmp_path: Path, capsys: Capture
) -> None:
    assert evaluate(folder, store, tmp_path / "out") == 2
    assert f"part 'test' of {folder} has 1 case; an evaluation needs 2 or more: --part all" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_simulated_case_is_too_few(store: Path, tmp_path: Path, capsys: Capture) -> None:
    out = ["--store", str(store), "--out", str(tmp_path / "out")]
    assert main(["evaluate", "--cases", "1", "--spacing", "4", *out]) == 2
    assert "an evaluation needs 2 or more: give --cases" in capsys.readouterr().err


def test_all_cases_need_no_split(folder: Path, store: Path, tmp_path: Path, capsys: Capture) -> None:
    split = tmp_path / "split.csv"
    split.write_text("name,part\nP0,test\n")
    assert evaluate(folder, store, tmp_path / "out", "--part", "all", "--split", str(split)) == 2
    assert "leave --split out" in capsys.readouterr().err
