"""What both commands share: exit codes, arguments, errors for people and for programs, completion."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NoReturn, TypeAlias

import shtab

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""Arguments that cannot be used; argparse's own exit code."""
NO_MODEL: Final = 3
INTERRUPTED: Final = 130
READER_LEFT: Final = 141
"""The exit code that a shell shows for SIGPIPE."""
NO_RUNTIME: Final = (
    "No ONNX Runtime is installed. Install one: pip install 'fetalhead[cpu]', or 'fetalhead[gpu]' for CUDA."
)
SHELLS: Final = ("bash", "zsh", "fish")
HOW_TO: Final = """\
bash:  eval "$({prog} completion bash)"            in ~/.bashrc
zsh:   {prog} completion zsh > "${{fpath[1]}}/_{prog}"   once
fish:  {prog} completion fish > ~/.config/fish/completions/{prog}.fish"""

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def positive(text: str) -> int:
    """A whole number, 1 or more, for argparse."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def reader_left() -> int:
    """Whoever read the output has gone (`| head`): end without a word."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_LEFT


class Parser(argparse.ArgumentParser):
    """Tells of arguments that cannot be used in one JSON object where `--json` is among them."""

    as_json = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """As argparse does, once it is known how errors are told."""
        given = sys.argv[1:] if args is None else list(args)
        self.as_json = self.as_json or "--json" in given
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    command.as_json = self.as_json
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Say what cannot be used, and end."""
        if not self.as_json:
            super().error(message)
        self.exit(USAGE, json.dumps({"error": f"{self.prog}: {message}", "exit_code": USAGE}) + "\n")


def operator() -> str:
    """The name of the account, marked as one of the console."""
    return f"console:{getpass.getuser()}"


def add_completion(commands: Commands, prog: str, made: Callable[[str], str]) -> None:
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


def complain(text: str, code: int, as_json: bool = False) -> int:
    """Says on standard error what went wrong, as a line or as a JSON object, and gives the exit code."""
    line = json.dumps({"error": text, "exit_code": code}) if as_json else f"fetalhead: {text}"
    print(line, file=sys.stderr)
    return code
