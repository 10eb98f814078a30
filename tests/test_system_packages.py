import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require


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
    listed = {package for package, _ in packages()}
    sources = [path for path in (ROOT / "tests").rglob("*.py") if path.name != Path(__file__).name]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    required = set(re.findall(r'require\([^()]*package="([a-z0-9.+-]+)"\)', text))
    assert sorted(required - listed) == []


def test_every_package_says_what_is_not_tested_without_it() -> None:
    assert [package for package, purpose in packages() if not purpose] == []


def test_it_tells_what_is_missing_and_what_is_skipped_for_it(tmp_path: Path) -> None:
    """On a machine that has nothing but zsh; apt-get is not asked."""
    for program in ("bash", "dirname", "grep"):
        (tmp_path / program).symlink_to(require(program, package="coreutils"))
    query = tmp_path / "dpkg-query"
    query.write_text('#!/bin/bash\n[[ "${!#}" == zsh ]] && echo -n installed\n')
    query.chmod(0o755)
    told = run(tmp_path, "--tell")
    assert told.returncode == 0
    head, *missing = told.stdout.splitlines()
    assert "make system-packages" in head
    assert [tuple(line.split(maxsplit=1)) for line in missing] == [each for each in packages() if each[0] != "zsh"]
    query.write_text("#!/bin/bash\necho -n installed\n")
    assert run(tmp_path, "--tell").stdout == ""


def test_without_apt_it_says_what_to_install(tmp_path: Path) -> None:
    for program in ("bash", "cut", "dirname", "grep", "xargs", "echo"):
        (tmp_path / program).symlink_to(require(program, package="coreutils"))
    result = run(tmp_path)
    assert result.returncode == 1
    assert "expected Debian or a relative of it, found no apt-get" in result.stderr
    assert "buildah chromium" in result.stderr


def packages() -> list[tuple[str, str]]:
    """The packages of the list, each with what is not tested without it."""
    lines = (ROOT / "scripts/debian-packages").read_text(encoding="utf-8").splitlines()
    listed = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(package, purpose.strip()) for package, _, purpose in listed]


def run(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script on a machine with these programs alone."""
    command = [str(ROOT / "scripts/system-packages"), *arguments]
    environment = {**os.environ, "PATH": str(programs)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
