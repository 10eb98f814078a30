"""Which command measured which section of an evaluation: noted beside the journals, repeated in `evaluation.json`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

FILE = "commands.json"
_COMMANDS = TypeAdapter(dict[str, str])


def as_typed(command: str, options: Iterable[tuple[str, object]], arguments: Iterable[object] = ()) -> str:
    """The command of `fetalhead-train` with its arguments and the options that have a value, quoted for a shell.

    An option that is True stands alone, one that is None or False is left out, a list gives all of its values.

    A path outside the working folder is told by its name alone: nothing of a machine's folders goes into a model.
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
    path = folder / FILE
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(noted(folder) | {section: command}, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def noted(folder: Path) -> dict[str, str]:
    """The command of each section that has one."""
    path = folder / FILE
    return _COMMANDS.validate_json(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _shown(value: object) -> str:
    if not isinstance(value, Path) or not value.is_absolute():
        return str(value)
    return str(value.relative_to(Path.cwd())) if value.is_relative_to(Path.cwd()) else value.name
