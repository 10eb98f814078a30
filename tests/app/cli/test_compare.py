import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from app.cli.main import main
from app.console import FAILED, FINE, USAGE
from app.imaging.volume import Volume
from tests.app.batch.scans import write_scan
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_ml, sphere_volume, volume_bytes

Capture = pytest.CaptureFixture[str]
RADII = {"P01": 30.0, "P02": 34.0, "P03": 38.4}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Path:
    """The results of three scans."""
    root = tmp_path_factory.mktemp("measured")
    for name, radius in RADII.items():
        write_scan(root / "scans" / f"{name}.nii", radius)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FETALHEAD_MODEL_STORE", str(model_store))
        assert main(["segment", str(root / "scans"), "-o", str(root / "results")]) == FINE
    return root / "results"


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    folder = tmp_path / "masks"
    for name, radius in RADII.items():
        write_mask(folder / f"{name}.nii.gz", radius)
    return folder


def write_mask(path: Path, radius_mm: float) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(volume_bytes(sphere_mask(radius_mm), NiftiOptions(compress=path.suffix == ".gz")))


def sphere_mask(radius_mm: float) -> Volume:
    scan = sphere_volume(radius_mm)
    return Volume((scan.data > 110).astype(np.uint8), scan.geometry)


def compare(results: Path, masks: Path, out: Path) -> int:
    return main(["compare", str(results), str(masks), "--out", str(out)])


def rows(out: Path) -> dict[str, dict[str, str]]:
    with (out / "cases.csv").open(newline="", encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def test_every_case_is_measured_against_its_mask(measured: Path, masks: Path, tmp_path: Path) -> None:
    write_mask(masks / "P03.nii.gz", 36.0)
    assert compare(measured, masks, tmp_path / "out") == FINE
    found = rows(tmp_path / "out")
    assert [float(found[name]["dsc"]) for name in ("P01", "P02")] == pytest.approx([1.0, 1.0], abs=0.02)
    other = found["P03"]
    assert float(other["true_volume_ml"]) == pytest.approx(sphere_ml(36.0), rel=0.01)
    assert float(other["head_volume_ml"]) == pytest.approx(sphere_ml(38.4), rel=0.01)
    assert float(other["error_ml"]) == pytest.approx(sphere_ml(38.4) - sphere_ml(36.0), rel=0.1)
    assert float(other["error_percent"]) == pytest.approx(100 * ((38.4 / 36) ** 3 - 1), abs=1.5)
    assert float(other["dsc"]) == pytest.approx(2 * 36**3 / (36**3 + 38.4**3), abs=0.01)
    assert float(other["average_distance_mm"]) == pytest.approx(2.4, abs=0.5)
    assert float(other["hausdorff_distance_mm"]) == pytest.approx(2.4, abs=2.0)
    assert (other["state"], other["verdict"], other["problem"]) == ("compared", "ok", "")


def test_whether_the_published_interval_held_the_true_volume(measured: Path, masks: Path, tmp_path: Path) -> None:
    write_mask(masks / "P03.nii.gz", 26.0)
    compare(measured, masks, tmp_path / "out")
    assert {name: row["interval_held"] for name, row in rows(tmp_path / "out").items()} == {
        "P01": "yes",
        "P02": "yes",
        "P03": "no",
    }
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["interval_held"]["inside"], summary["interval_held"]["cases"]) == (2, 3)


def test_the_summary_is_that_of_the_cases(measured: Path, masks: Path, tmp_path: Path, capsys: Capture) -> None:
    write_mask(masks / "P02.nii.gz", 33.0)
    write_mask(masks / "P03.nii.gz", 40.0)
    assert main(["compare", str(measured), str(masks), "--out", str(tmp_path / "out"), "--json"]) == FINE
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((tmp_path / "out" / "summary.json").read_text())
    errors = [float(row["error_ml"]) for row in rows(tmp_path / "out").values()]
    assert summary["agreement"]["bias_ml"] == pytest.approx(np.mean(errors), abs=1e-3)
    assert summary["agreement"]["loa_half_width_ml"] == pytest.approx(1.96 * np.std(errors, ddof=1), rel=1e-3)
    assert (summary["cases"], summary["dsc"]["cases"], summary["not_compared"]) == (3, 3, [])


def test_a_table_for_people(measured: Path, masks: Path, tmp_path: Path, capsys: Capture) -> None:
    compare(measured, masks, tmp_path / "out")
    printed = capsys.readouterr().out
    for words in ("DSC", "Hausdorff distance (mm)", "Bias, measured - true", "95 % limits of agreement", "3 of 3"):
        assert words in printed
    assert (tmp_path / "out" / "agreement.svg").read_text().startswith("<svg")


def test_by_default_the_files_lie_with_the_results(measured: Path, masks: Path) -> None:
    assert main(["compare", str(measured), str(masks)]) == FINE
    assert (measured / "comparison" / "cases.csv").is_file()


def test_one_case_on_another_grid_stops_no_other(measured: Path, masks: Path, tmp_path: Path, capsys: Capture) -> None:
    mask = sphere_mask(30.0)
    (masks / "P01.nii.gz").write_bytes(nifti_bytes(mask.data[:-4], mask.geometry.affine))
    (masks / "P02.nii.gz").write_bytes(nifti_bytes(mask.data, mask.geometry.affine @ np.diag([1, 1, 1.5, 1])))
    (masks / "P04.nii.gz").write_bytes((masks / "P03.nii.gz").read_bytes())
    assert compare(measured, masks, tmp_path / "out") == FAILED
    found = rows(tmp_path / "out")
    assert {name: row["state"] for name, row in found.items()} == {
        "P01": "failed",
        "P02": "failed",
        "P03": "compared",
        "P04": "failed",
    }
    assert "another number of voxels" in found["P01"]["problem"]
    assert "lies elsewhere" in found["P02"]["problem"]
    assert found["P04"]["problem"] == "It has no result."
    assert "P02  not compared: the mask lies elsewhere" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"no volume", "does not begin as NIfTI"), (None, "more than one kind of foreground"), ("empty", "marks nothing")],
)
def test_a_file_that_is_no_mask(
    content: bytes | str | None, expected: str, measured: Path, masks: Path, tmp_path: Path
) -> None:
    scan = sphere_volume(30.0)
    made = {None: volume_bytes(scan), "empty": nifti_bytes(np.zeros_like(scan.data), scan.geometry.affine)}
    (masks / "P01.nii.gz").write_bytes(content if isinstance(content, bytes) else made[content])
    assert compare(measured, masks, tmp_path / "out") == FAILED
    assert expected in rows(tmp_path / "out")["P01"]["problem"]


def test_results_without_a_mask_are_no_failure(measured: Path, masks: Path, tmp_path: Path, capsys: Capture) -> None:
    (masks / "P01.nii.gz").unlink()
    (masks / "P02.nii.gz").unlink()
    assert compare(measured, masks, tmp_path / "out") == FINE
    assert [row["state"] for row in rows(tmp_path / "out").values()] == ["no_mask", "no_mask", "compared"]
    assert "results without a true mask: 2" in capsys.readouterr().out
    assert not (tmp_path / "out" / "agreement.svg").exists()


def test_a_mask_that_was_changed_since_is_not_taken_for_the_measured_one(
    masks: Path, tmp_path: Path, model_store: Path
) -> None:
    scan = write_scan(tmp_path / "P01.nii")
    main(["segment", str(scan), "-o", str(tmp_path / "results")])
    write_mask(tmp_path / "results" / "P01_mask.nii.gz", 20.0)
    assert compare(tmp_path / "results", masks, tmp_path / "out") == FAILED
    assert "changed since" in rows(tmp_path / "out")["P01"]["problem"]


def test_nothing_to_compare(measured: Path, tmp_path: Path, capsys: Capture) -> None:
    write_mask(tmp_path / "masks" / "other.nii", 30.0)
    assert compare(measured, tmp_path / "masks", tmp_path / "out") == USAGE
    assert "No mask in" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_same_command_renews_its_files_and_no_others(
    measured: Path, masks: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "out"
    assert compare(measured, masks, out) == FINE
    write_mask(masks / "P03.nii.gz", 36.0)
    assert compare(measured, masks, out) == FINE
    (out / "cases.csv").write_text("what somebody noted")
    assert compare(measured, masks, out) == USAGE
    assert "was not written by this command" in capsys.readouterr().err
    assert (out / "cases.csv").read_text() == "what somebody noted"


def test_a_file_without_spacing_is_compared_with_the_spacing_it_was_measured_with(tmp_path: Path) -> None:
    bare = NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [1, 0, 0, 0, 0, 0, 0, 0]})
    scan, mask = sphere_volume(), sphere_mask(38.4)
    (tmp_path / "P01.nii").write_bytes(volume_bytes(scan, bare))
    main(["segment", str(tmp_path / "P01.nii"), "-o", str(tmp_path / "results"), "--spacing-mm", "2"])
    (tmp_path / "masks").mkdir()
    nib.save(nib.Nifti1Image(mask.data, scan.geometry.affine), tmp_path / "masks" / "P01.nii.gz")
    assert compare(tmp_path / "results", tmp_path / "masks", tmp_path / "out") == FINE
    assert float(rows(tmp_path / "out")["P01"]["true_volume_ml"]) == pytest.approx(sphere_ml(), rel=0.01)
