"""What a folder holds: links are followed once, and what cannot be read is a case that fails."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.batch.cases import BatchError, Case, find_cases
from app.batch.local import LocalEngine
from app.batch.run import BatchOptions, run_batch
from app.batch.tables import open_tables
from tests.app.batch.scans import write_scan

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "in" / "p1" / "scan.nii")
    return tmp_path / "in"


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def names(cases: list[Case]) -> list[str]:
    return [case.name for case in cases if case.fault is None]


def faults(cases: list[Case]) -> dict[str, str]:
    return {case.name: case.fault for case in cases if case.fault is not None}


def test_scans_of_every_format_are_found_by_their_endings(folder: Path) -> None:
    for name in ("b.nrrd", "c.MHA", "d.nhdr", "e.mhd", "f.raw", "g.txt"):
        write(folder / name)
    assert names(find_cases([folder], None)) == ["b", "c", "d", "e", "p1/scan"]


class TestLinks:
    def test_to_folders_are_followed(self, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "archive" / "p2" / "scan.nii.gz")
        (folder / "p2").symlink_to(tmp_path / "archive" / "p2")
        assert names(find_cases([folder], None)) == ["p1/scan", "p2/scan"]

    def test_are_followed_once(self, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "archive" / "scan.nii")
        (tmp_path / "archive" / "back").symlink_to(tmp_path / "archive")
        for name in ("a", "b"):
            (folder / name).symlink_to(tmp_path / "archive")
        (folder / "first").symlink_to(folder / "p1")
        (folder / "p1" / "up").symlink_to(folder)
        assert names(find_cases([folder], None)) == ["a/scan", "p1/scan"]

    def test_to_a_scan_give_it_their_name(self, folder: Path) -> None:
        (folder / "same.nii").symlink_to(folder / "p1" / "scan.nii")
        assert names(find_cases([folder], None)) == ["p1/scan", "same"]

    def test_to_nothing_fail_where_a_scan_or_a_folder_may_have_been(self, folder: Path) -> None:
        for name in ("p2", "p3.nii.gz", "notes.txt", "run.sh"):
            (folder / name).symlink_to(folder / "annex" / "not-fetched")
        (folder / "loop.nii").symlink_to("loop.nii")
        cases = find_cases([folder], None)
        assert names(cases) == ["p1/scan"]
        assert sorted(faults(cases)) == ["loop.nii", "p2", "p3.nii.gz"]
        assert "annex/not-fetched, which is not there" in faults(cases)["p3.nii.gz"]

    def test_into_the_output_are_not_followed(self, folder: Path, tmp_path: Path) -> None:
        write(tmp_path / "out" / "p9" / "scan.nii")
        (folder / "results").symlink_to(tmp_path / "out" / "p9")
        assert names(find_cases([folder], tmp_path / "out")) == ["p1/scan"]


def test_an_output_around_the_folder_hides_nothing(folder: Path) -> None:
    assert names(find_cases([folder], folder.parent)) == ["p1/scan"]


def test_what_is_no_file_fails_instead_of_waiting_for_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe.nii")
    assert faults(find_cases([folder], None)) == {"pipe.nii": "It is no file that can be read."}


def test_two_files_of_one_name_in_a_folder_do_not_stop_the_rest(folder: Path) -> None:
    write(folder / "p2" / "scan.nii")
    write(folder / "p2" / "scan.nii.gz")
    cases = find_cases([folder], None)
    assert names(cases) == ["p1/scan"]
    assert "2 files would be written as p2/scan" in faults(cases)["p2/scan"]


class TestFoldersThatCannotBeRead:
    @pytest.fixture
    def closed(self) -> Iterator[Path]:
        """A folder that only its owner may read, looked at by somebody else."""
        if os.geteuid() != 0:
            pytest.skip("needs to become somebody else")
        with tempfile.TemporaryDirectory() as root:
            Path(root).chmod(0o755)
            write(Path(root) / "in" / "p1" / "scan.nii")
            write(Path(root) / "in" / "p2" / "scan.nii").parent.chmod(0o700)
            os.seteuid(NOBODY)
            try:
                yield Path(root) / "in"
            finally:
                os.seteuid(0)

    def test_fail_and_do_not_stop_the_rest(self, closed: Path) -> None:
        cases = find_cases([closed], None)
        assert names(cases) == ["p1/scan"]
        assert faults(cases) == {"p2": "The folder cannot be read: Permission denied."}

    def test_fail_though_nothing_else_is_there(self, closed: Path) -> None:
        (case,) = find_cases([closed / "p2"], None)
        assert case.fault == "The folder cannot be read: Permission denied."


def test_a_folder_with_links_to_nothing_alone_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BatchError, match="holds no file"):
        find_cases([tmp_path / "in"], None)
    (tmp_path / "in" / "scan.nii").symlink_to("missing")
    assert len(faults(find_cases([tmp_path / "in"], None))) == 1


def test_names_of_any_bytes_are_measured_and_listed(tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    strange = (b"M\xfcller.nii", b"two\nlines.nii", '胎児, "1".nii'.encode(), b"a [red] %41.nii")
    write_scan(tmp_path / "in" / "scan.nii")
    for name in strange:
        os.link(tmp_path / "in" / "scan.nii", os.fsencode(tmp_path / "in") + b"/" + name)
    cases = find_cases([tmp_path / "in"], out)
    with open_tables(out) as tables:
        for result in run_batch(cases, out, engine, BatchOptions()):
            tables.add(result)
            assert result.state == "measured"
    expected = ["M%FCller", "a [red] %41", "scan", "two%0Alines", '胎児, "1"']
    assert sorted(case.name for case in cases) == expected
    assert sorted(path.stem for path in out.glob("*.json")) == expected
    assert len((out / "results.csv").read_text(encoding="utf-8").splitlines()) == len(expected) + 1
    assert {result.state for result in run_batch(cases, out, engine, BatchOptions())} == {"kept"}
