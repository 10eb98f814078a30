"""The service's process keeps its event loop answering: no long collections, and a lock that is handed on soon."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import gc, sys, app.cli.main, app.service.server

def run(server):
    server.started = True
    print(gc.get_freeze_count(), len(gc.get_objects()), sys.getswitchinterval())

app.service.server.Server.run = run
sys.exit(app.cli.main.main(["serve"]))
"""


def test_what_was_made_before_the_first_request_is_never_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FETALHEAD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("FETALHEAD_PORT", "0")
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    frozen, left, interval_s = result.stdout.split()
    assert int(frozen) > 10 * int(left)
    assert float(interval_s) <= 0.001
