"""The service as a process of its own, that tests may starve, stop and kill."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil

SERVE = "import sys; from app.cli.main import main; sys.exit(main(['serve']))"
START_SECONDS = 180.0
"""Generous: a machine that tests much at once may need minutes."""


class ServiceProcess:
    """One service on `folder/data` and `folder/models`; the port is chosen anew at each start."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, str] | None = None,
        program: str = SERVE,
        trusting: ssl.SSLContext | bool = True,
    ) -> None:
        self.folder = folder
        self.program = program
        self.trusting = trusting
        own = {
            "PORT": "0",
            "DATA_DIR": str(folder / "data"),
            "MODEL_STORE": str(folder / "models"),
            "PROVIDER": "cpu",
            "THREADS": "1",
            "SHUTDOWN_TIMEOUT_S": "60",
            **(settings or {}),
        }
        self.environment = {**os.environ, **{f"FETALHEAD_{name}": value for name, value in own.items()}}
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self._starts = 0

    @property
    def log(self) -> Path:
        """Log of the last start."""
        return self.folder / f"service-{self._starts}.log"

    def start(self, ready: bool = True) -> ServiceProcess:
        """Start it; return once it answers, or, with `ready`, once it can measure."""
        self._starts += 1
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self.program], env=self.environment, stderr=output, cwd=self.folder
            )
        self.until(lambda: self._address() is not None)
        self.url = self._address() or ""
        if ready:
            with self.client(timeout_s=30) as client:
                self.until(lambda: client.get("/health/ready").status_code == 200)
        return self

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something; fail with the log where the process ends before, or nothing happens."""
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def client(self, timeout_s: float = 120.0) -> httpx.Client:
        """A client of it; the caller closes it."""
        return httpx.Client(base_url=self.url, timeout=timeout_s, verify=self.trusting)

    def kill(self) -> None:
        """End it by SIGKILL, wherever it is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(START_SECONDS)

    def terminate(self) -> int:
        """Ask it to end; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        assert self.process is not None
        return self.process.wait(START_SECONDS)

    def memory_bytes(self) -> int:
        """Resident memory."""
        assert self.process is not None
        resident: int = psutil.Process(self.process.pid).memory_info().rss
        return resident

    def __enter__(self) -> ServiceProcess:
        """Start it."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Kill it where it still runs."""
        self.kill()

    def _address(self) -> str | None:
        found = re.search(r"https?://127\.0\.0\.1:\d+", self.log.read_text())
        return None if found is None else found.group()
