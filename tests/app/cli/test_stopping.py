"""Ctrl-C at any moment, in processes of their own."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.console import FINE, INTERRUPTED
from tests.app.batch.scans import write_scan

SCANS = 200
INTERRUPTED_AFTER = """
import os, signal, sys, threading, time
from app.cli.main import main
wait = float(sys.argv.pop(1))
def interrupt():
    while signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        time.sleep(0.001)
    time.sleep(wait)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main())
"""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    """A shell starts what it runs in the background deaf to Ctrl-C, the tests and their processes, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    scan = write_scan(tmp_path / "in" / "scan.nii")
    for number in range(SCANS):
        os.link(scan, scan.with_name(f"scan{number}.nii"))
    return tmp_path


def run(wait_s: float, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", INTERRUPTED_AFTER, str(wait_s), *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("wait_s", [0.0, 0.05, 0.2, 0.4, 0.8, 1.2, 1.6, 2.0, 2.5, 4.0])
def test_measuring_ends_with_a_line(wait_s: float, folder: Path) -> None:
    done = run(wait_s, "segment", str(folder / "in"), "-o", str(folder / "out"))
    assert done.returncode == INTERRUPTED
    assert done.stderr.startswith("fetalhead: Stopped")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("wait_s", [0.0, 0.1, 0.3, 0.6, 1.0, 1.5, 2.5])
def test_a_service_that_starts_ends_without_a_traceback(
    wait_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FETALHEAD_PORT", "0")
    done = run(wait_s, "serve", "--data", str(tmp_path / "data"))
    assert done.returncode in (INTERRUPTED, FINE)
    assert "Traceback" not in done.stderr


def test_for_programs_the_line_is_an_object() -> None:
    done = run(0.0, "segment", "no-such.nii", "-o", "out", "--json")
    assert json.loads(done.stderr) == {"error": "Stopped.", "exit_code": INTERRUPTED}


def test_what_was_measured_before_is_in_the_table(folder: Path) -> None:
    command = [sys.executable, "-m", "app.cli.main", "segment", str(folder / "in"), "-o", str(folder / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    with (folder / "out" / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert f"Stopped after {len(rows)} of {SCANS + 1} cases; the same command continues." in said
    assert len(rows) >= 3
    assert len(list((folder / "out").glob("scan*.json"))) in (len(rows), len(rows) + 1)
