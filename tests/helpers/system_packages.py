"""Programs outside Python that tests need: found, or the test is skipped with the remedy; under CI=true it fails."""

from __future__ import annotations

import glob
import os
import shutil

import pytest

FURTHER_FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/postgresql/*/bin")
"""Where Debian keeps programs that are not on everybody's PATH; the newest of several versions counts."""


def require(program: str, package: str) -> str:
    """Return the program's path; where it is missing the test is skipped, or fails where CI promised to have it."""
    found = shutil.which(program, path=os.pathsep.join(_folders()))
    if found is not None:
        return found
    text = f"needs {program} (Debian package {package}): make system-packages"
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)


def _folders() -> list[str]:
    further = [folder for pattern in FURTHER_FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]
    return [*os.environ.get("PATH", "").split(os.pathsep), *further]
