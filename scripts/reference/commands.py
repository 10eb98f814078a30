"""The page about the commands, from their parsers."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from typing import Final

from scripts.reference.markdown import NOTE, anchor, sentence, table

PROGRAMS: Final = {"fetalhead": "app.cli.commands", "fetalhead-train": "training.cli.main"}
INTRODUCTION: Final = """\
# Commands

`fetalhead` measures volumes and runs the service. `fetalhead-train` simulates patients, trains, evaluates and publishes
models. Both print this help with `--help`."""


def page() -> str:
    """Return the page."""
    return "\n\n".join([NOTE, INTRODUCTION, *(part for name in PROGRAMS for part in _program(name))]) + "\n"


def _program(name: str) -> Iterator[str]:
    parser: argparse.ArgumentParser = importlib.import_module(PROGRAMS[name]).make_parser()
    commands = list(_leaves(parser, name))
    yield f"## {name}"
    yield sentence(parser.description or "")
    yield table(["command", "what it does"], ([f"[`{n}`]({anchor(n)})", help_] for n, help_, _ in commands))
    yield sentence(" ".join((parser.epilog or "").split()))
    for command, help_, leaf in commands:
        yield from _command(command, help_, leaf)


def _leaves(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Yield name, help and parser of every command that has no commands below it."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for word, command in action.choices.items():
                below = list(_leaves(command, f"{name} {word}"))
                yield from below or [(f"{name} {word}", helps.get(word, ""), command)]


def _command(name: str, help_: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    formatter = argparse.HelpFormatter(name, width=10_000)
    arguments = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    yield f"### {name}"
    yield sentence(help_)
    if parser.description:
        yield sentence(" ".join(parser.description.split()))
    yield f"`{_synopsis(name, arguments, formatter)}`"
    if arguments:
        yield table(["argument", "meaning"], ([_names(a, formatter), _meaning(a, formatter)] for a in arguments))
    if parser.epilog:
        yield _epilog(parser.epilog)


def _synopsis(name: str, arguments: list[argparse.Action], formatter: argparse.HelpFormatter) -> str:
    required = [a for a in arguments if a.option_strings and a.required]
    positional = [a for a in arguments if not a.option_strings]
    options = ["[OPTIONS]"] if len(required) + len(positional) < len(arguments) else []
    named = [f"{a.option_strings[0]} {_value(a, formatter)}" for a in required]
    return " ".join([name, *options, *named, *(_value(a, formatter) for a in positional)])


def _names(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    value = _value(action, formatter)
    if not action.option_strings:
        return f"`{value}`"
    return ", ".join(f"`{option} {value}`" if value else f"`{option}`" for option in action.option_strings)


def _value(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    """Return what stands for the argument's value, such as `DIR` or `{bash,zsh,fish}`."""
    if action.nargs == 0:
        return ""
    default = action.dest if not action.option_strings else action.dest.upper()
    return formatter._format_args(action, default)


def _meaning(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    return formatter._expand_help(action) if action.help else ""


def _epilog(text: str) -> str:
    """Return paragraphs as they are; columns as a block, since Markdown would join them."""
    return f"```text\n{text.strip()}\n```" if "  " in text else text.strip()
