"""A service in its own process: volumes are sent over HTTP, its memory is read from outside."""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray

from benchmarks.measurement import time_call

READY_TIMEOUT_S = 180.0
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
    with tempfile.TemporaryDirectory(prefix="fetalhead-bench-") as data, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        given = {"HOST": "127.0.0.1", "PORT": str(port), "DATA_DIR": data, "LOG_LEVEL": "WARNING", **settings}
        environment = os.environ | {f"FETALHEAD_{name}": value for name, value in given.items()}
        command = [str(Path(sys.executable).parent / "fetalhead"), "serve"]
        process = subprocess.Popen(command, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=ANSWER_TIMEOUT_S, trust_env=False) as client:
                _wait(client, process)
                yield Service(client, process.pid)
        finally:
            process.terminate()
            process.wait(60)


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline, answer = time.monotonic() + READY_TIMEOUT_S, "no answer"
    while time.monotonic() < deadline and process.poll() is None and "model_failed" not in answer:
        with suppress(httpx.TransportError):
            response = client.get("/health/ready", timeout=5.0)
            if response.status_code == httpx.codes.OK:
                return
            answer = response.text
        time.sleep(0.1)
    raise RuntimeError(f"the service did not become ready: {answer}")
