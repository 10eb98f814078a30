import subprocess
import sys
from pathlib import Path

import pytest

from tests.system_packages import require

COMPLETE = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={last}
_shtab_{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def script(program: str, shell: str, folder: Path) -> Path:
    path = folder / f"{program}.{shell}"
    command = [str(Path(sys.executable).parent / program), "completion", shell]
    path.write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fetalhead", "seg"], "segment"),
        (["fetalhead", "segment", "--re"], "--resume"),
        (["fetalhead", "models", "ver"], "verify"),
        (["fetalhead-train", "phantom", "--se"], "--seed"),
        (["fetalhead-train", "evaluate", "--cohort", "shi"], "shifted"),
    ],
)
def test_bash_completes(words: list[str], expected: str, tmp_path: Path) -> None:
    names = {"words": " ".join(words), "last": len(words) - 1, "function": words[0].replace("-", "_")}
    text = COMPLETE.format(script=script(words[0], "bash", tmp_path), **names)
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()


@pytest.mark.parametrize("program", ["fetalhead", "fetalhead-train"])
def test_zsh_reads_its_script(program: str, tmp_path: Path) -> None:
    zsh = require("zsh", package="zsh")
    subprocess.run([zsh, "-n", script(program, "zsh", tmp_path)], check=True)


@pytest.mark.parametrize(
    ("line", "expected"), [("fetalhead segment --re", "--resume"), ("fetalhead-train ph", "phantom")]
)
def test_fish_completes(line: str, expected: str, tmp_path: Path) -> None:
    fish = require("fish", package="fish")
    path = script(line.partition(" ")[0], "fish", tmp_path)
    text = f"source {path}; complete --do-complete '{line}'"
    done = subprocess.run([fish, "--no-config", "-c", text], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()
