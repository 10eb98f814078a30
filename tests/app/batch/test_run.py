"""A batch: every case has a result, and what is there already is kept as long as it would come out again."""

from copy import copy
from dataclasses import replace
from pathlib import Path

import pytest

from app.batch.cases import find_cases
from app.batch.local import LocalEngine
from app.batch.results import BatchResult, CaseProblem
from app.batch.run import BatchOptions, measure_one, run_batch
from app.contract.report import MASK, Report
from app.contract.upload import VolumeFields
from tests.app.batch.scans import write_scan
from tests.helpers.makers import sphere_ml


def run(folder: Path, out: Path, engine: LocalEngine, options: BatchOptions | None = None) -> list[BatchResult]:
    return list(run_batch(find_cases([folder], out), out, engine, options or BatchOptions()))


def states(results: list[BatchResult]) -> list[str]:
    return [result.state for result in results]


def test_a_case_that_fails_does_not_stop_the_rest(folder: Path, tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    first, second, bad = run(folder, out, engine)
    assert states([first, second, bad]) == ["measured", "measured", "failed"]
    assert isinstance(first.outcome, Report)
    assert first.outcome.head_volume_ml == pytest.approx(sphere_ml(30.0), rel=0.02)
    assert isinstance(bad.outcome, CaseProblem)
    assert bad.outcome.code == "not_nifti"
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert files == [f"{case}/scan{kind}" for case in "ab" for kind in (".json", "_mask.nii.gz", "_preview.png")]


def test_what_is_there_is_kept_and_what_failed_or_lacks_a_file_is_mended(
    folder: Path, tmp_path: Path, engine: LocalEngine
) -> None:
    out = tmp_path / "out"
    run(folder, out, engine)
    write_scan(folder / "bad.nii")
    (out / "b" / "scan_mask.nii.gz").unlink()
    assert states(run(folder, out, engine)) == ["kept", "measured", "measured"]


@pytest.mark.parametrize(
    ("options", "state"),
    [
        (BatchOptions(), "kept"),
        (BatchOptions(resume=False), "measured"),
        (BatchOptions(fields=VolumeFields(gestational_age_weeks=26.0)), "measured"),
        (BatchOptions(fields=VolumeFields(spacing_mm=(2.0, 2.0, 2.0))), "kept"),
        (BatchOptions(pdf=True), "measured"),
    ],
)
def test_it_is_kept_as_long_as_the_same_would_come_out_again(
    options: BatchOptions, state: str, tmp_path: Path, engine: LocalEngine
) -> None:
    path, out = write_scan(tmp_path / "scan.nii"), tmp_path / "out"
    run(path, out, engine)
    assert states(run(path, out, engine, options)) == [state]


def test_another_file_or_another_model_is_measured_anew(tmp_path: Path, engine: LocalEngine) -> None:
    path, out = write_scan(tmp_path / "scan.nii"), tmp_path / "out"
    run(path, out, engine)
    write_scan(path, 30.0)
    assert states(run(path, out, engine)) == ["measured"]
    other = copy(engine)
    other.model_sha256 = ("0" * 64,)
    assert states(run(path, out, other)) == ["measured"]


def test_one_case_is_measured_without_writing_anything(tmp_path: Path, engine: LocalEngine) -> None:
    path = write_scan(tmp_path / "in" / "scan.nii")
    (case,) = find_cases([path], None)
    found = measure_one(case, engine, BatchOptions())
    assert found.files is not None
    assert found.files[MASK].startswith(b"\x1f\x8b")
    missing = measure_one(replace(case, path=tmp_path / "missing.nii"), engine, BatchOptions())
    assert missing.document() == {
        "file": str(tmp_path / "missing.nii"), "code": "file_not_read", "detail": "No such file or directory.",
    }  # fmt: skip
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
