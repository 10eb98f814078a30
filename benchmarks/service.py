"""A service in its own process: volumes are sent over HTTP, its memory is read from outside."""

from __future__ import annotations

import gzip
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from benchmarks.measurement import time_call
from training.cli.demo import running_service, wait_until_ready

ANSWER_TIMEOUT_S = 900.0
PAUSE_S = 1.0
"""The time after which an idle service has released its memory."""


@dataclass(frozen=True)
class MeasuredRequest:
    """An answered request: its report, its seconds over HTTP, the service's memory at its peak and in the pause after.

    The seconds are those from the request's first byte to the answer's last.
    """

    report: dict[str, Any]
    seconds: float
    peak_mb: float
    after_mb: float


@dataclass(frozen=True)
class Service:
    """A running service; `process` is its id."""

    client: httpx.Client
    process: int

    def segment(self, payload: bytes) -> dict[str, Any]:
        """Return the report on one volume."""
        answer = self.client.post("/segment", files={"volume": ("volume.nii.gz", payload)}).raise_for_status()
        report: dict[str, Any] = answer.json()
        return report

    def measure(self, payload: bytes) -> MeasuredRequest:
        """Send one volume, and pause after the answer."""
        Path(f"/proc/{self.process}/clear_refs").write_text("5", encoding="utf-8")  # the peak counts from here
        report, seconds = time_call(lambda: self.segment(payload))
        time.sleep(PAUSE_S)
        return MeasuredRequest(report, seconds, self._read_memory_mb("VmHWM"), self._read_memory_mb("VmRSS"))

    def read_runtime(self) -> tuple[str, str]:
        """Return the provider and precision in use."""
        found = self.client.get("/health/ready").raise_for_status().json()["runtime"]
        return found["provider"], found["precision"]

    def read_mask(self, report: Mapping[str, Any]) -> NDArray[np.uint8]:
        """Return the mask of a report."""
        content = self.client.get(report["mask"]).raise_for_status().content
        return np.asarray(Nifti1Image.from_bytes(gzip.decompress(content)).dataobj, np.uint8)

    def segment_at_once(self, payload: bytes, clients: int) -> list[float]:
        """Return the seconds of every request when so many clients send one each at once."""
        with ThreadPoolExecutor(clients) as pool:
            jobs = [pool.submit(time_call, lambda: self.segment(payload)) for _ in range(clients)]
            return [job.result()[1] for job in jobs]

    def _read_memory_mb(self, which: str) -> float:
        """Return `VmRSS`, the memory of the process now, or `VmHWM`, its peak; MB."""
        status = Path(f"/proc/{self.process}/status").read_text(encoding="utf-8")
        found = re.search(rf"^{which}:\s+(\d+) kB", status, re.MULTILINE)
        return int(found.group(1)) * 1024 / 1e6 if found else float("nan")


@contextmanager
def running(settings: Mapping[str, str]) -> Iterator[Service]:
    """Run `fetalhead serve` with these settings (without prefix) on a free port, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="fetalhead-bench-") as folder:
        given = {"LOG_LEVEL": "WARNING", **settings}
        with running_service(Path(folder) / "service.log", given) as started:
            wait_until_ready(started)
            with httpx.Client(base_url=started.url, timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
                yield Service(client, started.process.pid)
