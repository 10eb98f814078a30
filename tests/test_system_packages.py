import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers.system_packages import require

ROOT = Path(__file__).resolve().parent.parent


def test_a_program_that_is_there_is_found() -> None:
    assert Path(require("sh", package="dash")).name == "sh"


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_program_skips_with_the_remedy_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match=r"needs no-such-program \(Debian package nothing\): make system-packages"):
        require("no-such-program", package="nothing")


def test_every_package_that_a_test_requires_is_listed() -> None:
    lines = (ROOT / "scripts/debian-packages").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    sources = [path for path in (ROOT / "tests").rglob("*.py") if path.name != Path(__file__).name]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    required = set(re.findall(r'require\([^()]*package="([a-z0-9.+-]+)"\)', text))
    assert sorted(required - listed) == []


def test_without_apt_it_says_what_to_install(tmp_path: Path) -> None:
    for program in ("bash", "dirname", "grep", "xargs", "echo"):
        (tmp_path / program).symlink_to(require(program, package="coreutils"))
    result = subprocess.run(
        [ROOT / "scripts/system-packages"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "expected Debian or a relative of it, found no apt-get" in result.stderr
