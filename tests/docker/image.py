"""The serving image, really built: buildah on a base made by debootstrap, without a container engine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require

SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
ABOUT_SOURCES = ("index-url", "extra-index-url", "proxy", "timeout", "trusted-host")
"""What of the builder's pip configuration says where packages come from."""
BUILD_SECONDS = 3000
"""Generous: about two minutes of one core, but a machine may do much else at once."""


@dataclass(frozen=True)
class Builder:
    """buildah with a storage of its own below `work`."""

    work: Path

    def run(self, *arguments: str | Path) -> str:
        """Return what buildah printed."""
        command: list[str | Path] = [require("buildah", package="buildah"), *arguments]
        return checked(command, self.environment())

    def environment(self) -> dict[str, str]:
        """What makes buildah, and so `make image`, use this storage and need no privileges beyond root's."""
        return {
            **os.environ,
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(self.work / "storage.conf"),
        }

    def prepare(self) -> None:
        """Find a storage that works here, overlay before plain copies, and import the base as `localhost/base`."""
        try:
            self._configure("overlay")
        except AssertionError:
            self._configure("vfs")
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, base_system(self.work), "/")
        self.run("commit", "--quiet", "--rm", container, "localhost/base")

    def _configure(self, driver: str) -> None:
        lines = [
            "[storage]",
            f'driver = "{driver}"',
            f'graphroot = "{self.work}/{driver}"',
            f'runroot = "{self.work}/run"',
        ]
        (self.work / "storage.conf").write_text("\n".join(lines), encoding="utf-8")
        self.run("info")

    def make_image(self) -> str:
        """Run `make image`; return the image's name."""
        name = "localhost/fetalhead:test"
        options = ["--build-arg BASE=localhost/base", f"--secret id=pip_conf,src={pip_configuration(self.work)}"]
        if CA_BUNDLE.is_file():
            options.append(f"--secret id=ca_bundle,src={CA_BUNDLE}")
        command = ["make", "--no-print-directory", "image", f"IMAGE={name}", f"IMAGE_ARGS={' '.join(options)}"]
        checked(command, self.environment())
        return name

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The image's file system, as a folder."""
        container = self.run("from", "--pull-never", image).strip()
        try:
            yield Path(self.run("mount", container).strip())
        finally:
            self.run("umount", container)
            self.run("rm", container)


def base_system(work: Path) -> Path:
    """Return a tar of a minimal Debian with Python; kept beside the repository's caches, for it takes a minute."""
    cached = ROOT / ".cache" / f"{SUITE}.tar"
    if cached.is_file():
        return cached
    folder = work / "rootfs"
    debootstrap = require("debootstrap", package="debootstrap")
    checked([debootstrap, "--variant=minbase", f"--include={PACKAGES}", SUITE, folder])
    made = work / cached.name
    left_out = [f"--exclude=./{name}" for name in ("var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*")]
    checked(["tar", "--create", f"--file={made}", f"--directory={folder}", *left_out, "."])
    shutil.rmtree(folder)
    cached.parent.mkdir(exist_ok=True)
    partial = cached.with_suffix(f".{os.getpid()}")
    shutil.move(made, partial)
    return partial.rename(cached)


def pip_configuration(work: Path) -> Path:
    """Write a pip.conf that says where this machine's packages come from; return its path."""
    listed = checked(["python3", "-m", "pip", "config", "list"])
    pairs = [line.partition("=")[::2] for line in listed.splitlines()]
    wanted = {name.rpartition(".")[2]: value.strip("'\"") for name, value in pairs}
    parser = ConfigParser(interpolation=None)
    parser["global"] = {name: value for name, value in wanted.items() if name in ABOUT_SOURCES}
    if CA_BUNDLE.is_file():
        parser["global"]["cert"] = str(CA_BUNDLE)
    path = work / "pip.conf"
    path.touch(mode=0o600)
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    return path


def checked(command: Sequence[str | Path], environment: dict[str, str] | None = None) -> str:
    """Return a command's output; its complaints become the error's text."""
    result = subprocess.run(
        [str(word) for word in command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    assert result.returncode == 0, f"{command}: {result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout
