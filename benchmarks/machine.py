"""The machine and the revision of a benchmark."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path


def describe_machine() -> str:
    """Return processor and number of usable cores for a file name, such as `amd-epyc-2-cores`."""
    cores = len(os.sched_getaffinity(0))
    return f"{re.sub(r'[^a-z0-9]+', '-', _read_processor().lower()).strip('-')}-{cores}-core{'s' * (cores > 1)}"


def read_commit() -> str:
    """Return the checkout's short hash, with `+changes` where tracked files differ from it; `unknown` without git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "describe", "--always", "--exclude=*", "--dirty=+changes"]
    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return result.stdout.strip() or "unknown"


def _read_processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", information.read_text(encoding="utf-8"), re.MULTILINE)
        if match:
            return match.group(1).replace("(R)", "").replace("(TM)", "").replace("Processor", "")
    return platform.machine()
