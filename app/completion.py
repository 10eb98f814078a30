"""Completion of a command in the shell, by shtab; shared by `fetalhead` and `fetalhead-train`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Final

import shtab

SHELLS: Final = ("bash", "zsh", "fish")
HOW_TO: Final = """\
bash:  eval "$({prog} completion bash)"            in ~/.bashrc
zsh:   {prog} completion zsh > "${{fpath[1]}}/_{prog}"   once
fish:  {prog} completion fish > ~/.config/fish/completions/{prog}.fish"""


def add_completion(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], prog: str, made: Callable[[str], str]
) -> None:
    """Add the command `completion`, which prints what a shell has to read; `made` gives it for a shell."""
    command = commands.add_parser(
        "completion",
        help="print the completion script of a shell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=HOW_TO.format(prog=prog),
    )
    command.add_argument("shell", choices=SHELLS)

    def run(options: argparse.Namespace, *_: object) -> int:
        print(made(options.shell))
        return 0

    command.set_defaults(command=run)


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """What the shell has to read; paths are completed wherever an argument is one."""
    for action in _actions(parser):
        if action.type is not None and getattr(action.type, "__name__", "") == "Path":
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own way to say it
    text: str = shtab.complete(parser, shell)
    return text


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of the parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _actions(subparser)
