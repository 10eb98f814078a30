"""A place of its own for several programs: this machine's files seen through an overlay, no network but loopback.

Whatever is written or mounted in it, and whatever still runs, is gone when its first process ends.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require

ENTER = """
set -eu
place="$1" kept="$2"
shift 2
mount -t tmpfs -o size=2g,mode=755 tmpfs "$place"
mkdir "$place/above" "$place/work" "$place/root"
root="$place/root"
mount -t overlay -o "lowerdir=/,upperdir=$place/above,workdir=$place/work" overlay "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
for folder in /dev /proc /sys; do mount --rbind "$folder" "$root$folder"; done
IFS=:
for folder in $kept; do
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
    while [ "$folder" != / ]; do folder="$(dirname "$folder")"; chmod a+x "$root$folder"; done
done
echo "nameserver 127.0.0.11" > "$root/etc/resolv.conf"
ip link set lo up
exec chroot "$root" "$@"
"""
"""The folders that are kept are seen as they are: the sources, and the Python that runs the tests."""


def run_enclosed(module: str, place: Path, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a module of the tests as the first process of such a place; needs root. `place` is an empty folder."""
    kept = ":".join(sorted({str(ROOT), sys.prefix, sys.base_prefix} - {"/usr"}))
    command = [*_apart(), "bash", "-c", ENTER, "enter", str(place), kept]
    inside = ["env", f"--chdir={ROOT}", "PYTHONDONTWRITEBYTECODE=1", sys.executable, "-m", module]
    return subprocess.run([*command, *inside], capture_output=True, text=True, timeout=timeout_s, check=False)


def _apart() -> Sequence[str]:
    require("ip", package="iproute2")
    namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    return [require("unshare", package="util-linux"), *namespaces]
