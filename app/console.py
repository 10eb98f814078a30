"""The shared parts of both commands: exit codes, arguments, errors for people and for programs, completion."""

from __future__ import annotations

import argparse
import getpass
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeAlias

import shtab

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
"""The exit code for arguments that cannot be used, as argparse has it."""
NO_MODEL: Final = 3
INTERRUPTED: Final = 130
READER_LEFT: Final = 141
"""The exit code that a shell shows for SIGPIPE."""
RENAMED: Final[Mapping[tuple[str, str], str]] = {
    ("fetalhead records repair", "--strangers"): "--orphans",
    ("fetalhead-train", "leave-out"): "ablation",
    ("fetalhead-train", "turned"): "orientation",
}
"""For a command and an earlier name of one of its subcommands or options, the name that replaced it."""
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
    """Parse a whole number of 1 or more for argparse."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def zero_or_more(text: str) -> int:
    """Parse a whole number of 0 or more for argparse."""
    if not text.isascii() or not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def print_any_text() -> None:
    """Have both output streams escape what their encoding lacks; one that was closed takes everything."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # open as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def end_silently() -> int:
    """Return the exit code for a reader that stopped reading (`| head`), and discard what is still printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return READER_LEFT


class CommandError(Exception):
    """An error of a command, with its exit code."""

    def __init__(self, message: str, code: int = USAGE) -> None:
        super().__init__(message)
        self.code = code


class Parser(argparse.ArgumentParser):
    """An argument parser that reports errors as one JSON object where `--json` is among the arguments."""

    as_json = False

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse as argparse does, once it is known how errors are reported, and refuse earlier names."""
        given = sys.argv[1:] if args is None else list(args)
        self.as_json = self.as_json or "--json" in given
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for command in action.choices.values():
                    command.as_json = self.as_json
        self._refuse_renamed(given)
        return super().parse_known_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Report what cannot be used, and exit."""
        if not self.as_json:
            super().error(message)
        self.exit(USAGE, json.dumps({"error": f"{self.prog}: {message}", "exit_code": USAGE}) + "\n")

    def _refuse_renamed(self, given: Sequence[str]) -> None:
        options = [word.partition("=")[0] for word in given if word.startswith("--")]
        for name in (*given[:1], *options):
            if (self.prog, name) in RENAMED:
                self.error(f"{name} is now called {RENAMED[self.prog, name]}")


def operator() -> str:
    """Return the name of the account, marked as an operator of the console."""
    return f"console:{getpass.getuser()}"


def add_completion(commands: Commands, prog: str, make: Callable[[str], str]) -> None:
    """Add the command `completion`, which prints the script that `make` returns for a shell."""
    command = commands.add_parser(
        "completion",
        help="print the completion script of a shell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=HOW_TO.format(prog=prog),
    )
    command.add_argument("shell", choices=SHELLS)

    def run(options: argparse.Namespace, *_: object) -> int:
        print(make(options.shell))
        return 0

    command.set_defaults(command=run)


def make_completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return a shell's completion script; arguments that are paths are completed as such."""
    for action in _walk_actions(parser):
        if action.type is not None and getattr(action.type, "__name__", "") == "Path":
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # shtab's own way to say it
    text: str = shtab.complete(parser, shell)
    return text


def complain(text: str, code: int, as_json: bool = False) -> int:
    """Report an error on standard error, as a line or as a JSON object, and return the exit code."""
    line = json.dumps({"error": text, "exit_code": code}) if as_json else f"fetalhead: {text}"
    print(line, file=sys.stderr)
    return code


def _walk_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield every argument of the parser and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from _walk_actions(subparser)
