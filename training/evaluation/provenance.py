"""Which command measured which section of an evaluation: noted beside the journals, repeated in `evaluation.json`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from app.files import write_atomically

FILE = "commands.json"
RUNS = "runs"
SPLIT_FILE = "split.csv"
"""Which of one's own cases a run learned from, in its folder."""
CANDIDATE_DEPTH = 4
"""RUN/store/NAME/1."""
_COMMANDS = TypeAdapter(dict[str, str])


def as_typed(command: str, options: Iterable[tuple[str, object]], arguments: Iterable[object] = ()) -> str:
    """The command of `fetalhead-train` with its arguments and the options that have a value, quoted for a shell.

    An option that is True stands alone, one that is None or False is left out, a list gives all of its values.

    Paths are `shortened`: nothing of a machine's folders goes into a model.
    """
    words = [_shown(argument) for argument in arguments]
    for name, value in options:
        if value is None or value is False:
            continue
        values = () if value is True else value if isinstance(value, list) else (value,)
        words += [name, *map(_shown, values)]
    return shlex.join(("fetalhead-train", command, *words))


def note(folder: Path, section: str, command: str) -> None:
    """Note what measured a section; a later command takes the place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FILE, json.dumps(noted(folder) | {section: command}, indent=2) + "\n")


def noted(folder: Path) -> dict[str, str]:
    """The command of each section that has one."""
    path = folder / FILE
    return _COMMANDS.validate_json(path.read_text(encoding="utf-8")) if path.is_file() else {}


def shortened(path: Path) -> Path:
    """A path as it may be told: relative to the working folder, or from its folder of runs on, or its name alone.

    Of a candidate, whose name is a number, what is above it up to its run.
    """
    if not path.is_absolute():
        return path
    if path.is_relative_to(Path.cwd()):
        return path.relative_to(Path.cwd())
    parts = path.parts
    if RUNS in parts:
        return Path(*parts[max(n for n, part in enumerate(parts) if part == RUNS) :])
    return Path(*parts[-CANDIDATE_DEPTH:]) if path.name.isdecimal() else Path(path.name)


def _shown(value: object) -> str:
    return str(shortened(value) if isinstance(value, Path) else value)
