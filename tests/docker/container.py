"""Runs an image as an engine would: its user, environment and command, a read-only root, its own mounts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.system_packages import require

USER = 10001
ENTER = """
set -eu
root="$1" data="$2"
shift 2
mount --bind "$root" "$root"
mount --bind "$data" "$root/data"
for folder in dev proc sys; do mount --rbind "/$folder" "$root/$folder"; done
mount -t tmpfs -o size=64m tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot --userspec=10001:10001 "$root" "$@"
"""
"""In a mount namespace of its own, so that every mount goes when the process does."""


@dataclass(frozen=True)
class Container:
    """An image's file system and configuration, and a folder of this machine as its /data."""

    root: Path
    data: Path
    configuration: Mapping[str, Any]

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        """Start a command as the image's user."""
        with log.open("wb") as output:
            return subprocess.Popen(self._entered(command, environment), stdout=output, stderr=output)

    def run(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return a command's exit code, and what it printed."""
        result = subprocess.run(
            self._entered(command, environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return result.returncode, result.stdout

    def _entered(self, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        os.chown(self.data, USER, USER)
        own = [f"{name}={value}" for name, value in environment.items()]
        unshare = require("unshare", package="util-linux")
        enter = [unshare, "--mount", "--propagation", "private", "bash", "-c", ENTER, "enter"]
        inside = ["/usr/bin/env", "--ignore-environment", *self.configuration["Env"], *own, *command]
        return [*enter, str(self.root), str(self.data), *inside]
