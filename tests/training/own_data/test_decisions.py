"""What readers decided is a training set: measured, decided, exported and learned from, with nothing mended."""

import csv
import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import app.cli.main
from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import post, running_service
from training.cli import main as cli
from training.fitting.checkpoint import load_level

SUBJECTS = ("A", "B", "C", "D", "E")


@pytest.fixture
def preset(tmp_path: Path) -> Path:
    text = (Path(cli.__file__).parent.parent / "presets" / "smoke.toml").read_text(encoding="utf-8")
    path = tmp_path / "decided.toml"
    path.write_text(text.replace("steps = [60, 30]", "steps = [2, 1]"), encoding="utf-8")
    return path


@pytest.mark.slow
def test_decisions_are_taken_by_fit_as_they_are(preset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_threshold_model(tmp_path / "models")
    scans, exported, run = tmp_path / "scans", tmp_path / "exported", tmp_path / "run"
    scans.mkdir()
    with running_service(tmp_path / "data", tmp_path / "models") as service:
        for number, subject in enumerate(SUBJECTS):
            content = volume_bytes(sphere_volume(radius_mm=32.0 + number), NiftiOptions(compress=True))
            (scans / f"{subject}.nii.gz").write_bytes(content)
            path = f"/segmentations/{post(service.client, content, subject=subject).json()['id']}"
            decision = {"decision": "accept"}
            if subject == "B":
                edited = without_its_top(service.client.get(f"{path}/mask").content)
                service.client.put(f"{path}/mask", content=edited).raise_for_status()
                decision = {"decision": "edit", "reason": "too high"}
            service.client.post(f"{path}/decision", json=decision).raise_for_status()
    monkeypatch.setenv("FETALHEAD_DATA_DIR", str(tmp_path / "data"))
    assert app.cli.main.main(["records", "export", str(exported), "--volumes", str(scans)]) == 0
    (label,) = (exported / "labels").glob("B_*")
    assert np.array_equal(voxels(label.read_bytes()), voxels(edited))

    assert cli.main(["fit", str(preset), "--data", str(exported), "--run", str(run)]) == 0

    assert load_level(run / "level_2" / "weights.pt").context_level == 2
    with (run / "split.csv").open(encoding="utf-8") as table:
        parts = {row["name"].partition("_")[0]: row["part"] for row in csv.DictReader(table)}
    assert set(parts) == set(SUBJECTS)
    assert set(parts.values()) == {"train", "validation", "test"}


def without_its_top(mask: bytes) -> bytes:
    image = nib.Nifti1Image.from_bytes(gzip.decompress(mask))
    drawn = np.asarray(image.dataobj).copy()
    drawn[..., np.nonzero(drawn)[2].max()] = 0
    return gzip.compress(nib.Nifti1Image(drawn, image.affine, image.header).to_bytes())


def voxels(mask: bytes) -> np.ndarray:
    return np.asarray(nib.Nifti1Image.from_bytes(gzip.decompress(mask)).dataobj)
