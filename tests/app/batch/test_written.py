"""Files of a case: all of one measurement, whatever stops the run, and never over a file of somebody else."""

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import app.batch.written
from app.batch.cases import Case, find_cases
from app.batch.local import LocalEngine
from app.batch.results import BatchResult, CaseError, CaseProblem
from app.batch.run import BatchOptions, run_batch
from app.batch.written import check_targets, read_whole, write_case
from app.contract.report import MASK, Measurement
from app.contract.upload import Upload
from app.files import digest
from tests.app.batch.scans import write_scan
from tests.helpers.killing import killed_at

STEPS = ("write_case", "_replace")
"""The functions that write."""


@dataclass(frozen=True)
class Work:
    """A case that was measured, to be written into `out`."""

    case: Case
    upload: Upload
    measured: Measurement
    out: Path

    def write(self, measured: Measurement | None = None) -> None:
        write_case(self.case, self.upload, measured or self.measured, self.out)

    def earlier(self) -> Measurement:
        return replace(self.measured, files={**self.measured.files, MASK: b"an earlier mask", "report.pdf": b"a page"})


@pytest.fixture(scope="module")
def measured(engine: LocalEngine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Upload, Measurement]:
    upload = Upload(write_scan(tmp_path_factory.mktemp("scan") / "scan.nii").read_bytes())
    return upload, engine.prepare(upload)()


@pytest.fixture
def work(measured: tuple[Upload, Measurement], tmp_path: Path) -> Work:
    return Work(Case(tmp_path / "scan.nii", "p1/scan"), *measured, tmp_path / "out")


def run(path: Path, out: Path, engine: LocalEngine, **options: Any) -> BatchResult:
    (result,) = run_batch(find_cases([path], out), out, engine, BatchOptions(**options))
    return result


def code(result: BatchResult) -> str:
    assert isinstance(result.outcome, CaseProblem)
    return result.outcome.code


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


class TestFilesOfOthers:
    @pytest.mark.parametrize("name", ["scan.json", "scan_mask.nii.gz", "scan_preview.png"])
    @pytest.mark.parametrize("content", [b'{"ConversionSoftware": "dcm2niix"}', b"", b"\xff\xfe"])
    @pytest.mark.parametrize("resume", [True, False])
    def test_stay_as_they_are(
        self, name: str, content: bytes, resume: bool, tmp_path: Path, engine: LocalEngine
    ) -> None:
        path = write_scan(tmp_path / "scan.nii")
        (tmp_path / name).write_bytes(content)
        before = contents(tmp_path)
        result = run(path, tmp_path, engine, resume=resume)
        assert code(result) == "file_not_ours"
        assert isinstance(result.outcome, CaseProblem)
        assert name in result.outcome.detail
        assert "-o" in str(result.outcome.remedy)
        assert contents(tmp_path) == before

    def test_are_also_folders_and_links_to_nothing(self, tmp_path: Path, engine: LocalEngine) -> None:
        path = write_scan(tmp_path / "scan.nii")
        (tmp_path / "a" / "scan_mask.nii.gz").mkdir(parents=True)
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "scan.json").symlink_to(tmp_path / "missing")
        for name in "ab":
            assert code(run(path, tmp_path / name, engine)) == "file_not_ours"
        assert (tmp_path / "b" / "scan.json").is_symlink()

    @pytest.mark.parametrize(
        "name", ["scan.json", "scan_mask.nii.gz", "scan_preview.png", "scan_report.pdf", ".scan.json.writing"]
    )
    @pytest.mark.parametrize("resume", [True, False])
    def test_are_also_pipes(self, name: str, resume: bool, tmp_path: Path, engine: LocalEngine) -> None:
        path = write_scan(tmp_path / "in" / "scan.nii")
        os.mkfifo(tmp_path / name)
        assert code(run(path, tmp_path, engine, resume=resume, pdf=True)) == "file_not_ours"
        assert (tmp_path / name).is_fifo()

    def test_are_also_pipes_in_place_of_an_earlier_result(self, tmp_path: Path, engine: LocalEngine) -> None:
        path, out = write_scan(tmp_path / "scan.nii"), tmp_path / "out"
        run(path, out, engine)
        (out / "scan_mask.nii.gz").unlink()
        os.mkfifo(out / "scan_mask.nii.gz")
        assert code(run(path, out, engine)) == "file_not_ours"

    @pytest.mark.parametrize("resume", [True, False])
    @pytest.mark.parametrize("name", ["scan.json", "scan_mask.nii.gz", "scan_preview.png"])
    def test_are_those_that_somebody_changed(
        self, name: str, resume: bool, tmp_path: Path, engine: LocalEngine
    ) -> None:
        path, out = write_scan(tmp_path / "scan.nii"), tmp_path / "out"
        run(path, out, engine)
        edited = out / name
        content = edited.read_bytes()
        edited.write_bytes(content.replace(b'"ok"', b'"review"') if name == "scan.json" else content[:-8] + b"by hand!")
        before = contents(out)
        assert code(run(path, out, engine, resume=resume)) == "file_not_ours"
        assert contents(out) == before

    def test_are_none_where_only_the_page_is_missing(self, tmp_path: Path, engine: LocalEngine) -> None:
        path, out = write_scan(tmp_path / "scan.nii"), tmp_path / "out"
        run(path, out, engine)
        (out / "scan_report.pdf").write_bytes(b"somebody's page")
        assert run(path, out, engine).state == "kept"
        assert code(run(path, out, engine, pdf=True)) == "file_not_ours"
        assert (out / "scan_report.pdf").read_bytes() == b"somebody's page"


class TestScansOfOneName:
    def test_do_not_replace_one_another(
        self, tmp_path: Path, engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = tmp_path / "out"
        for name, radius_mm in (("a", 38.4), ("b", 30.0)):
            write_scan(tmp_path / name / "scan.nii", radius_mm)
        monkeypatch.chdir(tmp_path / "a")
        assert run(Path("scan.nii"), out, engine).state == "measured"
        before = contents(out)
        monkeypatch.chdir(tmp_path / "b")
        assert code(run(Path("scan.nii"), out, engine, resume=False)) == "result_of_another_file"
        assert contents(out) == before

    def test_are_one_where_they_hold_the_same(self, tmp_path: Path, engine: LocalEngine) -> None:
        out = tmp_path / "out"
        states = [run(write_scan(tmp_path / name / "scan.nii"), out, engine).state for name in "ab"]
        assert states == ["measured", "kept"]


def test_a_disk_that_is_full_leaves_what_was_there(work: Work, measured: tuple[Upload, Measurement]) -> None:
    work.write(work.earlier())
    before = contents(work.out / "p1")
    with largest_file(2000), pytest.raises(OSError, match="File too large"):
        work.write()
    assert contents(work.out / "p1") == before
    assert read_whole(work.out / "p1" / "scan.json") is not None


def test_a_page_of_an_earlier_measurement_goes_with_it(work: Work) -> None:
    work.write(work.earlier())
    work.write()
    assert sorted(contents(work.out / "p1")) == ["scan.json", "scan_mask.nii.gz", "scan_preview.png"]
    (work.out / "p1" / "scan_report.pdf").write_bytes(b"somebody's page")
    work.write()
    assert (work.out / "p1" / "scan_report.pdf").read_bytes() == b"somebody's page"


@pytest.mark.parametrize("again", [False, True])
def test_a_run_that_is_killed_anywhere_leaves_nothing_half_and_can_go_on(
    again: bool, work: Work, tmp_path: Path
) -> None:
    line = 0
    while True:
        line += 1
        one = replace(work, out=tmp_path / str(line))
        if again:
            one.write(one.earlier())
        before = hashes(one) if again else None
        if not killed_at(line, one.write, _writes):
            break
        assert hashes(one) in (before, None, hashes(one, fresh=True)), line
        one.write()
        assert hashes(one) == hashes(one, fresh=True), line
        assert not list((one.out / "p1").glob(".*"))
    assert line > 20


def hashes(work: Work, fresh: bool = False) -> str | None:
    """The mask's hash in the report where everything beside it is whole, or that which a new run would write."""
    if fresh:
        return digest(work.measured.files[MASK])
    report = read_whole(work.out / "p1" / "scan.json")
    return None if report is None else report.file_sha256["scan_mask.nii.gz"]


def test_a_copy_of_a_report_under_another_name_is_no_report_of_that_case(work: Work) -> None:
    work.write()
    report = work.out / "p1" / "scan.json"
    other = replace(work.case, name="p1/other")
    (report.parent / "other.json").write_bytes(report.read_bytes())
    with pytest.raises(CaseError):
        check_targets(other, work.upload, work.out, pdf=False)
    assert json.loads(report.read_text())["file_sha256"].keys() == {
        "scan.json", "scan_mask.nii.gz", "scan_preview.png",
    }  # fmt: skip


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file can grow beyond this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _writes(code: CodeType) -> bool:
    return code.co_filename == app.batch.written.__file__ and code.co_name in STEPS
