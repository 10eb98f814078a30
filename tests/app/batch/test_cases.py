"""Which files are meant, and what their results are called."""

from pathlib import Path

import pytest

from app.batch.cases import BatchError, Case, find_cases


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a/scan.nii", "b/scan.nii.gz", "b/.hidden/scan.nii", "notes.txt", "._scan.nii"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases]


def test_a_folder_is_searched_for_volumes_and_its_subfolders_are_kept(folder: Path, tmp_path: Path) -> None:
    assert names(find_cases([folder], tmp_path / "out")) == ["a/scan", "b/scan"]


def test_a_file_that_is_named_is_a_case_whether_it_is_there_or_not(folder: Path, tmp_path: Path) -> None:
    inputs = [folder / "a/scan.nii", tmp_path / "missing.nii.gz", folder / "notes.txt"]
    assert names(find_cases(inputs, None)) == ["scan", "missing", "notes.txt"]


def test_masks_of_an_earlier_run_are_no_input(folder: Path) -> None:
    (folder / "a" / "scan_mask.nii.gz").touch()
    assert names(find_cases([folder], folder)) == ["a/scan", "a/scan_mask", "b/scan"]
    (folder / "a" / "scan.json").touch()  # now it has a report beside it: a run wrote both
    assert names(find_cases([folder], folder)) == ["a/scan", "b/scan"]


def test_an_output_below_the_input_is_no_input(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "other.nii").touch()
    assert names(find_cases([folder], folder / "out")) == ["a/scan", "b/scan"]


def test_two_files_of_one_name(folder: Path) -> None:
    with pytest.raises(BatchError, match=r"2 files would be written as scan: .*separate folders"):
        find_cases([folder / "a/scan.nii", folder / "b/scan.nii.gz"], None)


def test_a_folder_without_volumes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BatchError, match=r"empty holds no file that ends in \.nii\.gz or \.nii"):
        find_cases([folder, tmp_path / "empty"], None)
