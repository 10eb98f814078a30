"""A candidate calibrated on volumes of one's own: `fetalhead-train calibrate CANDIDATE --data DIR`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from tests.helpers.makers import HEAD, TISSUE, publish_threshold_model, sphere_volume
from training.cli import main as cli

RADII = {"A": 30.0, "B": 34.0, "C": 38.0, "D": 36.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright spheres; labels reach 0.3 mm, 2.5 % of the volume, further out than where the image is half as bright."""
    root = tmp_path_factory.mktemp("own")
    for name in ("images", "labels"):
        (root / name).mkdir()
    for case, radius in RADII.items():
        image, wider = sphere_volume(radius), sphere_volume(radius + 0.3)
        label = Volume((wider.data > (TISSUE + HEAD) / 2).astype(np.uint8), wider.geometry)
        (root / "images" / f"{case}.nii.gz").write_bytes(encode_volume(image))
        (root / "labels" / f"{case}.nii.gz").write_bytes(encode_volume(label))
    (root / "split.csv").write_text("name,part\nA,train\nB,validation\nC,validation\nD,validation\n", encoding="utf-8")
    return root


def _manifest(candidate: Path) -> Any:
    return json.loads((candidate / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_threshold_and_limits_come_from_the_validation_cases(folder: Path, tmp_path: Path) -> None:
    candidate = publish_threshold_model(tmp_path)
    before = _manifest(candidate)
    assert cli.main(["calibrate", str(candidate), "--data", str(folder), "--json"]) == 0
    after = _manifest(candidate)
    assert after["volume_interval"] is None  # three cases are too few for an interval for each
    assert after["quality"]["half_width_percent"] == {"review": None, "reject": None}
    assert after["postprocessing"]["threshold"] < before["postprocessing"]["threshold"]
    assert after["quality"] != before["quality"]
    assert after["quality"]["context_agreement_dsc"]["reject"] == before["quality"]["context_agreement_dsc"]["reject"]
    out = tmp_path / "out"
    measure = ["evaluate", "--data", str(folder), "--part", "validation", "--store", str(tmp_path), "--out", str(out)]
    assert cli.main(measure) == 0
    cases = [json.loads(line) for line in (out / "validation.jsonl").read_text(encoding="utf-8").splitlines()]
    errors = [case["measured_ml"] / case["true_ml"] - 1 for case in cases]
    assert np.abs(np.median(errors)) < 0.015


def test_too_few_cases_are_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    candidate = publish_threshold_model(tmp_path)
    before = _manifest(candidate)
    assert cli.main(["calibrate", str(candidate), "--data", str(folder), "--part", "train"]) == 2
    said = capsys.readouterr().err
    assert "calibration needs 3 cases" in said
    assert "--split" in said
    assert _manifest(candidate) == before
