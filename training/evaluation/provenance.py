"""Provenance of an evaluation: the command that measured each section, kept beside the journals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from app.files import write_atomically
from training.fitting.run_folder import RUNS

FILE = "commands.json"
CANDIDATE_DEPTH = 4
"""The number of folders of a candidate's path RUN/store/NAME/1."""
_COMMANDS = TypeAdapter(dict[str, str])


def format_command(command: str, options: Iterable[tuple[str, object]], arguments: Iterable[object] = ()) -> str:
    """Format a command of `fetalhead-train` with its arguments and the options that have a value, quoted for a shell.

    An option that is True has no value, one that is None or False is left out, a list gives all of its values.

    Paths are shortened, so that a model says nothing about a machine's folders.
    """
    words = [_format(argument) for argument in arguments]
    for name, value in options:
        if value is None or value is False:
            continue
        values = () if value is True else value if isinstance(value, list) else (value,)
        words += [name, *map(_format, values)]
    return shlex.join(("fetalhead-train", command, *words))


def record_command(folder: Path, section: str, command: str) -> None:
    """Record the command that measured a section; a later command replaces an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE, json.dumps(read_commands(folder) | {section: command}, indent=2) + "\n")


def read_commands(folder: Path) -> dict[str, str]:
    """Read the command of each section that has one."""
    path = folder / FILE
    return _COMMANDS.validate_json(path.read_text(encoding="utf-8")) if path.is_file() else {}


def shorten_path(path: Path) -> Path:
    """Shorten a path: relative to the working folder, or from its folder of runs on, or its name alone.

    The path of a candidate, whose name is a number, begins at its run.
    """
    if not path.is_absolute():
        return path
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd())
    parts = path.parts
    if RUNS in parts:
        return Path(*parts[max(n for n, part in enumerate(parts) if part == RUNS) :])
    return Path(*parts[-CANDIDATE_DEPTH:]) if path.name.isdecimal() else Path(path.name)


def _format(value: object) -> str:
    return str(shorten_path(value) if isinstance(value, Path) else value)
