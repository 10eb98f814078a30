"""What `make` would do, without doing it."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.helpers.repository import ROOT

STAMPS = ("bin/python", ".runtime-cpu", ".service", ".development")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment that `make test` is content with: files newer than what it was made from."""
    (tmp_path / "bin").mkdir()
    later = max((ROOT / name).stat().st_mtime for name in ("pyproject.toml", "constraints.txt")) + 1
    for number, name in enumerate(STAMPS):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (later + number, later + number))
    return tmp_path


def planned(environment: Path, *arguments: str, target: str = "test") -> str:
    command = ["make", "--dry-run", target, f"VENV={environment}", *arguments]
    outer = ("MAKEFLAGS", "MAKELEVEL", "RUNTIME", "PYTEST_ARGS")  # of the `make test` that runs this
    inherited = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=True).stdout


def test_a_finished_environment_is_left_alone(environment: Path) -> None:
    assert "pip" not in planned(environment)


def test_before_anything_else_it_tells_which_packages_are_missing(environment: Path) -> None:
    assert "system-packages --tell" in planned(environment, "RUNTIME=gpu").splitlines()[0]


def test_before_a_commit_only_the_slow_tests_are_left_out(environment: Path) -> None:
    whole, fast = (planned(environment, target=target).splitlines()[-1] for target in ("test", "test-fast"))
    assert fast.split() == [*whole.split(), "-m", '"not', 'slow"']


def test_another_runtime_replaces_the_one_that_is_there(environment: Path) -> None:
    """They overwrite one another: a test run after `make serve RUNTIME=gpu` must not meet a mixture."""
    plan = planned(environment, "RUNTIME=gpu")
    removed, installed = plan.index("uninstall"), plan.index("install --quiet")
    assert removed < installed
    assert all(name in plan[:removed] for name in ("onnxruntime", "openvino"))
    assert ".[gpu," in plan[installed:]
