from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.cli.main import main
from app.console import RENAMED, USAGE
from tests.helpers.system_packages import require
from training.cli.main import main as train

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"fetalhead": main, "fetalhead-train": train}

COMPLETE = """
source {script}
COMP_WORDS=({words}) COMP_CWORD={last}
_shtab_{function}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


TYPED_INTO_ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "fpath=({folder} \\$fpath); autoload -Uz compinit; compinit -u -d {folder}/dump; echo re''ady"
zpty -r shell seen '*ready*'
zpty -n -w shell '{line}'$'\\t'
zpty -r shell seen '*{expected}*'
print -r -- $seen
zpty -d shell
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


@pytest.mark.parametrize(
    ("line", "expected"), [("fetalhead segment --res", "--resume"), ("fetalhead-train evalu", "evaluate")]
)
def test_zsh_completes(line: str, expected: str, tmp_path: Path) -> None:
    """Typed into an interactive zsh, with the script where zsh looks for it, and the Tab key pressed."""
    zsh = require("zsh", package="zsh")
    program = line.partition(" ")[0]
    script(program, "zsh", tmp_path).rename(tmp_path / f"_{program}")
    text = TYPED_INTO_ZSH.format(folder=tmp_path, line=line, expected=expected)
    done = subprocess.run([zsh, "-f", "-c", text], capture_output=True, text=True, check=True, timeout=120)
    assert f"{line.rpartition(' ')[0]} {expected}" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"), [("fetalhead segment --re", "--resume"), ("fetalhead-train ph", "phantom")]
)
def test_fish_completes(line: str, expected: str, tmp_path: Path) -> None:
    fish = require("fish", package="fish")
    path = script(line.partition(" ")[0], "fish", tmp_path)
    text = f"source {path}; complete --do-complete '{line}'"
    done = subprocess.run([fish, "--no-config", "-c", text], capture_output=True, text=True, check=True)
    assert expected in done.stdout.split()


@pytest.mark.parametrize(("command", "name"), RENAMED)
class TestEarlierNames:
    def test_are_refused_with_the_new_one_named(
        self, command: str, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        program, *words = command.split()
        with pytest.raises(SystemExit) as stopped:
            COMMANDS[program]([*words, name])
        assert stopped.value.code == USAGE
        assert f"{name} is now called {RENAMED[command, name]}" in capsys.readouterr().err

    def test_are_refused_in_json_too(self, command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        program, *words = command.split()
        with pytest.raises(SystemExit):
            COMMANDS[program]([*words, name, "--json"])
        assert name in json.loads(capsys.readouterr().err)["error"]

    def test_have_a_new_one_that_exists(self, command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        program, *words = command.split()
        with pytest.raises(SystemExit):
            COMMANDS[program]([*words, "--help"])
        assert RENAMED[command, name] in capsys.readouterr().out
