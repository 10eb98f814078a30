"""Somebody who follows a page: types its commands into one shell, its Python into one session, from top to bottom.

The folder looks like the sources, but for pyproject.toml and constraints.txt, which are older than any environment, so
that `make install` finds that there is nothing to do. `fetalhead serve` runs in the background, as in a terminal of its
own, on a free port that takes the place of 8000 in whatever comes after. One such service answers the readers of all
pages, since none of them sets anything for it: a start costs seconds. Each folder has the records that a first start
makes, for commands on them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx

from app.records.opening import open_records
from tests.docs.pages import Block
from tests.helpers.repository import ROOT

OWN = {"pyproject.toml", "constraints.txt", ".venv", ".git", "data", "runs", "site", "demo-output", "build"}
SERVE = "fetalhead serve"
ADDRESS = "127.0.0.1:8000"
DEADLINE_S = 1200.0
"""For one block, on a machine that has other things to do."""
MAKE_VARIABLES = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VENV")
SHELL = """
set -euo pipefail
[ ! -f .shell-state ] || source .shell-state
{commands}
export -p > .shell-state
"""


class Service:
    """`fetalhead serve` in a folder, from the first reader who types it to the last page's end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    def address(self, environment: dict[str, str]) -> str:
        """Host and port; starts the service where nobody did and waits until it is ready."""
        if self._process is None:
            self._start(environment)
        return self._address

    def _start(self, environment: dict[str, str]) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self._address = f"127.0.0.1:{port}"
        log = self._folder / "service.log"
        with log.open("wb") as output:
            environment = {**environment, "FETALHEAD_PORT": str(port)}
            self._process = subprocess.Popen(
                SERVE.split(), cwd=self._folder, env=environment, stdout=output, stderr=output
            )
        deadline = time.monotonic() + DEADLINE_S
        while not self._ready():
            assert self._process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the service did not become ready"
            time.sleep(0.1)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://{self._address}/health/ready", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)


class Reader:
    """Follows one page in a folder of its own."""

    def __init__(self, folder: Path, service: Service) -> None:
        self._folder = folder
        self._service = service
        self._address = ADDRESS
        self._names: dict[str, Any] = {"__name__": "page"}
        for path in ROOT.iterdir():
            if path.name not in OWN:
                (folder / path.name).symlink_to(path)
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder / name)
            os.utime(folder / name, (0, 0))
        (folder / ".venv").symlink_to(sys.prefix)
        open_records(f"sqlite:///{folder / 'data' / 'fetalhead.sqlite'}", folder / "data").close()
        programs = f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment = {**os.environ, "PATH": programs, "FETALHEAD_THREADS": "1", "OMP_NUM_THREADS": "1"}
        for name in MAKE_VARIABLES:
            self._environment.pop(name, None)

    def follow(self, block: Block) -> None:
        """Do what the block says; an AssertionError shows what went wrong."""
        text = block.text.replace(ADDRESS, self._address)
        if block.language == "python":
            exec(compile(text, f"line {block.line}", "exec"), self._names)
        elif text.strip() == SERVE:
            self._address = self._service.address(self._environment)
        else:
            self._type(text)

    def _type(self, commands: str) -> None:
        done = subprocess.run(
            ["bash", "-c", SHELL.format(commands=commands)],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for value in self._names.values():
            if hasattr(value, "close") and not isinstance(value, type):
                value.close()
