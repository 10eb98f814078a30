"""Arguments of a command whose errors a program can read too; shared by `fetalhead` and `fetalhead-train`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

USAGE: Final = 2
"""The exit code for arguments that cannot be used, as argparse has it."""
READER_LEFT: Final = 141
"""The exit code that a shell shows for SIGPIPE."""


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
