"""The service's process keeps its event loop answering: no long collections, and a lock that is handed on soon."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.monitoring.metrics import Metrics
from app.service.upkeep import watch_loop

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
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    frozen, left, interval_s = result.stdout.split()
    assert int(frozen) > 10 * int(left)
    assert float(interval_s) <= 0.001


def test_a_loop_that_is_late_is_measured() -> None:
    metrics = Metrics()

    async def block() -> None:
        watch = asyncio.create_task(watch_loop(metrics))
        await asyncio.sleep(0.05)
        time.sleep(0.4)
        await asyncio.sleep(0.2)
        watch.cancel()

    asyncio.run(block())
    lag_s = metrics.registry.get_sample_value("fetalhead_event_loop_lag_seconds_sum")
    assert lag_s is not None
    assert lag_s > 0.25
