"""Eight clients with good and bad uploads: no error of ours, no measurement lost, no memory lost."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.contract.report import MASK
from tests.helpers.makers import publish_threshold_model
from tests.helpers.repository import ROOT
from tests.helpers.service_process import ServiceProcess
from tests.soak.load import run_load
from tests.soak.size import soak_size

pytestmark = pytest.mark.slow

CLIENTS = 8
LARGEST_GROWTH = 0.05
LIVE_P99_MS = float(os.environ.get("SOAK_LIVE_P99_MS", "100"))
"""What a machine of its own must keep; one that does much else at once may be allowed more."""


class Watch(threading.Thread):
    """Notes the service's resident memory and the machine's load every half second."""

    def __init__(self, service: ServiceProcess) -> None:
        super().__init__(name="watch")
        self.done = threading.Event()
        self.seen: list[int] = []
        self.load: list[float] = []
        self._service = service

    def run(self) -> None:
        while not self.done.wait(0.5):
            self.seen.append(self._service.memory_bytes())
            self.load.append(os.getloadavg()[0])

    def growth(self) -> float:
        """Relative growth from after the warm-up, a third of the time, to the end."""
        third = len(self.seen) // 3
        tenth = max(len(self.seen) // 10, 1)
        return float(np.median(self.seen[-tenth:]) / np.median(self.seen[third : third + tenth]) - 1)


def waited_for_a_core(service: ServiceProcess) -> tuple[float, float]:
    """Seconds that the event loop's thread has run, and that it was ready to run but had no core (Linux)."""
    assert service.process is not None
    ran_ns, waited_ns, _ = Path(f"/proc/{service.process.pid}/schedstat").read_text().split()
    return int(ran_ns) / 1e9, int(waited_ns) / 1e9


def late_share(service: ServiceProcess, limit_s: str) -> float:
    """Share of the service's own beats that came later than a limit, from its metrics."""
    text = httpx.get(f"{service.url}/metrics", timeout=60).text
    beats = dict(re.findall(r'event_loop_lag_seconds_bucket\{le="([^"]+)"\} (\S+)', text))
    return 1 - float(beats[limit_s]) / float(beats["+Inf"])


def test_eight_clients(tmp_path: Path) -> None:
    size = soak_size()
    publish_threshold_model(tmp_path / "models")
    with ServiceProcess(tmp_path) as service:
        probe = start_probe(service.url, size.seconds)
        memory = Watch(service)
        memory.start()
        began = time.monotonic()
        totals = run_load(service.url, size.seconds, CLIENTS)
        seconds = time.monotonic() - began
        memory.done.set()
        memory.join()
        ran, waited = waited_for_a_core(service)
        late = late_share(service, "0.1")
        live = json.loads(probe.communicate(timeout=120)[0])
        listed = listed_ids(service.url)
        without_mask = [name for name in totals.completed if not mask(tmp_path, name).is_file()]
        assert service.terminate() in {0, -15}
    p50, p99 = np.percentile(live["times_ms"], [50, 99])
    print(
        f"\n{seconds:.0f} s, {CLIENTS} clients: {sum(totals.kinds.values())} requests, statuses "
        f"{dict(sorted(totals.statuses.items()))}, kinds {dict(sorted(totals.kinds.items()))}\n"
        f"measurements answered {len(totals.completed)}, in /volume {len(listed)}, "
        f"lost {len(totals.completed - listed)}, without mask {len(without_mask)}\n"
        f"memory {max(memory.seen) / 2**20:.0f} MiB at most, growth after warm-up {100 * memory.growth():+.1f} %\n"
        f"/health/live: {len(live['times_ms'])} times, median {p50:.1f} ms, 99 % {p99:.1f} ms\n"
        f"event loop: {ran:.0f} s on a core, {waited:.0f} s waiting for one; "
        f"{100 * late:.2f} % of its beats over 100 ms late; "
        f"load average {min(memory.load):.1f} to {max(memory.load):.1f}"
    )
    assert totals.faults == []
    assert totals.completed
    assert totals.completed - listed == set()
    assert without_mask == []
    assert live["failures"] == 0
    if size.is_long:
        assert memory.growth() < LARGEST_GROWTH
        assert p99 < LIVE_P99_MS


def start_probe(url: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.soak.probe", url, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def listed_ids(url: str) -> set[str]:
    answer = httpx.get(f"{url}/volume", headers={"Accept": "text/csv"}, timeout=300)
    return {row["id"] for row in csv.DictReader(io.StringIO(answer.text))}


def mask(folder: Path, segmentation_id: str) -> Path:
    return folder / "data/artifacts" / segmentation_id[:2] / segmentation_id / MASK


@pytest.mark.parametrize(("duration", "seconds"), [("6", 6), ("90s", 90), ("30m", 1800), ("0.5h", 1800)])
def test_the_size_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, duration: str, seconds: float) -> None:
    monkeypatch.setenv("SOAK_SECONDS", duration)
    assert soak_size().seconds == seconds
    assert soak_size().is_long is (seconds >= 100)
