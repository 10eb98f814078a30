import csv
import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest

from app.cli.main import main
from app.console import (
    FAILED,
    FINE,
    NO_MODEL,
    READER_LEFT,
    USAGE,
)
from tests.app.batch.scans import write_folder, write_scan
from tests.app.client.scripted import answering
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service import running_service

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "scan.nii")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "in")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[str]:
    with running_service(tmp_path_factory.mktemp("service"), model_store) as service:
        yield str(service.client.base_url)


class TestFiles:
    def test_mask_report_and_preview_are_write_scan(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        assert main(["segment", str(scan), "-o", str(tmp_path / "out"), "--json"]) == FINE
        line = json.loads(capsys.readouterr().out)
        assert line["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["results.csv", "results.jsonl", "scan.json", "scan_mask.nii.gz", "scan_preview.png"]
        mask = nib.Nifti1Image.from_bytes(gzip.decompress((tmp_path / "out/scan_mask.nii.gz").read_bytes()))
        assert np.asarray(mask.dataobj).sum() * 8 / 1000 == pytest.approx(line["head_volume_ml"], abs=0.01)

    def test_a_line_for_people(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        main(["segment", str(scan), "-o", str(tmp_path / "out")])
        assert capsys.readouterr().out.split()[1:] == ["237.8", "mL", "ok"]

    def test_what_cannot_be_measured_does_not_stop_the_rest(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        bad = tmp_path / "bad.nii"
        bad.write_bytes(b"no volume at all")
        inputs = [str(bad), str(tmp_path / "missing.nii"), str(scan)]
        assert main(["segment", *inputs, "-o", str(tmp_path / "out"), "--json"]) == FAILED
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [line.get("code") for line in lines] == ["not_nifti", "file_not_read", None]

    def test_what_is_there_already_is_not_measured_again(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        command = ["segment", str(scan), "-o", str(tmp_path / "out"), "--json"]
        ids = []
        for extra in ([], [], ["--force"], ["--gestational-age-weeks", "26"]):
            assert main([*command, *extra]) == FINE
            ids.append(json.loads(capsys.readouterr().out)["id"])
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3


class TestSpacing:
    """Files that do not say how large their voxels are."""

    @pytest.fixture
    def bare(self, tmp_path: Path) -> Path:
        path = tmp_path / "bare.nii"
        options = NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [0.0] * 8})
        path.write_bytes(volume_bytes(sphere_volume(), options))
        return path

    def test_the_remedy_is_an_option_of_this_command(
        self, bare: Path, tmp_path: Path, url: str, capsys: Capture
    ) -> None:
        for where in ([], ["--url", url]):
            assert main(["segment", str(bare), "-o", str(tmp_path / "out"), *where]) == FAILED
            told = capsys.readouterr().out
            assert "--spacing-mm" in told
            assert "field" not in told

    def test_it_can_be_given_and_another_one_is_measured_anew(
        self, bare: Path, tmp_path: Path, url: str, capsys: Capture
    ) -> None:
        command = ["segment", str(bare), "-o", str(tmp_path / "out"), "--json"]
        ids = []
        for extra in (["2"], ["2,2,2.0"], ["2,2,1.9"], ["2", "--url", url]):
            assert main([*command, "--spacing-mm", *extra]) == FINE
            report = json.loads(capsys.readouterr().out)
            ids.append(report["id"])
            assert "spacing_supplied" in [flag["code"] for flag in report["flags"]]
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        assert ids[0] == ids[1]
        assert len(set(ids)) == 3
        assert main(command) == FAILED

    def test_a_placeholder_is_doubted_until_somebody_confirms_it(self, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "unplaced.nii"
        path.write_bytes(nifti_bytes(np.asarray(sphere_volume(38.4, (96, 96, 96), (1.0, 1.0, 1.0)).data), np.eye(4)))
        verdicts = []
        for extra in ([], ["--spacing-mm", "1"], ["--spacing-mm", "1"]):
            assert main(["segment", str(path), "-o", str(tmp_path / "out"), "--json", *extra]) == FINE
            report = json.loads(capsys.readouterr().out)
            verdicts.append((report["verdict"], [flag["code"] for flag in report["flags"]]))
        assert verdicts == [("review", ["spacing_suspicious"]), ("ok", []), ("ok", [])]

    def test_a_file_that_says_it_is_not_measured_with_another(
        self, scan: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        command = ["segment", str(scan), "-o", str(tmp_path / "out"), "--json", "--spacing-mm"]
        assert main([*command, "2.01"]) == FINE
        first = json.loads(capsys.readouterr().out)["id"]
        assert main([*command, "2"]) == FINE
        assert json.loads(capsys.readouterr().out)["id"] == first
        assert main([*command, "1,2,2"]) == FAILED
        assert "Leave out --spacing-mm" in json.loads(capsys.readouterr().out)["remedy"]

    @pytest.mark.parametrize("text", ["wide", "0.4,0.4", "0.05", "nan", "-1,1,1", "0.4,,0.4"])
    def test_what_is_no_spacing(self, bare: Path, text: str, capsys: Capture) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["segment", str(bare), "-o", "out", f"--spacing-mm={text}"])
        assert stopped.value.code == USAGE
        assert "such as 0.4,0.4,0.5" in capsys.readouterr().err


def test_measuring_here_loads_neither_web_framework_nor_database(scan: Path, tmp_path: Path) -> None:
    unwanted = ["alembic", "fastapi", "httpx", "prometheus_client", "sqlalchemy", "starlette", "uvicorn"]
    code = f"""import sys; from app.cli.main import main
assert main(["segment", {str(scan)!r}, "-o", {str(tmp_path / "out")!r}]) == 0
sys.exit([name for name in {unwanted} if name in sys.modules] or 0)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / "scan_mask.nii.gz").is_file()


@pytest.mark.parametrize(
    ("option", "text", "expected"),
    [
        ("--gestational-age-weeks", "9", "a number of weeks from 10 to 42"),
        ("--gestational-age-weeks", "2_6", "a number of weeks from 10 to 42"),
        ("--gestational-age-weeks", "nan", "a number of weeks from 10 to 42"),
        ("--subject", "Jane Doe", "1 to 64 letters, digits"),
        ("--subject", "", "1 to 64 letters, digits"),
    ],
)
def test_a_field_that_cannot_be_used(scan: Path, option: str, text: str, expected: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["segment", str(scan), "-o", "out", option, text])
    assert stopped.value.code == USAGE
    said = capsys.readouterr().err
    assert f"argument {option}: {text!r} is no " in said
    assert expected in said


class TestFolders:
    def test_every_case_is_measured_and_one_that_fails_does_not_stop_the_rest(
        self, folder: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        out = tmp_path / "out"
        assert main(["segment", str(folder), "-o", str(out)]) == FAILED
        written_files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
        names = ["results.csv", "results.jsonl"]
        for case in ("a", "b"):
            names += [f"{case}/scan.json", f"{case}/scan_mask.nii.gz", f"{case}/scan_preview.png"]
        assert written_files == sorted(names)
        printed = capsys.readouterr().out
        assert "bad.nii  failed" in printed
        assert "Kept from an earlier run: 2" not in printed

    def test_a_second_run_keeps_what_is_there_and_mends_what_failed(
        self, folder: Path, tmp_path: Path, capsys: Capture
    ) -> None:
        out = tmp_path / "out"
        main(["segment", str(folder), "-o", str(out)])
        write_scan(folder / "bad.nii")
        (out / "b" / "scan_mask.nii.gz").unlink()
        capsys.readouterr()
        assert main(["segment", str(folder), "-o", str(out), "--resume"]) == FINE
        lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
        assert [line["state"] for line in lines] == ["kept", "measured", "measured"]
        assert "Kept from an earlier run: 1." in capsys.readouterr().out

    def test_a_list_says_what_is_known_of_each_file(self, folder: Path, tmp_path: Path, capsys: Capture) -> None:
        path = tmp_path / "cases.csv"
        path.write_text("file,subject,weeks\na/scan.nii,S-1,24\nb/scan.nii,S-2,31\nb/other.nii,S-3,31\n")
        command_line = ["segment", str(folder), "-o", str(tmp_path / "out"), "--cases", str(path), "--json"]
        assert main(command_line) == USAGE
        assert "line 4: b/other.nii is none of" in json.loads(capsys.readouterr().err)["error"]
        assert not (tmp_path / "out").exists()
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
        assert main(command_line) == FAILED
        reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        known = [(report.get("subject"), report.get("gestational_age_weeks")) for report in reports]
        assert known == [("S-1", 24), ("S-2", 31), (None, None)]

    def test_two_files_of_one_name(self, folder: Path, tmp_path: Path, capsys: Capture) -> None:
        inputs = [str(folder / "a" / "scan.nii"), str(folder / "b" / "scan.nii")]
        assert main(["segment", *inputs, "-o", str(tmp_path / "out")]) == USAGE
        assert "separate folders" in capsys.readouterr().err

    def test_a_folder_without_volumes(self, tmp_path: Path, capsys: Capture) -> None:
        (tmp_path / "empty").mkdir()
        assert main(["segment", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == USAGE
        assert "holds no file" in capsys.readouterr().err

    def test_an_output_that_cannot_be_write_scan(self, scan: Path, capsys: Capture) -> None:
        assert main(["segment", str(scan), "-o", str(scan)]) == USAGE
        assert "cannot be written" in capsys.readouterr().err


def test_a_page_about_each_file(scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    main(["segment", str(scan), "-o", str(out)])
    assert main(["segment", str(scan), "-o", str(out), "--pdf"]) == FINE
    assert (out / "scan_report.pdf").read_bytes().startswith(b"%PDF-")
    assert json.loads((out / "scan.json").read_text())["report"] == "scan_report.pdf"
    assert main(["segment", str(scan), "-o", str(out), "--pdf"]) == FINE
    assert json.loads((out / "results.jsonl").read_text())["state"] == "kept"


class TestStandardOutput:
    @pytest.mark.slow
    def test_the_mask_goes_there_and_nothing_else(self, scan: Path) -> None:
        done = command("segment", str(scan), "-o", "-", "--json")
        mask = nib.Nifti1Image.from_bytes(gzip.decompress(done.stdout))
        report = json.loads(done.stderr)
        assert np.asarray(mask.dataobj).sum() * 8 / 1000 == pytest.approx(report["head_volume_ml"], abs=0.01)

    def test_a_file_that_cannot_be_measured_gives_nothing(self, tmp_path: Path, capsysbinary: object) -> None:
        assert main(["segment", str(tmp_path / "missing.nii"), "-o", "-"]) == FAILED
        captured = capsysbinary.readouterr()  # type: ignore[attr-defined]
        assert captured.out == b""
        assert b"No such file" in captured.err

    def test_only_one_file(self, folder: Path, capsys: Capture) -> None:
        assert main(["segment", str(folder), "-o", "-"]) == USAGE
        assert "single file" in capsys.readouterr().err


class TestService:
    def test_the_same_results_as_on_this_machine(self, folder: Path, tmp_path: Path, url: str) -> None:
        assert main(["segment", str(folder), "-o", str(tmp_path / "here")]) == FAILED
        assert main(["segment", str(folder), "-o", str(tmp_path / "there"), "--url", url]) == FAILED
        tables = [read_table(tmp_path / name / "results.csv") for name in ("here", "there")]
        assert tables[0] == tables[1]
        for name in ("a/scan_mask.nii.gz", "b/scan_mask.nii.gz"):
            assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()

    def test_what_this_machine_measured_is_kept(self, scan: Path, tmp_path: Path, url: str) -> None:
        main(["segment", str(scan), "-o", str(tmp_path / "out")])
        assert main(["segment", str(scan), "-o", str(tmp_path / "out"), "--url", url]) == FINE
        assert json.loads((tmp_path / "out" / "results.jsonl").read_text())["state"] == "kept"

    def test_no_service(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        command_line = ["segment", str(scan), "-o", str(tmp_path / "out"), "--url", "http://127.0.0.1:9", "--json"]
        assert main(command_line) == NO_MODEL
        assert "http://127.0.0.1:9" in json.loads(capsys.readouterr().err)["error"]

    def test_something_else_at_that_address(self, scan: Path, tmp_path: Path, capsys: Capture) -> None:
        with answering([httpx.Response(200, html="<title>Sign in</title>")]) as gate:
            command_line = ["segment", str(scan), "-o", str(tmp_path / "out"), "--url", gate.url, "--json"]
            assert main(command_line) == NO_MODEL
        assert "Sign in" in json.loads(capsys.readouterr().err)["error"]

    def test_a_proxy_that_cannot_be_used(
        self, scan: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1080")
        monkeypatch.delenv("NO_PROXY", raising=False)
        command_line = ["segment", str(scan), "-o", str(tmp_path / "out"), "--url", "http://head.example", "--json"]
        assert main(command_line) == NO_MODEL
        assert "ALL_PROXY" in json.loads(capsys.readouterr().err)["error"]


@pytest.mark.slow
def test_a_terminal_shows_a_bar(folder: Path, tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "segment", str(folder), "-o", str(tmp_path / "out")],
        stdout=subprocess.DEVNULL,
        stderr=follower,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    ) as process:
        os.close(follower)
        shown = b"".join(iter(lambda: reading(leader), b""))
    os.close(leader)
    assert process.returncode == FAILED
    assert b"measuring" in shown
    assert b"3/3" in shown
    assert b"left" in shown


@pytest.mark.slow
class TestStreams:
    """Whatever standard output is connected to."""

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_what_it_cannot_encode_is_escaped(self, encoding: str, tmp_path: Path) -> None:
        for name in ("胎児.nii", "zz.nii"):
            write_scan(tmp_path / "in" / name)
        done = run_in_shell('"$@"', tmp_path, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (FINE, b"")
        assert b"\\u80ce\\u5150.nii  237.8 mL  ok" in done.stdout

    @pytest.mark.parametrize("reader", ["head -1", "true"])
    @pytest.mark.parametrize("more", ["", "--json"])
    def test_a_reader_that_leaves_ends_the_run_without_a_word(self, reader: str, more: str, tmp_path: Path) -> None:
        for name in ("a.nii", "b.nii", "c.nii"):
            write_scan(tmp_path / "in" / name)
        done = run_in_shell(f'"$@" {more} | {reader} > /dev/null; exit ${{PIPESTATUS[0]}}', tmp_path)
        assert (done.returncode, done.stderr) == (READER_LEFT, b"")

    @pytest.mark.parametrize(("where", "code"), [(">&-", FINE), ("> /dev/full", FAILED)])
    def test_one_that_takes_nothing(self, where: str, code: int, tmp_path: Path) -> None:
        write_scan(tmp_path / "in" / "a.nii")
        done = run_in_shell(f'"$@" {where}', tmp_path)
        assert done.returncode == code
        assert b"Traceback" not in done.stderr
        assert (tmp_path / "out" / "a.json").is_file()


def run_in_shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash in which "$@" is the command that measures `in` into `out`."""
    words = [sys.executable, "-m", "app.cli.main", "segment", str(folder / "in"), "-o", str(folder / "out")]
    return subprocess.run(
        ["bash", "-c", line, "bash", *words], env={**os.environ, **environment}, capture_output=True, check=False
    )


def command(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "app.cli.main", *arguments], capture_output=True, check=True)


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def reading(descriptor: int) -> bytes:
    """What a terminal shows next; nothing once its last writer is gone."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
